"""Screenings and vaccinations the oracle keeps back: whom they are for, and how often.

Ages, sexes and intervals are those of the US Preventive Services Task Force as of 2025; a screening
done inside its interval, or with an abnormal result still open, is not recommended.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from recommender.dataset import BoolArray, FloatArray
from recommender.domain import SEX_CODES
from tests.benchmarks.oracle_record import PREGNANT, Sight

Named = tuple[str, str, str, BoolArray]
"""Name of the ban, its basis, the tag and whom it is for."""

EVER = 36_500.0
YEAR = 365.0
AGES = {
    "blood_pressure": (18, 200),
    "colorectal": (45, 75),
    "breast": (40, 74),
    "cervical": (21, 65),
    "lung": (50, 80),
    "abdominal_aortic_aneurysm": (65, 75),
    "diabetes": (35, 70),
    "osteoporosis": (65, 200),
    "hepatitis_c": (18, 79),
    "hiv": (15, 65),
    "alcohol": (18, 200),
    "tobacco": (18, 200),
    "depression": (18, 200),
    "anxiety": (19, 64),
    "obesity": (18, 200),
    "falls": (65, 200),
    "statin": (40, 75),
}
ONE_SEX = {
    "breast": "female",
    "cervical": "female",
    "osteoporosis": "female",
    "folic_acid": "female",
    "abdominal_aortic_aneurysm": "male",
}
DONE: Mapping[str, tuple[tuple[str, float], ...]] = {
    "colorectal": (
        ("last_colonoscopy", 10 * YEAR),
        ("last_colorectal_stool_test", YEAR),
        ("last_colorectal_screening", YEAR),
    ),
    "breast": (("last_breast_screening", 2 * YEAR),),
    "cervical": (("last_cervical_screening", 3 * YEAR),),
    "lung": (("last_lung_screening", YEAR),),
    "abdominal_aortic_aneurysm": (("last_abdominal_aortic_aneurysm_screening", EVER),),
    "diabetes": (("last_diabetes_screening", 3 * YEAR),),
    "hepatitis_c": (("last_hepatitis_c_screening", EVER),),
    "blood_pressure": (("last_blood_pressure_screening", YEAR),),
    "osteoporosis": (("last_osteoporosis_screening", YEAR),),
    "alcohol": (("last_alcohol_screening", 300),),
    "tobacco": (("last_tobacco_screening", 300),),
    "depression": (("last_depression_screening", 300),),
    "anxiety": (("last_anxiety_screening", 300),),
    "lipids": (("last_lipids_screening", YEAR),),
}
RESULTS = (
    "blood_pressure", "colorectal", "breast", "cervical", "lung", "abdominal_aortic_aneurysm",
    "diabetes", "osteoporosis", "hepatitis_c", "hiv",
)  # fmt: skip
VACCINES = {
    "influenza": 270.0,  # of the season before, once the next one begins
    "covid_19": 270.0,
    "tetanus": 10 * YEAR,
    "shingles": EVER,
    "pneumococcal": EVER,
    "hpv": EVER,
    "hepatitis_b": EVER,
    "rsv": EVER,
    "mmr": EVER,
}


def screening_bans(sight: Sight) -> Iterator[Named]:
    """Whom no screening is for, by age, sex, risk, history and result."""
    for name, (least, most) in AGES.items():
        fits = (sight.age >= least) & (sight.age <= most)
        yield f"{name}_age", "USPSTF", f"screening:{name}", ~fits
    for name, sex in ONE_SEX.items():
        yield f"{name}_sex", "USPSTF", f"screening:{name}", ~sight.sex_is(SEX_CODES[sex])
    yield from _by_risk(sight)
    for name, checks in DONE.items():
        for attribute, days in checks:
            done = sight.done_within(attribute, days)
            yield f"{name}_done:{attribute}", "USPSTF interval", f"screening:{name}", done
    young = (sight.age < 40) & sight.done_within("last_blood_pressure_screening", 3 * YEAR)
    yield "blood_pressure_done_young", "USPSTF interval", "screening:blood_pressure", young
    by_hpv = (sight.age >= 30) & sight.done_within("last_hpv_test", 5 * YEAR)  # not before 30
    yield "cervical_done:last_hpv_test", "USPSTF interval", "screening:cervical", by_hpv
    again = ~sight.has(*PREGNANT) & sight.done_within("last_hiv_screening", YEAR)
    yield "hiv_done:last_hiv_screening", "USPSTF interval", "screening:hiv", again
    for name in RESULTS:
        open_result = sight.says(f"{name}_screening_result", "abnormal")
        yield f"{name}_open_result", "docs/safety.md", f"screening:{name}", open_result


def vaccination_bans(sight: Sight) -> Iterator[Named]:
    """Who had a dose that still counts."""
    for name, days in VACCINES.items():
        done = sight.done_within(f"last_{name}_vaccination", days)
        yield f"{name}_done", "docs/safety.md", f"vaccination:{name}", done


def _by_risk(sight: Sight) -> Iterator[Named]:
    current = sight.says("smoking_status", "current") | sight.has("tobacco_use")
    former = sight.says("smoking_status", "former")
    gave_up = sight.number("years_since_quitting") <= 15
    packs, _ = sight.stands("pack_years")
    heavy = (packs >= 20) & (current | gave_up)
    yield "lung_smoking", "USPSTF 2021", "screening:lung", ~heavy
    ever = current | former | (packs > 0)
    yield "aorta_smoking", "USPSTF", "screening:abdominal_aortic_aneurysm", ~ever
    asian = sight.says("ethnicity", "asian")
    yield "diabetes_weight", "USPSTF; WHO", "screening:diabetes", ~_weighs(sight, asian, 23, 25)
    yield "obesity_weight", "USPSTF; WHO", "screening:obesity", ~_weighs(sight, asian, 27.5, 30)
    removed = sight.says("cervix_removed", "yes") | sight.says("cervix_removed", "true")
    yield "cervix_removed", "docs/safety.md", "screening:cervical", removed


def _weighs(sight: Sight, asian: BoolArray, cut_asian: float, cut: float) -> BoolArray:
    """Whether the body mass index, as read or of weight and height, is known to reach the cut."""
    low, _ = sight.stands("body_mass_index")
    limit: FloatArray = np.where(asian, cut_asian, cut)
    found: BoolArray = (low >= limit) | (sight.derived_bmi() >= limit - 1e-9)
    return found
