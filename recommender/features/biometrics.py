"""A person's readings, summed up as they stood at given instants.

For each metric: the recent level, its distance from the target range, its trend and its recent
change. Nothing after an instant ever enters the summary for it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from recommender.compiled import compiled
from recommender.dataset import FloatArray, Int32Array, Observations
from recommender.domain import SECONDS_PER_DAY, MetricsList

LEVEL_HALF_LIFE_DAYS = 2.0
"""Of a reading's weight in the level, unless a run chose another."""

SLOW_HALF_LIFE_DAYS = 28.0
CHANGE_DAYS = 14.0
"""A recent change is measured against what was read before the last this many days."""

DEVIATION_CAP = 5.0
SUMMARIES = ("level", "deviation", "trend", "change")
LEVEL, DEVIATION, TREND, CHANGE = range(len(SUMMARIES))


@dataclass(frozen=True)
class MetricSlots:
    """Which metrics are summed up, and what is worth knowing about each.

    Attributes
    ----------
    names
        The metrics, in the order of every summary's last axis.
    slot
        For each metric of the metrics list its place in ``names``, -1 if it has none.
    target_low, target_high, target_scale
        As in ``domain.Metric``; an open side is infinite.
    half_life_days
        Of a reading's weight in the level, counted back from the latest one.
    """

    names: tuple[str, ...]
    slot: Int32Array
    target_low: FloatArray
    target_high: FloatArray
    target_scale: FloatArray
    half_life_days: float = LEVEL_HALF_LIFE_DAYS

    @classmethod
    def of(
        cls,
        names: tuple[str, ...],
        metrics: MetricsList,
        half_life_days: float = LEVEL_HALF_LIFE_DAYS,
    ) -> MetricSlots:
        """Slots for ``names``, numbered for records that follow ``metrics``."""
        chosen = [metrics.metrics[metrics.index[name]] for name in names if name in metrics.index]
        known = tuple(metric.name for metric in chosen)
        slot = np.full(max(len(metrics), 1), -1, np.int32)
        slot[[metrics.index[name] for name in known]] = np.arange(len(known), dtype=np.int32)
        low = [-np.inf if m.target_low is None else m.target_low for m in chosen]
        high = [np.inf if m.target_high is None else m.target_high for m in chosen]
        scale = [m.target_scale for m in chosen]
        return cls(known, slot, np.array(low), np.array(high), np.array(scale), half_life_days)

    def renumbered(self, metrics: MetricsList) -> MetricSlots:
        """Follow records numbered by another list; a metric it lacks is never read."""
        slot = np.full(max(len(metrics), 1), -1, np.int32)
        for place, name in enumerate(self.names):
            if name in metrics.index:
                slot[metrics.index[name]] = place
        return replace(self, slot=slot)

    def deviation(self, level: FloatArray) -> FloatArray:
        """Steps outside the target range, 0 inside or unknown; ``level`` is [..., n_slots]."""
        beyond = np.maximum(level - self.target_high, self.target_low - level) / self.target_scale
        return np.minimum(np.fmax(beyond, 0.0), DEVIATION_CAP)


def summarise(
    readings: Observations, n_users: int, slots: MetricSlots, instants: FloatArray
) -> FloatArray:
    """Sum up readings as of each instant.

    Parameters
    ----------
    readings
        Sorted by (user, metric, at).
    instants
        Seconds since 1970, of shape [n_instants].

    Returns
    -------
    array of shape [n_instants, n_users, 4, n_slots]
        ``SUMMARIES`` in the metrics' units (deviation in steps); a level without a reading is
        NaN, the others are 0.
    """
    out = np.zeros((len(instants), n_users, len(SUMMARIES), len(slots.names)))
    out[:, :, LEVEL] = np.nan
    _summarise(
        readings.user,
        slots.slot.take(readings.metric),
        readings.at,
        readings.value,
        instants,
        (slots.half_life_days * SECONDS_PER_DAY, SLOW_HALF_LIFE_DAYS * SECONDS_PER_DAY),
        CHANGE_DAYS * SECONDS_PER_DAY,
        out,
    )
    out[:, :, DEVIATION] = slots.deviation(out[:, :, LEVEL])
    return out


@compiled
def _summarise(
    user: Int32Array,
    slot: Int32Array,
    at: FloatArray,
    value: FloatArray,
    instants: FloatArray,
    half_lives: tuple[float, float],
    change_seconds: float,
    out: FloatArray,
) -> None:
    """Fill in level, trend and change; see ``summarise``. Times are in seconds."""
    level, slow, mean = np.empty(len(at)), np.empty(len(at)), np.empty(len(at))
    begin = 0
    while begin < len(at):
        end = begin + 1
        while end < len(at) and slot[end] == slot[begin] and user[end] == user[begin]:
            end += 1
        if user[begin] < 0 or user[begin] >= out.shape[1]:
            raise IndexError("a reading of nobody")
        if slot[begin] >= 0:
            _run(at, value, begin, end, half_lives, level, slow, mean)
            for moment in range(len(instants)):
                known = _upto(at, begin, end, instants[moment], True)
                if known == begin:
                    continue
                cell = out[moment, user[begin], :, slot[begin]]
                cell[LEVEL] = level[known - 1]
                cell[TREND] = level[known - 1] - slow[known - 1]
                before = _upto(at, begin, known, instants[moment] - change_seconds, False)
                if before > begin:
                    cell[CHANGE] = level[known - 1] - mean[before - 1]
        begin = end


@compiled
def _run(
    at: FloatArray,
    value: FloatArray,
    begin: int,
    end: int,
    half_lives: tuple[float, float],
    level: FloatArray,
    slow: FloatArray,
    mean: FloatArray,
) -> None:
    """Fill in what the means of one metric are once each of its readings is there."""
    fast_sum = slow_sum = total = fast_weight = slow_weight = 0.0
    for place in range(begin, end):
        if place > begin:
            passed = at[place] - at[place - 1]
            fast, slower = 2.0 ** (-passed / half_lives[0]), 2.0 ** (-passed / half_lives[1])
            fast_sum, fast_weight = fast_sum * fast, fast_weight * fast
            slow_sum, slow_weight = slow_sum * slower, slow_weight * slower
        fast_sum, fast_weight = fast_sum + value[place], fast_weight + 1.0
        slow_sum, slow_weight = slow_sum + value[place], slow_weight + 1.0
        total += value[place]
        level[place], slow[place] = fast_sum / fast_weight, slow_sum / slow_weight
        mean[place] = total / (place - begin + 1)


@compiled
def _upto(at: FloatArray, begin: int, end: int, instant: float, inclusive: bool) -> int:
    """The end of those of an ascending run that are before an instant, or at it."""
    while begin < end:
        middle = (begin + end) // 2
        if at[middle] < instant or (inclusive and at[middle] == instant):
            begin = middle + 1
        else:
            end = middle
    return begin
