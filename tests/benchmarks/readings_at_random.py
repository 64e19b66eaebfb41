"""Readings at random: usual ones, and at, below and above every number of the clinical facts.

Missing, stale by a second, implausible, yet to come, disputed within a quarter of an hour, and
several of one metric are among them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender.dataset import BoolArray, FloatArray, IntArray, Observations
from tests.benchmarks.oracle_record import DAY, HOUR, Limits, limits

MINUTE = 60.0
SLOTS = 4
"""Most readings of one metric that a person has."""


@dataclass(frozen=True)
class Around:
    """Where readings of a metric are drawn: a usual range and the numbers to stand beside.

    ``common`` is the share of people who have it measured.
    """

    usual: tuple[float, float]
    edges: tuple[float, ...]
    step: float = 1.0
    common: float = 0.3


AROUND = {
    "systolic_bp": Around((100, 119), (90, 120, 130, 140, 160, 180, 200, 220), common=0.93),
    "diastolic_bp": Around((62, 79), (60, 80, 90, 100, 110, 120), common=0.93),
    "heart_rate": Around((60, 90), (40, 50, 100, 110, 130, 131)),
    "resting_heart_rate": Around((52, 80), (40, 50, 90, 100, 110, 111, 120, 130, 131), common=0.7),
    "respiratory_rate": Around((12, 20), (8, 11, 20, 21, 24, 25)),
    "oxygen_saturation": Around((96, 99), (87, 88, 90, 91, 92, 93, 94, 95), common=0.6),
    "body_temperature": Around((36.2, 37.2), (35, 36, 37.5, 37.8, 38, 38.1, 39, 39.1), 0.1),
    "body_weight": Around((55, 85), (45, 50, 60, 75, 90, 120), 0.5, 0.5),
    "body_height": Around((158, 185), (150, 160, 170, 180, 190), 1, 0.5),
    "body_mass_index": Around((19.5, 29.5), (16, 17, 18.5, 23, 25, 27.5, 30, 35, 40), 0.1, 0.6),
    "waist": Around((70, 95), (80, 88, 94, 102)),
    "glucose": Around((92, 130), (52, 54, 70, 90, 100, 126, 140, 200, 250, 300, 350), 1, 0.6),
    "hba1c": Around((4.8, 5.6), (5.7, 6.4, 6.5, 7, 8, 9, 10), 0.1),
    "fasting_glucose": Around((75, 98), (70, 100, 125, 126)),
    "blood_ketones": Around((0.0, 0.4), (0.5, 0.6, 1.0, 1.5, 3.0), 0.1, 0.15),
    "total_cholesterol": Around((150, 195), (200, 240)),
    "hdl_cholesterol": Around((45, 70), (40, 50, 60)),
    "ldl_cholesterol": Around((70, 125), (100, 130, 160, 190)),
    "triglycerides": Around((70, 140), (150, 200, 500, 1000)),
    "hrv_sdnn": Around((35, 70), (20, 32, 50)),
    "step_count": Around((3000, 11000), (1500, 3000, 5000, 5801, 7500, 7842, 10000), 1, 0.5),
    "active_minutes": Around((10, 60), (4, 10, 20, 22, 30), 1, 0.4),
    "moderate_minutes_per_week": Around((60, 300), (30, 60, 75, 90, 150, 300), 1, 0.5),
    "vigorous_minutes_per_week": Around((0, 90), (15, 20, 30, 60, 75, 150), 1, 0.3),
    "vo2_max": Around((28, 45), (14, 18, 28)),
    "sleep_duration": Around((6.5, 8.5), (4, 5, 5.5, 6, 7, 8, 9), 0.1),
    "phq9": Around((0, 9), (5, 10, 15, 20, 27), 1),
    "phq9_item9": Around((0, 0), (0, 1, 2, 3), 1),
    "gad7": Around((0, 9), (5, 10, 15, 21), 1),
    "audit_c": Around((0, 2), (3, 4, 5, 7, 8, 10, 12), 1),
    "phq2": Around((0, 2), (3, 6), 1),
    "pack_years": Around((0, 15), (0, 10, 15, 20, 30), 1, 0.3),
}
STORIES = (
    "edge", "missing", "wild", "stale", "implausible", "to_come", "disputed", "recovered",
    "contradicted", "crowd",
)  # fmt: skip
STORY_SHARES = (0.36, 0.1, 0.06, 0.14, 0.06, 0.05, 0.07, 0.06, 0.06, 0.04)


def readings_at_random(
    trouble: FloatArray, nobody: BoolArray, rng: np.random.Generator, as_of: float
) -> Observations:
    """Draw readings of every metric; ``trouble`` is each person's chance of something unusual."""
    people, metrics, values, times = [], [], [], []
    for metric, around in AROUND.items():
        limit = limits()[metric]
        value, age = _of_metric(around, limit, trouble, rng)
        user, slot = np.nonzero(~np.isnan(value) & ~nobody[:, None])
        people.append(user)
        metrics.append(np.full(len(user), limit.place))
        values.append(value[user, slot])
        times.append(as_of - age[user, slot])
    return _sorted(*(np.concatenate(each) for each in (people, metrics, values, times)))


def _sorted(user: IntArray, metric: IntArray, value: FloatArray, at: FloatArray) -> Observations:
    order = np.lexsort((at, metric, user))
    return Observations(
        user=user[order].astype(np.int32),
        metric=metric[order].astype(np.int32),
        value=value[order],
        at=at[order],
    )


def _of_metric(
    around: Around, limit: Limits, trouble: FloatArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Values and ages in seconds, shape [n_people, SLOTS], in no order; NaN for none."""
    count = len(trouble)
    value = np.full((count, SLOTS), np.nan)
    age = np.full((count, SLOTS), np.nan)
    usual = rng.random(count) < around.common
    value[usual, 0] = _usual(around, int(usual.sum()), rng)
    age[usual, 0] = rng.random(int(usual.sum())) * 0.9 * min(limit.fresh, DAY)
    unusual = np.flatnonzero(rng.random(count) < trouble)
    story = rng.choice(len(STORIES), len(unusual), p=STORY_SHARES)
    for code, name in enumerate(STORIES):
        who = unusual[story == code]
        value[who], age[who] = _told(name, around, limit, len(who), rng)
    return value, age


def _usual(around: Around, count: int, rng: np.random.Generator) -> FloatArray:
    low, high = around.usual
    return np.round((low + (high - low) * rng.random(count)) / around.step) * around.step


def _beside(around: Around, limit: Limits, count: int, rng: np.random.Generator) -> FloatArray:
    off = rng.choice([-1.0, 0.0, 1.0, -0.01, 0.01], count, p=[0.25, 0.35, 0.25, 0.08, 0.07])
    value = np.round(rng.choice(around.edges, count) + off * around.step, 6)
    return np.clip(value, limit.low, limit.high)


def _wild(limit: Limits, count: int, rng: np.random.Generator) -> FloatArray:
    return limit.low + (limit.high - limit.low) * rng.random(count)


def _told(
    name: str, around: Around, limit: Limits, count: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Readings of one story, the one that matters most first."""
    value = np.full((count, SLOTS), np.nan)
    age = np.full((count, SLOTS), np.nan)
    edge, usual = _beside(around, limit, count, rng), _usual(around, count, rng)
    if name == "missing":
        return value, age
    value[:, 0], age[:, 0] = edge, _lately(limit, count, rng)
    if name == "wild":
        value[:, 0] = _wild(limit, count, rng)
    elif name == "stale":
        age[:, 0] = _end_of_freshness(limit, count, rng)
    elif name in ("implausible", "to_come"):
        value[:, 1], age[:, 1] = usual, age[:, 0] / 2
        if name == "implausible":
            value[:, 1] = rng.choice([limit.low - 1, limit.high + 1], count)
        else:
            age[:, 1] = -rng.choice([1.0, HOUR, DAY], count)
    elif name == "crowd":
        value[:, 1:] = np.stack([_beside(around, limit, count, rng) for _ in range(SLOTS - 1)], 1)
        age[:, 1:] = rng.random((count, SLOTS - 1)) * rng.choice([HOUR, DAY, limit.fresh])
    else:
        _beside_each_other(name, value, age, usual, rng)
    return value, age


def _beside_each_other(
    name: str, value: FloatArray, age: FloatArray, usual: FloatArray, rng: np.random.Generator
) -> None:
    """Add usual readings to those there: of the same moment, of an hour later, or after two."""
    count = len(usual)
    value[:, 1] = usual
    if name == "disputed":
        apart = rng.choice([0.0, MINUTE, 899.0, 900.0, 901.0], count)
        age[:, 1] = np.maximum(age[:, 0] + apart * rng.choice([-1, 1], count), 0.0)
    elif name == "recovered":
        age[:, 0] += 2 * HOUR
        age[:, 1] = age[:, 0] - rng.choice([HOUR + 1, 1.5 * HOUR], count)
    else:
        first = rng.choice([0.5, 1, 5.99, 6.01, 20], count) * HOUR
        age[:, 0] = first
        value[:, 2], age[:, 2] = value[:, 0], first - 10 * MINUTE
        age[:, 1] = np.maximum(first - rng.choice([29, 300], count) * MINUTE, 0.0)


def _lately(limit: Limits, count: int, rng: np.random.Generator) -> FloatArray:
    within = min(limit.fresh, DAY)
    return within * rng.choice([0.0, 0.01, 0.3, 0.9], count) * rng.random(count)


def _end_of_freshness(limit: Limits, count: int, rng: np.random.Generator) -> FloatArray:
    ends = rng.choice([limit.fresh, limit.fresh, min(limit.fresh, DAY)], count)
    return ends + rng.choice([-1.0, 0.0, 1.0, HOUR, DAY], count)
