"""An independent judge of safety: which actions must not be shown to whom, and who must be warned.

Written from the clinical facts alone (the sources are named with each ban), before its author had
seen the rules that it judges. It states only what must never be shown: where the facts leave room,
it stays silent, so that every answer it objects to is worth a look.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from recommender.dataset import BoolArray, Records
from recommender.domain import Audience, Catalogue
from tests.benchmarks.oracle_history import outside_eligibility
from tests.benchmarks.oracle_record import DAY, HOUR, NO_EXERCISE_PREGNANT, PREGNANT, Sight
from tests.benchmarks.oracle_screening import screening_bans, vaccination_bans

ALL = ("light_exercise", "moderate_exercise", "vigorous_exercise")
MODERATE = ("moderate_exercise", "vigorous_exercise")
VIGOROUS = ("vigorous_exercise",)
DIET = ("weight_loss", "fasting", "calorie_counting")

HEART = ("coronary_artery_disease", "heart_failure", "arrhythmia")
VESSELS = ("stroke", "peripheral_artery_disease")
DIABETES = ("type_1_diabetes", "type_2_diabetes")
DISEASE = (*HEART, *VESSELS, *DIABETES, "chronic_kidney_disease")


@dataclass(frozen=True)
class Ban:
    """Tags that must not be shown to some people.

    Attributes
    ----------
    basis
        Where it is from; ``judgement`` marks what no row of the clinical facts says outright.
    who
        One entry a person.
    """

    name: str
    basis: str
    tags: tuple[str, ...]
    who: BoolArray


@dataclass(frozen=True)
class Judgement:
    """What the oracle says of a batch of people.

    Attributes
    ----------
    bans
        Every ban, with whom it is for.
    forbidden
        Actions that must not be shown, shape [n_people, n_actions].
    ineligible
        Those of them that the action's own eligibility forbids, same shape.
    warned
        Who must get an alert, by its reason; ``crisis`` comes with a contact.
    """

    bans: tuple[Ban, ...]
    forbidden: BoolArray
    ineligible: BoolArray
    warned: dict[str, BoolArray]


def judge(records: Records, as_of: float, audience: Audience, catalogue: Catalogue) -> Judgement:
    """Judge every action for everybody."""
    sight = Sight(records, as_of)
    bans = tuple(_bans(sight, audience))
    ineligible = outside_eligibility(sight, catalogue)
    held: dict[str, BoolArray] = {}
    for ban in bans:
        for tag in ban.tags:
            held[tag] = held[tag] | ban.who if tag in held else ban.who
    forbidden = ineligible.copy(order="F")
    for place, action in enumerate(catalogue.actions):
        for tag in held.keys() & action.tags:
            forbidden[:, place] |= held[tag]
    return Judgement(bans, forbidden, ineligible, _warnings(sight))


def _bans(sight: Sight, audience: Audience) -> Iterator[Ban]:
    for topic in (_pressure, _sugar, _vital_signs, _clearance, _unknown, _pregnancy, _eating):
        yield from topic(sight)
    yield from _other_conditions(sight)
    for name, basis, tag, who in (*screening_bans(sight), *vaccination_bans(sight)):
        yield Ban(name, basis, (tag,), who)
    if audience is Audience.USER:
        everybody = np.ones(sight.count, bool)
        tags = ("medication_talk", "screening:statin")
        yield Ban("medicines_for_clinicians_only", "product rule; USPSTF", tags, everybody)


def _pressure(sight: Sight) -> Iterator[Ban]:
    low, high = sight.stands("systolic_bp")
    _, lower = sight.stands("diastolic_bp")
    rest = (high >= 180) | (lower >= 110)
    crisis = (high > 180) | (lower > 120)
    hard = (*MODERATE, "strength")
    yield Ban("no_exercise_at_180_110", "ACSM", hard, rest)
    yield Ban("no_light_exercise_at_180_110", "ACSM, read strictly", ("light_exercise",), rest)
    strain = ("heat", "cold_exposure", "breath_holding")
    yield Ban("crisis_no_strain", "judgement", strain, crisis)
    yield Ban("systolic_severe", "NEWS2", MODERATE, (low <= 90) | (high >= 220))
    yield Ban("systolic_low_heat", "judgement", ("heat",), low <= 90)


def _sugar(sight: Sight) -> Iterator[Ban]:
    low, high = sight.stands("glucose", DAY)
    _, ketones = sight.stands("blood_ketones")
    yield Ban("low_glucose", "ADA", (*MODERATE, "fasting"), low < 70)
    yield Ban("very_low_glucose", "ADA", ALL, low < 54)
    yield Ban("after_low_glucose", "Sports Med Open 2019", ALL, sight.any_below("glucose", 52, DAY))
    helped = sight.since("severe_low_glucose_on") < DAY
    yield Ban("after_helped_low", "Sports Med Open 2019", ALL, helped)
    yield Ban("high_glucose", "ADA 2016", VIGOROUS, high >= 250)
    yield Ban("ketones", "ADA 2016", ALL, ketones >= 1.5)
    insulin = sight.has("type_1_diabetes", "insulin_use")
    yield Ban("insulin_fasting", "judgement", ("fasting",), insulin)
    yield Ban("insulin_unknown_glucose", "unknown never clears", VIGOROUS, insulin & np.isnan(low))


def _vital_signs(sight: Sight) -> Iterator[Ban]:
    oxygen, _ = sight.stands("oxygen_saturation")
    copd = sight.has("copd")
    short = np.where(copd, oxygen < 88, oxygen <= 92)
    slow, fast = sight.stands("resting_heart_rate")
    breaths_low, breaths_high = sight.stands("respiratory_rate")
    cold, hot = sight.stands("body_temperature")
    yield Ban("oxygen", "NEWS2; NHS", ALL, short)
    yield Ban("oxygen_breath", "judgement", ("breath_holding",), short)
    yield Ban("pulse_severe", "NEWS2", MODERATE, (slow <= 40) | (fast >= 131))
    yield Ban("pulse_marked", "NEWS2", VIGOROUS, fast >= 111)
    yield Ban("breathing_severe", "NEWS2", MODERATE, (breaths_low <= 8) | (breaths_high >= 25))
    yield Ban("temperature", "NEWS2", MODERATE, (cold <= 35.0) | (hot >= 39.1))
    yield Ban("fever_heat", "judgement", ("heat",), hot >= 39.1)
    yield Ban("cold_body_cold", "judgement", ("cold_exposure",), cold <= 35.0)


def _clearance(sight: Sight) -> Iterator[Ban]:
    recent = sight.since("exercise_clearance_on") <= 365 * DAY
    to_vigorous = recent & sight.says("exercise_clearance", "vigorous")
    to_moderate = to_vigorous | (recent & sight.says("exercise_clearance", "moderate"))
    disease = sight.has(*DISEASE)
    symptoms = sight.has("chest_pain_on_exertion", "syncope")
    yield Ban("disease_clearance", "ACSM", VIGOROUS, disease & ~to_vigorous)
    inactive = disease & ~_perhaps_active(sight) & ~to_moderate
    yield Ban("inactive_disease_clearance", "ACSM", MODERATE, inactive)
    yield Ban("symptoms_clearance", "ACSM", MODERATE, symptoms & ~to_moderate)
    yield Ban("symptoms_vigorous", "ACSM", VIGOROUS, symptoms & ~to_vigorous)


def _perhaps_active(sight: Sight) -> BoolArray:
    """Whether any fresh reading speaks for some regular activity; unknown is inactive."""
    some = np.zeros(sight.count, bool)
    enough = {
        "moderate_minutes_per_week": 30,
        "vigorous_minutes_per_week": 15,
        "active_minutes": 4,
        "step_count": 3000,
    }
    for metric, least in enough.items():
        some |= np.fmax(*sight.stands(metric)) >= least
    return some


def _unknown(sight: Sight) -> Iterator[Ban]:
    systolic, diastolic = sight.stands("systolic_bp")[0], sight.stands("diastolic_bp")[0]
    unmeasured = np.isnan(systolic) | np.isnan(diastolic)
    yield Ban("unknown_pressure", "unknown never clears", VIGOROUS, unmeasured)
    yield Ban("unknown_age", "unknown never clears", VIGOROUS, np.isnan(sight.age))
    nothing = ~sight.known_of()
    tags = (*VIGOROUS, *DIET, "contact_sport", "fall_risk", "alcohol", "heat", "supine")
    more = ("cold_exposure", "breath_holding", "sleep_restriction", "low_carbohydrate")
    yield Ban("unknown_person", "contract: cold start", (*tags, *more), nothing)


def _pregnancy(sight: Sight) -> Iterator[Ban]:
    pregnant = sight.has(*PREGNANT)
    never = ("alcohol", "fasting", "weight_loss", "contact_sport", "fall_risk", "supine")
    yield Ban("pregnancy", "pregnancy, also", never, pregnant)
    organs = pregnant & sight.has(*HEART, "restrictive_lung_disease")
    complicated = sight.has(*NO_EXERCISE_PREGNANT) | organs
    yield Ban("pregnancy_no_exercise", "ACOG", (*MODERATE, "strength"), complicated)
    yield Ban("pregnancy_no_light", "ACOG, read strictly", ("light_exercise",), complicated)
    yield Ban("pregnancy_heat", "judgement", ("heat",), pregnant)
    yield Ban("pregnancy_live_vaccine", "judgement (CDC)", ("vaccination:mmr",), pregnant)


def _eating(sight: Sight) -> Iterator[Ban]:
    low, _ = sight.stands("body_mass_index")
    derived = sight.derived_bmi()
    thin = (low < 18.5) | (np.isnan(low) & (derived < 18.5))
    yield Ban("underweight", "eating disorder, underweight", DIET, thin)
    yield Ban("eating_disorder", "eating disorder, underweight", DIET, sight.has("eating_disorder"))
    young = sight.age < 18
    yield Ban("minor", "judgement", (*DIET, "alcohol"), young)


def _other_conditions(sight: Sight) -> Iterator[Ban]:
    conditions = (
        ("alcohol", ("alcohol_use_disorder", "liver_disease")),
        ("sleep_restriction", ("bipolar_disorder", "epilepsy")),
        ("contact_sport", ("anticoagulant_use", "osteoporosis", "recent_surgery")),
        ("fall_risk", ("osteoporosis", "balance_disorder", "anticoagulant_use", "syncope")),
        ("high_impact", ("osteoporosis", "recent_surgery")),
        ("vigorous_exercise", ("recent_surgery",)),
        ("cold_exposure", HEART),
        ("heat", ("heart_failure", "syncope")),
        ("breath_holding", ("epilepsy", "syncope")),
        ("low_carbohydrate", ("type_1_diabetes",)),
    )
    for tag, names in conditions:
        for name in names:
            yield Ban(f"{name}_{tag}", "judgement", (tag,), sight.has(name))


def _warnings(sight: Sight) -> dict[str, BoolArray]:
    systolic, high = sight.stands("systolic_bp")
    _, lower = sight.stands("diastolic_bp")
    oxygen, _ = sight.stands("oxygen_saturation")
    sugar, _ = sight.stands("glucose", DAY)
    slow, fast = sight.stands("resting_heart_rate")
    breaths_low, breaths_high = sight.stands("respiratory_rate")
    short = np.where(sight.has("copd"), oxygen < 88, oxygen <= 92)
    return {
        "crisis": sight.stands("phq9_item9")[1] > 0,
        "pressure_crisis": (high > 180) | (lower > 120),
        "oxygen": short,
        "low_glucose": sight.any_below("glucose", 54, HOUR) & (sugar < 54),
        "pulse": (slow <= 40) | (fast >= 131),
        "breathing": (breaths_low <= 8) | (breaths_high >= 25),
        "systolic": systolic <= 90,
        "temperature": sight.stands("body_temperature")[0] <= 35.0,
    }
