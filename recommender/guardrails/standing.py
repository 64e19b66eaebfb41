"""Which reading of a metric counts, and which other readings dispute it.

The latest plausible reading counts, with two exceptions, both explained in docs/safety.md:

- A *spike* of a slow metric (weight, height, body mass index) is set aside until a second reading
  confirms it: it neither clears nor condemns.
- Readings that *dispute* the latest one (another device a few minutes earlier, or two readings in
  a row that a lone later one contradicts) go on counting beside it; the rules are then asked with
  the lowest and with the highest of them too, and the strictest answer stands. Of two readings of
  one instant neither is the later: they dispute each other if they differ at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from recommender.compiled import compiled
from recommender.dataset import BoolArray, FloatArray, Int32Array, IntArray, Observations
from recommender.domain import SECONDS_PER_DAY, MetricsList

TOGETHER_S = 15 * 60.0
"""Readings of one metric this close in time are of the same moment."""
SETTLING_S = 6 * 3600.0
"""A lone reading does not undo two others of the hours before it."""
SLOW_S = 14 * SECONDS_PER_DAY
"""A slow metric can't change by its ``jump`` in this time."""

DIVISORS = frozenset({"body_height"})
"""Metrics that rules divide by: the lowest body mass index is that of the greatest height, so their
highest is asked about together with the lowest of the others."""

_PLACE, _LOW, _HIGH, _ASIDE = range(4)


class Readings(NamedTuple):
    """Readings that count, sorted by user, metric and time.

    Attributes
    ----------
    observation
        Which observation each is, an index into ``Records.observations``.
    """

    user: Int32Array
    metric: Int32Array
    at: FloatArray
    value: FloatArray
    observation: IntArray


@dataclass(frozen=True)
class Standing:
    """The reading that stands for each asked metric and user, and what disputes it.

    Attributes
    ----------
    places
        Places among the readings, -1 for none: ``place``, ``low``, ``high`` and ``set_aside`` in
        turn, [4, n_asked, n_users].
    """

    places: IntArray

    @property
    def place(self) -> IntArray:
        """Place of what stands, [n_asked, n_users]."""
        return self._row(_PLACE)

    @property
    def low(self) -> IntArray:
        """Place of the lowest of the readings that dispute each other, of ``DIVISORS`` the highest;
        the standing one itself where none does, [n_asked, n_users].
        """
        return self._row(_LOW)

    @property
    def high(self) -> IntArray:
        """The same of the highest, of ``DIVISORS`` the lowest."""
        return self._row(_HIGH)

    @cached_property
    def disputed(self) -> BoolArray:
        """Where they differ, [n_asked, n_users]."""
        differ: BoolArray = self.low != self.high
        return differ

    @property
    def set_aside(self) -> IntArray:
        """Place of a spike that is newer than the standing reading, [n_asked, n_users]."""
        return self._row(_ASIDE)

    def _row(self, row: int) -> IntArray:
        found: IntArray = self.places[row]
        return found


class Limits(NamedTuple):
    """What readings are compared with.

    Attributes
    ----------
    low, high
        What is plausible of each metric, [n_metrics].
    row
        Row of each metric among those asked for, or -1, [n_metrics].
    agree, jump
        How far apart readings may be of one moment and one after the other, endless where the
        metric sets no limit, [n_asked].
    divides
        Which of those asked for are ``DIVISORS``, [n_asked].
    """

    low: FloatArray
    high: FloatArray
    row: IntArray
    agree: FloatArray
    jump: FloatArray
    divides: BoolArray


class Arbiter:
    """Finds the readings that count, and those that stand for some metrics.

    Parameters
    ----------
    metric
        Indices of the metrics asked for.
    """

    def __init__(self, metric: IntArray, metrics: MetricsList) -> None:
        asked = [metrics.metrics[number] for number in metric.tolist()]
        row = np.full(len(metrics), -1, dtype=np.int64)
        row[metric] = np.arange(len(metric))
        self.limits = Limits(
            np.array([each.plausible_low for each in metrics.metrics], np.float64),
            np.array([each.plausible_high for each in metrics.metrics], np.float64),
            row,
            np.array([_or_endless(each.agree_within) for each in asked], np.float64),
            np.array([_or_endless(each.jump) for each in asked], np.float64),
            np.array([each.name in DIVISORS for each in asked], dtype=bool),
        )

    def that_count(self, observations: Observations, as_of: float) -> Readings:
        """Plausible readings not after an instant, in seconds since 1970, of all users."""
        return that_count(*typed(observations), self.limits, as_of)

    def standing(self, known: Readings, n_users: int) -> Standing:
        """Find what stands for every user."""
        return Standing(standing(known, n_users, self.limits))


def _or_endless(limit: float | None) -> float:
    return np.inf if limit is None else limit


def typed(observations: Observations) -> tuple[Int32Array, Int32Array, FloatArray, FloatArray]:
    """User, metric, value and instant of each as what is compiled takes them."""
    return (
        np.ascontiguousarray(observations.user, dtype=np.int32),
        np.ascontiguousarray(observations.metric, dtype=np.int32),
        np.ascontiguousarray(observations.value, dtype=np.float64),
        np.ascontiguousarray(observations.at, dtype=np.float64),
    )


@compiled
def that_count(
    user: Int32Array,
    metric: Int32Array,
    value: FloatArray,
    at: FloatArray,
    limits: Limits,
    as_of: float,
) -> Readings:
    """The readings that count, of [n_readings]."""
    low, high = limits.low, limits.high
    index = np.empty(len(user), np.int64)
    many = 0
    for place in range(len(user)):
        kind = metric[place]
        if kind < 0 or kind >= len(low):
            raise IndexError("a reading of a metric that is not listed")
        if at[place] <= as_of and low[kind] <= value[place] <= high[kind]:
            index[many] = place
            many += 1
    index = index[:many]
    return Readings(user[index], metric[index], at[index], value[index], index)


@compiled
def standing(known: Readings, n_users: int, limits: Limits) -> IntArray:
    """``Standing.places``, [4, n_asked, n_users]."""
    row, agree, jump, divides = limits.row, limits.agree, limits.jump, limits.divides
    places = np.full((4, len(agree), n_users), -1, np.int64)
    users, metrics, value, at = known.user, known.metric, known.value, known.at
    begin = 0
    for end in range(1, len(users) + 1):
        user, metric = users[begin], metrics[begin]
        if end < len(users) and users[end] == user and metrics[end] == metric:
            continue
        if user < 0 or user >= n_users:
            raise IndexError("a reading of nobody")
        asked = row[metric]
        if asked >= 0:
            place = end - 1
            if _is_spike(value, at, begin, place, jump[asked]):
                places[_ASIDE, asked, user] = place
                place -= 1
            low, high = _bounds(value, at, begin, place, agree[asked])
            if not _disputed(value, at, begin, place, value[high] - value[low], agree[asked]):
                low = high = place
            places[_PLACE, asked, user] = place
            places[_LOW, asked, user] = high if divides[asked] else low
            places[_HIGH, asked, user] = low if divides[asked] else high
        begin = end
    return places


@compiled
def _is_spike(value: FloatArray, at: FloatArray, begin: int, place: int, jump: float) -> bool:
    """Whether a reading is far from the two before it (from ``begin`` on), which agree."""
    if jump == np.inf or place - 2 < begin:
        return False
    before, earlier = value[place - 1], value[place - 2]
    spike: bool = (
        abs(value[place] - before) > jump * before
        and abs(before - earlier) <= jump * earlier
        and at[place] - at[place - 1] <= SLOW_S
    )
    return spike


@compiled
def _bounds(
    value: FloatArray, at: FloatArray, begin: int, place: int, agree: float
) -> tuple[int, int]:
    """Lowest and highest of what was read together with a reading, or contradicts it.

    Only readings from ``begin`` on are looked at.
    """
    low = high = place
    if agree == np.inf:
        return low, high
    first = place
    while first > begin and at[place] - at[first - 1] <= TOGETHER_S:
        first -= 1
    if place - 2 >= begin and at[place] - at[place - 2] <= SETTLING_S:
        one, two = value[place] - value[place - 1], value[place] - value[place - 2]
        if min(one, two) > agree or max(one, two) < -agree:
            first = min(first, place - 2)
    for other in range(place - 1, first - 1, -1):
        if value[other] < value[low]:
            low = other
        if value[other] > value[high]:
            high = other
    return low, high


@compiled
def _disputed(
    value: FloatArray, at: FloatArray, begin: int, place: int, apart: float, agree: float
) -> bool:
    """Whether readings so far apart are further apart than devices are, or of one instant and not
    the same.
    """
    if apart > agree:
        return True
    unlike: bool = (
        apart > 0.0
        and place > begin
        and at[place] - at[place - 1] <= 0.0
        and value[place] != value[place - 1]
    )
    return unlike
