"""Whether each feed still brings what it usually brings.

A feed is a metric from a source, or a type of event. The last seven days are set against the median
of the four weeks before, so that a single import of old records, or a new installation, does not
look like a feed that stopped; the last day against the same day of those weeks. A source may be
named after somebody's own device: those that fewer than ``LEAST_PEOPLE`` use are counted together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from recommender.dataset import Events, FloatArray
from recommender.domain import EVENT_CODES, SECONDS_PER_DAY
from recommender.drift.people import LEAST_PEOPLE
from recommender.store.feeds import PERIOD_ENDS_DAYS, FeedCount

LEAST_A_WEEK = 30
"""A feed that usually brings fewer records a week is too small to be judged."""
LEAST_A_DAY = 30
"""The same for a single day."""

_PERIODS = len(PERIOD_ENDS_DAYS)
_NEWEST, _WEEK = slice(0, 1), slice(0, 2)
_BEFORE = slice(2, _PERIODS)
_SAME_DAYS = slice(2, _PERIODS, 2)


@dataclass(frozen=True, slots=True)
class FeedDrift:
    """One feed now and usually.

    Attributes
    ----------
    name
        ``metric/source``, ``metric/other sources``, ``metric`` if none is recorded, or
        ``event/type``.
    share
        Of all readings, or of all events, that it usually makes up.
    ratio
        Records of the last seven days over those of a usual week.
    shift
        Mean of the newest readings (of the last day if it has enough people, else of the week)
        minus the mean of the weeks before, in standard deviations of the latter; None if there
        are not enough.
    usual_day
        Records of the same day of a usual week (a weekend is no surprise).
    day
        Records of the last day over those; None if they are fewer than ``LEAST_A_DAY``. Well
        below 1 on every night where records arrive late.
    """

    name: str
    share: float
    ratio: float
    shift: float | None
    usual_day: float = 0.0
    day: float | None = None


def reading_feeds(counts: Iterable[FeedCount]) -> list[FeedDrift]:
    """Judge every feed of readings that is large enough."""
    sums: dict[tuple[str, str | None], FloatArray] = {}
    for row in counts:
        sums.setdefault((row.metric, row.source), np.zeros((4, _PERIODS)))[:, row.period] += (
            row.readings, row.total, row.squares, row.people,
        )  # fmt: skip
    feeds: dict[str, FloatArray] = {}
    for (metric, source), own in sums.items():
        name = _name(metric, source, int(own[3].max()))
        feeds[name] = feeds.get(name, np.zeros((4, _PERIODS))) + own
    enough = {name: own for name, own in feeds.items() if own[3].max() >= LEAST_PEOPLE}
    return _judged({name: own[0] for name, own in enough.items()}, enough)


def event_feeds(events: Events, as_of: float) -> list[FeedDrift]:
    """Judge every type of event that is frequent enough."""
    age = (as_of - events.at) / SECONDS_PER_DAY
    recent = np.flatnonzero((age >= 0) & (age < PERIOD_ENDS_DAYS[-1]))
    period = np.searchsorted(PERIOD_ENDS_DAYS, age[recent], side="right")
    cell = events.kind[recent].astype(np.int64) * _PERIODS + period
    counts = np.bincount(cell, minlength=len(EVENT_CODES) * _PERIODS)
    table = counts.reshape(-1, _PERIODS).astype(np.float64)
    return _judged({f"event/{kind}": table[code] for kind, code in EVENT_CODES.items()}, {})


def _name(metric: str, source: str | None, people: int) -> str:
    if source is None:
        return metric
    return f"{metric}/{source}" if people >= LEAST_PEOPLE else f"{metric}/other sources"


def _judged(counts: Mapping[str, FloatArray], sums: Mapping[str, FloatArray]) -> list[FeedDrift]:
    usual = {name: float(np.median(_weeks(own))) for name, own in counts.items()}
    days = {name: float(np.median(own[_SAME_DAYS])) for name, own in counts.items()}
    total = sum(usual.values())
    return [
        FeedDrift(
            name,
            usual[name] / total,
            float(own[_WEEK].sum()) / usual[name],
            _shift(sums[name]) if name in sums else None,
            days[name],
            float(own[_NEWEST].sum()) / days[name] if days[name] >= LEAST_A_DAY else None,
        )
        for name, own in sorted(counts.items())
        if usual[name] >= LEAST_A_WEEK
    ]


def _weeks(own: FloatArray) -> FloatArray:
    """Sums of the four weeks before."""
    weeks: FloatArray = own[_BEFORE].reshape(-1, 2).sum(axis=1)
    return weeks


def _shift(sums: FloatArray) -> float | None:
    """How far the mean of the newest readings lies from the usual one."""
    readings, total, squares = sums[:3, _BEFORE].sum(axis=1)
    if not _enough(sums, _BEFORE):
        return None
    mean = total / readings
    spread = np.sqrt(max(squares / readings - mean**2, 0.0))
    for newest in (_NEWEST, _WEEK):
        if _enough(sums, newest) and spread > 0:
            n, sum_of_values = sums[:2, newest].sum(axis=1)
            return float((sum_of_values / n - mean) / spread)
    return None


def _enough(sums: FloatArray, periods: slice) -> bool:
    """Whether readings are of so many people that their mean says something."""
    return bool(sums[3, periods].max() >= LEAST_PEOPLE)
