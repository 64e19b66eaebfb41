"""What gets measured: the survey visit, earlier check-ups, and wearable series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recommender.dataset import BoolArray, FloatArray, Int8Array, IntArray
from recommender.simulation.course import Course
from recommender.simulation.people import COLUMN_OF_METRIC, People
from recommender.simulation.world import MEASURES, METRIC_INDEX, Measure

SOURCES = ("nhanes", "simulated:checkup", "simulated:wearable")
"""Where a reading comes from; the first is copied from the survey, the others are made up."""

_STALE_SHARE = 0.12
_FOLLOWED_SHARE = 0.7
_WORN_SHARE_OF_DAYS = 0.28
_WEIGHED_SHARE_OF_WEEKS = 0.85
_CHECKED = ("systolic_bp", "diastolic_bp", "heart_rate", "body_weight", "phq2")


@dataclass(frozen=True)
class Readings:
    """Measurements by person, then time; all arrays have one entry a reading.

    Attributes
    ----------
    metric
        Place in ``world.MEASURES``.
    value
        In that measure's unit.
    day
        Days from the start of the log; before it where negative.
    source
        Place in ``SOURCES``.
    """

    person: IntArray
    metric: IntArray
    value: FloatArray
    day: FloatArray
    source: Int8Array

    def __len__(self) -> int:
        return len(self.person)


def measure(people: People, course: Course, rng: np.random.Generator) -> Readings:
    """Everything that was measured of these people up to the end of the log."""
    parts = [_survey_visit(people, course, rng)]
    for _ in range(2):
        parts.append(_checkup(people, course, rng))
    for metric in ("step_count", "sleep_duration", "resting_heart_rate"):
        parts.append(_worn(METRIC_INDEX[metric], _WORN_SHARE_OF_DAYS, people, course, rng))
    weekly = _WEIGHED_SHARE_OF_WEEKS / 7.0
    parts.append(_worn(METRIC_INDEX["body_weight"], weekly, people, course, rng))
    return _sorted(parts)


def _survey_visit(people: People, course: Course, rng: np.random.Generator) -> Readings:
    """The survey's own values; dated by the simulator, as the survey's dates are not public.

    Mostly in the last 30 days, some long ago; after the jump for those whose readings jumped.
    """
    count = len(people)
    since_jump = np.where(course.changed, course.days - course.changed_day, 30.0)
    ago = rng.uniform(0.02, 0.98, count) * since_jump
    stale = ~course.changed & (rng.random(count) < _STALE_SHARE)
    ago = np.where(stale, rng.uniform(35.0, 400.0, count), ago)
    metrics = [METRIC_INDEX[name] for name in COLUMN_OF_METRIC]
    value = people.measured[:, metrics]
    person, place = np.nonzero(~np.isnan(value))
    return Readings(
        person=person,
        metric=np.array(metrics)[place],
        value=value[person, place],
        day=course.days - ago[person],
        source=np.zeros(len(person), dtype=np.int8),
    )


def _checkup(people: People, course: Course, rng: np.random.Generator) -> Readings:
    """A visit in the first half of the log, for most people; their level of that day."""
    comes = course.changed | (rng.random(len(people)) < _FOLLOWED_SHARE)
    comes &= people.joined_day < course.days / 2
    day = rng.uniform(0.0, course.days / 2, len(people))
    parts = []
    for name in _CHECKED:
        metric = METRIC_INDEX[name]
        person = np.flatnonzero(comes & ~np.isnan(course.level[:, metric]))
        parts.append(_taken(metric, person, day[person], 1, course, rng))
    return _together(parts)


def _worn(
    metric: int, share: float, people: People, course: Course, rng: np.random.Generator
) -> Readings:
    """A device's series: one reading on some days, in the morning after."""
    wearer = np.flatnonzero(people.wearable & ~np.isnan(course.level[:, metric]))
    worn: BoolArray = rng.random((len(wearer), int(course.days))) < share
    place, day = np.nonzero(worn)
    at = day + rng.uniform(0.25, 0.95, len(day))
    return _taken(metric, wearer[place], at, 2, course, rng)


def _taken(
    metric: int,
    person: IntArray,
    day: FloatArray,
    source: int,
    course: Course,
    rng: np.random.Generator,
) -> Readings:
    kind = MEASURES[metric]
    value = course.level_of(metric, person, day) + rng.normal(0.0, kind.noise, len(person))
    return Readings(
        person=person,
        metric=np.full(len(person), metric),
        value=_shown(value, kind),
        day=day,
        source=np.full(len(person), source, dtype=np.int8),
    )


def _shown(value: FloatArray, kind: Measure) -> FloatArray:
    return np.asarray(np.round(np.clip(value, kind.floor, kind.ceiling), kind.digits))


def _together(parts: Sequence[Readings]) -> Readings:
    return Readings(
        person=np.concatenate([part.person for part in parts]),
        metric=np.concatenate([part.metric for part in parts]),
        value=np.concatenate([part.value for part in parts]),
        day=np.concatenate([part.day for part in parts]),
        source=np.concatenate([part.source for part in parts]),
    )


def _sorted(parts: Sequence[Readings]) -> Readings:
    every = _together(parts)
    order = np.lexsort((every.metric, every.day, every.person))
    return Readings(
        person=every.person[order],
        metric=every.metric[order],
        value=every.value[order],
        day=every.day[order],
        source=every.source[order],
    )
