"""A person's readings, summed up as they stood at given instants.

For each metric: the recent level, its distance from the target range, its trend and its recent
change. Nothing after an instant ever enters the summary for it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from recommender.dataset import FloatArray, Int32Array, IntArray, Observations
from recommender.domain import SECONDS_PER_DAY, MetricsList

LEVEL_HALF_LIFE_DAYS = 2.0
"""Of a reading's weight in the level, unless a run chose another."""

SLOW_HALF_LIFE_DAYS = 28.0
CHANGE_DAYS = 14.0
"""A recent change is measured against what was read before the last this many days."""

DEVIATION_CAP = 5.0
SUMMARIES = ("level", "deviation", "trend", "change")


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
    n_slots = len(slots.names)
    out = np.zeros((len(instants), n_users, len(SUMMARIES), n_slots))
    out[:, :, 0] = np.nan
    slot = slots.slot[readings.metric]
    kept = np.flatnonzero(slot >= 0)
    if len(kept):
        user = readings.user[kept]
        cell = user.astype(np.int64) * n_slots + slot[kept]
        starts = np.flatnonzero(np.concatenate([[True], cell[1:] != cell[:-1]]))
        sums = _weighted_sums(
            readings.at[kept], readings.value[kept], starts, instants, slots.half_life_days
        )
        where, place = user[starts], slot[kept[starts]]
        out[:, where, 0, place], out[:, where, 2, place], out[:, where, 3, place] = sums
    out[:, :, 1] = slots.deviation(out[:, :, 0])
    return out


def _weighted_sums(
    at: FloatArray,
    value: FloatArray,
    starts: IntArray,
    instants: FloatArray,
    half_life_days: float,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Level, trend and change of each cell (a run of readings from its start) at each instant."""
    known = at <= instants[:, None]
    counts = np.add.reduceat(known, starts, axis=1, dtype=np.int64)
    last = at[starts + np.maximum(counts - 1, 0)]
    sizes = np.concatenate([starts[1:], [len(at)]]) - starts
    age = np.maximum(np.repeat(last, sizes, axis=1) - at, 0.0) / SECONDS_PER_DAY
    weights = np.empty((3, *known.shape))
    np.multiply(np.exp2(age / -half_life_days), known, out=weights[0])
    np.multiply(np.exp2(age / -SLOW_HALF_LIFE_DAYS), known, out=weights[1])
    weights[2] = at < instants[:, None] - CHANGE_DAYS * SECONDS_PER_DAY
    total = np.add.reduceat(weights, starts, axis=2)
    weights *= value
    sums = np.add.reduceat(weights, starts, axis=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        level, slow, before = sums / total
    trend, change = level - slow, level - before
    trend[np.isnan(trend)] = 0.0
    change[np.isnan(change)] = 0.0
    return level, trend, change
