"""What the oracle makes of a person's raw record: age, conditions, attributes, readings, history.

Written from the published contract and docs/safety.md alone, so that it can judge the engine's
guardrails without sharing their mistakes: none of its code and of its rules is used here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

import numpy as np

from recommender.dataset import BoolArray, FloatArray, IntArray, ObjectArray, Records
from recommender.resources import data_path

DAY = 86_400.0
HOUR = 3_600.0
DISPUTE_SECONDS = 900.0
NO_EXERCISE_PREGNANT = (
    "cervical_insufficiency",
    "placenta_praevia",
    "preeclampsia",
    "pregnancy_bleeding",
    "preterm_labour",
    "ruptured_membranes",
)
PREGNANT = ("pregnancy", "gestational_diabetes", "multiple_pregnancy", *NO_EXERCISE_PREGNANT)
KEPT = 6
"""How many of the latest readings of a metric are looked at."""


@dataclass(frozen=True)
class Limits:
    """What ``data/metrics.toml`` says of one metric; NaN where it says nothing."""

    place: int
    low: float
    high: float
    fresh: float
    agree: float
    jump: float


@cache
def limits() -> Mapping[str, Limits]:
    """Limits by name of metric, in the order of the file."""
    entries = tomllib.loads(data_path("metrics.toml").read_text())["metric"]
    nan = float("nan")
    return {
        entry["name"]: Limits(
            place,
            *map(float, entry["plausible"]),
            entry["fresh_days"] * DAY,
            entry.get("agree_within", nan),
            entry.get("jump", nan),
        )
        for place, entry in enumerate(entries)
    }


class Sight:
    """A batch of people as the oracle sees them at an instant; arrays have one entry a person."""

    def __init__(self, records: Records, as_of: float) -> None:
        self.records, self.as_of = records, as_of
        self.count = len(records.users)
        self.age = completed_years(records.users.born_at, as_of)
        self._latest: dict[str, tuple[FloatArray, FloatArray]] = {}
        self._dates: dict[str, FloatArray] = {}
        self._having: dict[str, BoolArray] = {}

    def sex_is(self, code: int) -> BoolArray:
        found: BoolArray = self.records.users.sex == code
        return found

    def has(self, *conditions: str) -> BoolArray:
        """Whether any of the conditions is on record."""
        found = np.zeros(self.count, bool)
        for condition in conditions:
            if condition not in self._having:
                self._having[condition] = self._owners(condition)
            found |= self._having[condition]
        return found

    def _owners(self, condition: str) -> BoolArray:
        users = self.records.users
        found = np.zeros(self.count, bool)
        found[users.condition_user[users.condition_name == condition]] = True
        return found

    def says(self, attribute: str, word: str) -> BoolArray:
        """Whether an attribute is this word, in any case."""
        return self._each(attribute, lambda value: str(value).strip().lower() == word, False) == 1

    def number(self, attribute: str) -> FloatArray:
        return self._each(attribute, _number, float("nan"))

    def since(self, attribute: str) -> FloatArray:
        """Seconds since the earliest instant that a date can mean; NaN if unknown or to come."""
        if attribute not in self._dates:
            age = self.as_of - self._each(attribute, _instant, float("nan"))
            self._dates[attribute] = np.where(age >= 0, age, np.nan)
        return self._dates[attribute]

    def done_within(self, attribute: str, days: float) -> BoolArray:
        within: BoolArray = self.since(attribute) < days * DAY
        return within

    def latest(self, metric: str) -> tuple[FloatArray, FloatArray]:
        """The plausible readings up to now, latest first: values and ages in seconds.

        Returns
        -------
        arrays of shape [n_people, KEPT]
            NaN where there is none.
        """
        if metric not in self._latest:
            self._latest[metric] = self._gather(limits()[metric])
        return self._latest[metric]

    def stands(self, metric: str, within: float | None = None) -> tuple[FloatArray, FloatArray]:
        """Lowest and highest of the readings that count; NaN if unknown.

        ``within`` is how old they may be, in seconds; the metric's own freshness if None.
        """
        value, age = self.latest(metric)
        limit = limits()[metric]
        fresh = age <= (limit.fresh if within is None else within)
        value = np.where(fresh, value, np.nan)
        counts = _disputing(value, age, limit.agree) | _contradicted(value, age, limit.agree)
        counts[:, 0] = True
        counts[np.isnan(value[:, 0])] = False
        low = np.where(counts, value, np.inf).min(1)
        high = np.where(counts, value, -np.inf).max(1)
        known = counts.any(1)
        low, high = np.where(known, low, np.nan), np.where(known, high, np.nan)
        if limit.agree != limit.agree:
            return _either(value, age)
        if limit.jump == limit.jump:
            return _after_jumps(value, age, limit.jump, low, high)
        return low, high

    def derived_bmi(self) -> FloatArray:
        """Body mass index of weight and height, the lowest that counts; NaN if unknown.

        Where it is open which weight or height stands, the highest that may be.
        """
        return self.stands("body_weight")[0] / (self.stands("body_height")[1] / 100) ** 2

    def any_below(self, metric: str, value: float, within: float) -> BoolArray:
        """Whether any plausible reading of the last ``within`` seconds is below ``value``."""
        values, age = self.latest(metric)
        found: BoolArray = ((values < value) & (age <= within)).any(1)
        return found

    def known_of(self) -> BoolArray:
        """Whether anything at all is on record of the person."""
        users = self.records.users
        known = np.isfinite(users.born_at) | (users.sex != 0)
        known[users.condition_user] = True
        known[self.records.events.user] = True
        known[self.records.observations.user] = True
        for column in users.attributes.values():
            known |= _given(column)
        return known

    def _each(
        self, attribute: str, read: Callable[[object], float], otherwise: float
    ) -> FloatArray:
        found = np.full(self.count, otherwise, float)
        column = self.records.users.attributes.get(attribute)
        if column is not None:
            meanings: dict[object, float] = {}
            for place in np.flatnonzero(_given(column)):
                word = column[place]
                if word not in meanings:
                    meanings[word] = read(word)
                found[place] = meanings[word]
        return found

    def _gather(self, limit: Limits) -> tuple[FloatArray, FloatArray]:
        readings = self.records.observations
        rows = np.flatnonzero(readings.metric == limit.place)
        value, at = readings.value[rows], readings.at[rows]
        fine = (value >= limit.low) & (value <= limit.high) & (at <= self.as_of)
        rows = rows[fine]
        rows = rows[np.lexsort((-readings.at[rows], readings.user[rows]))]
        user = readings.user[rows]
        rank = np.arange(len(rows)) - np.searchsorted(user, user)
        near = rank < KEPT
        values = np.full((self.count, KEPT), np.nan)
        ages = np.full((self.count, KEPT), np.nan)
        values[user[near], rank[near]] = readings.value[rows[near]]
        ages[user[near], rank[near]] = self.as_of - readings.at[rows[near]]
        return values, ages


def completed_years(born_at: FloatArray, as_of: float) -> FloatArray:
    """Completed years at an instant (UTC), NaN if unknown."""
    known = np.isfinite(born_at)
    born = np.where(known, born_at, 0.0).astype("datetime64[s]").astype("datetime64[D]")
    today = np.datetime64(int(as_of // 1), "s").astype("datetime64[D]")
    years = today.astype("datetime64[Y]").astype(int) - born.astype("datetime64[Y]").astype(int)
    months = _month(today) - _month(born)
    day = _day_of_month(today) - _day_of_month(born)
    return np.where(known, years - ((months < 0) | ((months == 0) & (day < 0))), np.nan)


def _month(days: np.ndarray) -> IntArray:
    found: IntArray = days.astype("datetime64[M]").astype(int) % 12
    return found


def _day_of_month(days: np.ndarray) -> IntArray:
    found: IntArray = (days - days.astype("datetime64[M]")).astype(int)
    return found


def _either(value: FloatArray, age: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Readings of one instant that are never compared: either may stand, see _after_jumps."""
    tied = age[:, 0] == age[:, 1]
    other = np.where(tied, value[:, 1], value[:, 0])
    return np.fmax(value[:, 0], other), np.fmin(value[:, 0], other)


def _disputing(value: FloatArray, age: FloatArray, agree: float) -> BoolArray:
    """Readings of the quarter of an hour before the latest, or of its instant, that disagree."""
    apart = abs(value - value[:, :1])
    found: BoolArray = (age - age[:, :1] <= DISPUTE_SECONDS) & (apart > agree)
    found |= (age == age[:, :1]) & (apart > 0)
    return found


def _contradicted(value: FloatArray, age: FloatArray, agree: float) -> BoolArray:
    """The two readings before the latest, where they agree with each other and not with it."""
    found = np.zeros(value.shape, bool)
    apart = (abs(value[:, 1:3] - value[:, :1]) > agree).all(1)
    alike = abs(value[:, 1] - value[:, 2]) <= agree
    found[:, 1:3] = (apart & alike & (age[:, 2] < 6 * HOUR))[:, None]
    return found


def _after_jumps(
    value: FloatArray, age: FloatArray, jump: float, low: FloatArray, high: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Lowest and highest that count, or the reading before where the latest is a jump.

    Where docs/safety.md leaves open which of them stands, the lower is given as the higher and
    the higher as the lower, so that only what holds for both is held against the engine.
    """
    latest, before, earlier = value[:, 0], value[:, 1], value[:, 2]
    jumped = (abs(latest - before) > 0.999 * jump * np.minimum(before, latest)) & (
        age[:, 1] - age[:, 0] <= 14.01 * DAY
    )
    surely = (
        (abs(latest - before) > 1.5 * jump * before)
        & (abs(before - earlier) <= 0.02 * before)
        & (age[:, 2] - age[:, 0] <= 13.9 * DAY)
    )
    low = np.where(surely, before, np.where(jumped, np.maximum(latest, before), low))
    high = np.where(surely, before, np.where(jumped, np.minimum(latest, before), high))
    return low, high


def _given(column: ObjectArray) -> BoolArray:
    found: BoolArray = np.not_equal(column, None).astype(bool)
    return found


def _number(word: object) -> float:
    try:
        return float(str(word))
    except ValueError:
        return float("nan")


def _instant(word: object) -> float:
    try:
        moment = datetime.fromisoformat(str(word))
    except ValueError:
        return float("nan")
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
