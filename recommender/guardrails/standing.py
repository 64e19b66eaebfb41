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

import numpy as np
from numpy.typing import NDArray

from recommender.dataset import BoolArray, FloatArray, IntArray
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

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Readings:
    """Readings that count, sorted by key = user * number of metrics + metric, then by time.

    Attributes
    ----------
    index
        Which observation each is, an index into ``Records.observations``.
    """

    n_users: int
    n_metrics: int
    key: IntArray
    at: FloatArray
    value: FloatArray
    index: IntArray

    def at_place(self, place: Places) -> FloatArray:
        """Instants of readings; anything for place -1."""
        return self.at[place] if len(self.at) else np.full(place.shape, np.nan)

    def value_at(self, place: Places) -> FloatArray:
        """Their values; anything for place -1."""
        return self.value[place] if len(self.value) else np.full(place.shape, np.nan)

    def observation(self, place: Places) -> IntArray:
        """Which observations they are, -1 for place -1."""
        if not len(self.index):
            return np.full(place.shape, -1, dtype=np.int64)
        return np.where(place >= 0, self.index[place], -1)


@dataclass(frozen=True)
class Standing:
    """The reading that stands for each asked metric and user, and what disputes it.

    Attributes
    ----------
    place
        Place among the readings, -1 where there is none, [n_asked, n_users].
    low, high
        Places of the lowest and highest of the readings that dispute each other (of ``DIVISORS``
        the highest and lowest); the standing one itself where none does, [n_asked, n_users].
    disputed
        Where they differ, [n_asked, n_users].
    set_aside
        Place of a spike that is newer than the standing reading, -1 for none, [n_asked, n_users].
    """

    place: Places
    low: Places
    high: Places
    disputed: BoolArray
    set_aside: Places


class Arbiter:
    """Finds the standing readings of some metrics.

    Parameters
    ----------
    metric
        Indices of the metrics asked for.
    """

    def __init__(self, metric: IntArray, metrics: MetricsList) -> None:
        asked = [metrics.metrics[number] for number in metric.tolist()]
        self._metric = metric
        self._agree = np.array([_or_endless(each.agree_within) for each in asked])
        self._divides = np.array([each.name in DIVISORS for each in asked], dtype=bool)
        self._jump = np.array([_or_endless(each.jump) for each in asked])

    def standing(self, known: Readings) -> Standing:
        """Find them for every user of ``known``."""
        shape = (len(self._metric), known.n_users)
        wanted = self._metric[:, None] + np.arange(known.n_users)[None, :] * known.n_metrics
        last = np.searchsorted(known.key, wanted, side="right") - 1
        nothing = np.full(shape, -1, dtype=np.int64)
        if not len(known.key):
            return Standing(nothing, nothing, nothing, np.zeros(shape, dtype=bool), nothing)
        found = np.flatnonzero((known.key[last] == wanted) & (last >= 0))
        row = found // known.n_users if known.n_users else found
        latest = last.ravel()[found]
        spikes = self._spikes(known, latest, row)
        place = latest - spikes
        low, high = self._bounds(known, place, self._agree[row])
        disputed = self._disputed(known, place, low, high, row)
        divides = disputed & self._divides[row]
        low, high = np.where(divides, high, low), np.where(divides, low, high)
        return Standing(
            _spread(place, found, shape),
            _spread(np.where(disputed, low, place), found, shape),
            _spread(np.where(disputed, high, place), found, shape),
            _spread(disputed, found, shape) == 1,
            _spread(np.where(spikes, latest, -1), found, shape),
        )

    def _spikes(self, known: Readings, latest: Places, row: Places) -> BoolArray:
        """Which latest readings are far from the two before them, which agree."""
        spikes: BoolArray = np.zeros(len(latest), dtype=bool)
        slow = np.flatnonzero(np.isfinite(self._jump[row]))
        slow = slow[_follows(known, latest[slow], 2)]
        if not len(slow):
            return spikes
        now, jump = latest[slow], self._jump[row[slow]]
        value, before, earlier = (known.value[now - back] for back in range(3))
        spikes[slow] = (
            (np.abs(value - before) > jump * before)
            & (np.abs(before - earlier) <= jump * earlier)
            & (known.at[now] - known.at[now - 1] <= SLOW_S)
        )
        return spikes

    def _disputed(
        self, known: Readings, place: Places, low: Places, high: Places, row: Places
    ) -> BoolArray:
        """Where they are further apart than devices are, or of one instant and not the same."""
        apart = known.value[high] - known.value[low]
        disputed: BoolArray = apart > self._agree[row]
        if len(near := np.flatnonzero((apart > 0) & ~disputed)):
            disputed[near] = _follows(known, place[near], 1, 0.0) & (
                known.value[place[near]] != known.value[place[near] - 1]
            )
        return disputed

    def _bounds(self, known: Readings, place: Places, agree: FloatArray) -> tuple[Places, Places]:
        """Lowest and highest of what was read together with each reading, or contradicts it."""
        low, high = place.copy(), place.copy()
        compared = np.isfinite(agree)
        near, back = np.flatnonzero(compared), 1
        while len(near := near[_follows(known, place[near], back, TOGETHER_S)]):
            _widen(known, low, high, near, place[near] - back)
            back += 1
        hours = np.flatnonzero(compared)
        hours = hours[_follows(known, place[hours], 2, SETTLING_S)]
        if len(hours):
            now, limit = place[hours], agree[hours]
            first, second = (known.value[now] - known.value[now - step] for step in (1, 2))
            lone = hours[(np.minimum(first, second) > limit) | (np.maximum(first, second) < -limit)]
            for step in (1, 2):
                _widen(known, low, high, lone, place[lone] - step)
        return low, high


def _or_endless(limit: float | None) -> float:
    return np.inf if limit is None else limit


def _follows(known: Readings, place: Places, back: int, seconds: float | None = None) -> BoolArray:
    """Whether ``back`` readings earlier stands one of the same key, at most so much older."""
    earlier = np.maximum(place - back, 0)
    follows: BoolArray = (place >= back) & (known.key[earlier] == known.key[place])
    if seconds is not None:
        follows &= known.at[place] - known.at[earlier] <= seconds
    return follows


def _widen(known: Readings, low: Places, high: Places, cells: Places, other: Places) -> None:
    """Let ``other`` readings be the low or high of these cells where they are beyond."""
    value = known.value[other]
    below, above = value < known.value[low[cells]], value > known.value[high[cells]]
    low[cells[below]] = other[below]
    high[cells[above]] = other[above]


def _spread(values: NDArray[np.generic], cells: Places, shape: tuple[int, int]) -> Places:
    out = np.full(shape, -1, dtype=np.int64)
    out.reshape(-1)[cells] = values
    return out
