"""Attributes at random: those that docs/safety.md says rules look at, and some nobody can read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from recommender.dataset import FloatArray, ObjectArray

CHECKS = (
    "blood_pressure", "breast", "lung", "abdominal_aortic_aneurysm", "diabetes", "osteoporosis",
    "hepatitis_c", "hiv", "alcohol", "tobacco", "depression", "anxiety", "lipids", "colorectal",
    "cervical",
)  # fmt: skip
VACCINES = (
    "influenza", "covid_19", "tetanus", "shingles", "pneumococcal", "hpv", "hepatitis_b", "rsv",
    "mmr",
)  # fmt: skip
OTHER_DATES = (
    "last_colonoscopy", "last_colorectal_stool_test", "last_hpv_test", "exercise_clearance_on",
)  # fmt: skip
RESULTS = (*CHECKS[:8], "colorectal", "cervical")
DAYS = (0, 1, 30, 90, 180, 300, 364, 365, 366, 729, 730, 731, 1094, 1095, 1096, 1824, 1825, 1826,
        3649, 3650, 3653, 6000)  # fmt: skip
WORDS: dict[str, tuple[tuple[object, ...], float]] = {
    "smoking_status": (("never", "former", "current", "Current", "never", "unclear"), 0.7),
    "years_since_quitting": ((0, 5, 14.9, 15, 15.1, "15", 16, 30, "long"), 0.4),
    "ethnicity": (("asian", "Asian", "other", "white"), 0.2),
    "cervix_removed": (("yes", "no", True, False, "YES"), 0.05),
    "exercise_clearance": (("light", "moderate", "vigorous", "Vigorous", "all"), 0.25),
    "country": (("DE", "US", "XX"), 0.1),
    "favourite_colour": (("blue",), 0.05),
}


def attributes_at_random(
    trouble: FloatArray, rng: np.random.Generator, as_of: float
) -> dict[str, ObjectArray]:
    """Columns of attributes; ``trouble`` is each person's chance of a date or a result."""
    columns = {name: _words(len(trouble), *word, rng) for name, word in WORDS.items()}
    columns["severe_low_glucose_on"] = _some(trouble / 4, _moments(as_of), rng)
    dates = _dates(as_of)
    names = [f"last_{name}_screening" for name in CHECKS]
    names += [f"last_{name}_vaccination" for name in VACCINES]
    for name in (*names, *OTHER_DATES):
        columns[name] = _some(np.minimum(trouble * _common(name), 0.9), dates, rng)
    answers: list[object] = ["abnormal", "normal", "Abnormal", "pending"]
    for name in RESULTS:
        columns[f"{name}_screening_result"] = _some(trouble / 2, answers, rng)
    return columns


def _common(name: str) -> float:
    return 4.0 if name == "exercise_clearance_on" else 1.0


def _words(
    count: int, choices: tuple[object, ...], share: float, rng: np.random.Generator
) -> ObjectArray:
    return _some(np.full(count, share), list(choices), rng)


def _some(share: FloatArray, choices: list[object], rng: np.random.Generator) -> ObjectArray:
    given = np.flatnonzero(rng.random(len(share)) < share)
    column = np.full(len(share), None, dtype=object)
    options = np.empty(len(choices), dtype=object)
    options[:] = choices
    column[given] = options[rng.integers(0, len(choices), len(given))]
    return column


def _dates(as_of: float) -> list[object]:
    now = datetime.fromtimestamp(as_of, UTC)
    days: list[object] = [str((now - timedelta(days=days)).date()) for days in DAYS]
    moments = [(now - timedelta(days=days, seconds=off)) for days in DAYS for off in (-1, 1)]
    ahead = [str((now + timedelta(days=40)).date()), "some day", ""]
    return [*days, *days, *(moment.isoformat() for moment in moments), *ahead]


def _moments(as_of: float) -> list[object]:
    """Around a day ago, as instants and as dates."""
    now = datetime.fromtimestamp(as_of, UTC)
    ages = (0, 3600, 86_399, 86_400, 86_401, 100_000)
    instants: list[object] = [(now - timedelta(seconds=age)).isoformat() for age in ages]
    return [*instants, str(now.date()), str((now - timedelta(days=1)).date()), "2020-01-01"]
