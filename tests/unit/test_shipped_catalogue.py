"""The shipped catalogue and its vocabularies hold together and carry what rules need."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest
from guardrail_people import NOW, metrics, person, records_of, shipped_rules

from recommender.catalogue import (
    load_catalogue,
    load_conditions,
    load_tags,
    load_techniques,
)
from recommender.catalogue_check import EXERCISE_TAGS, INTENSITY_TAGS
from recommender.catalogue_review import review
from recommender.curate import vocabulary
from recommender.dataset import BoolArray, Records
from recommender.domain import EVERYBODY, Action, Audience, Catalogue
from recommender.features.actions import described
from recommender.guardrails.check import Guard
from recommender.guardrails.eligibility import EligibilityCheck
from recommender.guardrails.profile import completed_years

DOMAINS = {
    "activity",
    "nutrition",
    "sleep",
    "stress",
    "social",
    "monitoring",
    "screening",
    "substance_use",
}
SCREENING_DAYS = {
    "screening:blood_pressure": {365, 1095},
    "screening:colorectal": {365, 3650},
    "screening:breast": {730},
    "screening:cervical": {1095, 1825},
    "screening:lung": {365},
    "screening:diabetes": {1095},
}
ONCE = {"screening:abdominal_aortic_aneurysm", "screening:hepatitis_c"}
SAFETY_TAGS = {
    "sauna": {"heat"},
    "yoga-hot": {"heat", "moderate_exercise", "fall_risk"},
    "eating-window": {"fasting", "weight_loss"},
    "energy-budget": {"calorie_counting", "weight_loss"},
    "weekly-weigh-in": {"weight_loss"},
    "cbti-course": {"sleep_restriction"},
    "hiit-short": {"vigorous_exercise", "high_impact"},
    "football-friendly": {"vigorous_exercise", "contact_sport", "fall_risk", "high_impact"},
    "core-floor": {"moderate_exercise", "strength", "supine"},
    "box-breathing": {"breath_holding"},
    "cool-shower-finish": {"cold_exposure"},
    "drink-free-days": {"alcohol"},
    "caffeine-cutoff": {"caffeine"},
    "regular-care-review": {"medication_talk"},
    "heart-risk-visit": {"screening:statin", "medication_talk"},
}


REVIEWED = date(2026, 11, 23)
LABELS = ("For: ", " Dose: ", " Effect: ", " Not for: ", " Source: ")


def test_the_shipped_catalogue_has_no_problem() -> None:
    actions = load_catalogue().actions
    assert [found for found in review(actions, vocabulary(metrics()), REVIEWED) if found] == []
    assert len(actions) >= 180
    spread = Counter(action.domain for action in actions)
    assert spread.keys() == DOMAINS
    assert min(spread.values()) >= 12


def test_every_shipped_action_is_complete() -> None:
    for action in load_catalogue().actions:
        assert action.description, action.action_id
        assert action.clinician_description, action.action_id
        assert None not in (action.effort, action.minutes, action.repeat_after_days)
        assert {"setting", "cost", "suits"} == set(action.attributes)
        assert not any(character.isdigit() for character in action.title + action.description)
        assert {item.verified for item in action.evidence} == {"secondary"}, action.action_id


def test_the_basis_for_clinicians_is_told_in_full() -> None:
    for action in load_catalogue().actions:
        text = action.clinician_description
        places = [text.find(label) for label in LABELS]
        assert places == sorted(places), action.action_id
        assert places[0] == 0, action.action_id
        assert all(item.source in text for item in action.evidence), action.action_id


def test_what_is_administrative_is_no_feature_of_the_model() -> None:
    actions = load_catalogue().actions
    names = {name.partition("=")[0] for action in actions for name in described(action)}
    assert names == {
        *("domain", "targets", "tags", "technique", "effort", "minutes", "repeat_after_days"),
        *("attribute:setting", "attribute:cost", "attribute:suits"),
    }


def test_every_technique_is_one_of_the_taxonomy_and_used() -> None:
    used = {action.technique for action in load_catalogue().actions}
    assert used <= set(load_techniques())
    assert len(used) >= 20


def test_every_tag_is_used_and_means_something() -> None:
    tags = load_tags()
    assert set(tags) == {tag for action in load_catalogue().actions for tag in action.tags}
    assert set(INTENSITY_TAGS) | set(EXERCISE_TAGS) <= set(tags)
    assert all(meaning.endswith(".") for meaning in (tags | load_conditions()).values())


def test_screenings_repeat_as_their_guideline_says() -> None:
    seen: dict[str, set[float | None]] = {}
    for action in load_catalogue().actions:
        for tag in action.tags:
            seen.setdefault(tag, set()).add(action.repeat_after_days)
    assert {tag: seen[tag] for tag in SCREENING_DAYS} == SCREENING_DAYS
    assert all(min(day or 0 for day in seen[tag]) > 36_000 for tag in ONCE)


def test_exercise_in_the_activity_domain_names_its_intensity() -> None:
    without = {
        action.action_id
        for action in load_catalogue().actions
        if action.domain == "activity" and not set(INTENSITY_TAGS) & set(action.tags)
    }
    assert without == {"plan-active-week", "exercise-referral", "heart-rehab", "lung-rehab"}


@pytest.mark.parametrize(("action_id", "tags"), SAFETY_TAGS.items())
def test_risky_actions_carry_the_tags_that_rules_look_at(action_id: str, tags: set[str]) -> None:
    catalogue = load_catalogue()
    assert set(catalogue.actions[catalogue.index[action_id]].tags) == tags


SERVICES = sorted(tag for tag in load_tags() if tag.startswith(("screening:", "vaccination:")))
BEST_CASE = {  # what else the rule for a service asks for, so that age and sex alone decide
    "screening:lung": {"attributes": {"smoking_status": "current"}, "pack_years": 30.0},
    "screening:abdominal_aortic_aneurysm": {"attributes": {"smoking_status": "former"}},
    "screening:diabetes": {"body_mass_index": 31.0},
    "screening:obesity": {"body_mass_index": 31.0},
    "screening:falls": {"has": "balance_disorder"},
    "screening:statin": {"ldl_cholesterol": 160.0},
    "vaccination:pneumococcal": {"has": "asthma"},
    "vaccination:rsv": {"has": "copd"},
}


def _eligibility_rule(tag: str) -> set[str]:
    return {f"{tag.replace(':', '_')}_eligibility", "unknown_person", "minor"}


@pytest.mark.parametrize("tag", SERVICES)
def test_eligibility_and_the_rules_agree_on_age_and_sex(tag: str) -> None:
    """Whom the rule for a service allows, some action offers it to, and nobody else."""
    offering = [action for action in load_catalogue().actions if tag in action.tags]
    everyone = [
        (age, sex) for age in range(10, 100) for sex in ("female", "male", "other", "unknown")
    ]
    records = records_of(
        *(person(age=age, sex=sex, **BEST_CASE.get(tag, {})) for age, sex in everyone)
    )
    offered = ~_refused(offering, records).all(axis=1)
    bare = Action("bare", "Bare", "screening", tags=(tag,))
    guard = Guard(shipped_rules(), Catalogue((bare,)), metrics())
    decided = guard.decide(records, NOW, Audience.CLINICIAN)
    names = _eligibility_rule(tag)
    allowed = [guard.rule_id(int(place)) not in names for place in decided.rule[:, 0]]
    differs = [who for who, a, b in zip(everyone, offered, allowed, strict=True) if a != b]
    assert differs == []


def _refused(actions: list[Action], records: Records) -> BoolArray:
    age = completed_years(records.users.born_at, NOW)
    return EligibilityCheck(Catalogue(tuple(actions))).ineligible(records, age, NOW)


def test_every_service_says_whom_it_is_for_and_how_long_it_lasts() -> None:
    for action in load_catalogue().actions:
        if set(action.tags) & set(SERVICES):
            assert action.eligible != EVERYBODY, action.action_id
            assert action.eligible.min_age is not None, action.action_id
            assert action.eligible.not_done_within_days == action.repeat_after_days
