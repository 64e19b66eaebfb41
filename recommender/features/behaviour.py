"""What a person did, counted strictly before given instants.

Counts stand at three levels: with one action, with the actions of one domain, and overall, over
windows that end at the instant. The same function serves past impressions, where the instant is
the impression's own, and candidates, where it is now. A count of nothing is 0, so that whoever
did nothing has no behaviour part.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from recommender.dataset import AnyIntArray, Events, FloatArray, Int32Array, IntArray
from recommender.domain import EVENT_CODES, SECONDS_PER_DAY

MEMORY_DAYS = 400.0
"""Behaviour older than this counts as if it were this old."""

_KINDS = ("impressions", "completions", "engagements", "dismissals", "ratings")
_WINDOWS = {"last_days": 2.0, "recent": 7.0, "month": 28.0, "all": MEMORY_DAYS}
_ACTION = tuple(
    f"{window}_{kind}"
    for kind, windows in (
        ("impressions", ("last_days", "recent", "month", "all")),
        ("completions", ("last_days", "recent", "month", "all")),
        ("engagements", ("recent", "all")),
        ("dismissals", ("recent", "all")),
        ("ratings", ("all",)),
    )
    for window in windows
)
_DOMAIN = (
    "recent_impressions",
    "recent_completions",
    "all_impressions",
    "all_completions",
    "all_dismissals",
)
_USER = (
    "recent_impressions",
    "recent_completions",
    "all_impressions",
    "all_completions",
    "all_dismissals",
)
RATE_NAMES = {"action": 3.0, "domain": 5.0, "user": 10.0}
"""Levels that also get a completion rate, with the impressions it is shrunk by."""


def names(level: str) -> tuple[str, ...]:
    """Names of a level's features (``action``, ``domain`` or ``user``), in order."""
    counted = {"action": _ACTION, "domain": _DOMAIN, "user": _USER}[level]
    return tuple(f"behaviour:{level}:{name}" for name in (*counted, "completion_rate"))


def _columns(counted: tuple[str, ...]) -> IntArray:
    """Rows of ``_table`` that a level's counts stand in, and its completion rate."""
    windows = list(_WINDOWS)
    pairs = [
        (windows.index(window), _KINDS.index(kind))
        for window, kind in (
            next((w, name[len(w) + 1 :]) for w in windows if name.startswith(w + "_"))
            for name in counted
        )
    ]
    places = [kind * len(windows) + window for window, kind in pairs]
    return np.array([*places, len(windows) * len(_KINDS)], np.int64)


LEVELS = ("action", "domain", "user")
_COLUMNS = [_columns(counted) for counted in (_ACTION, _DOMAIN, _USER)]
_STRENGTHS = np.array([RATE_NAMES[level] for level in LEVELS])
_ALL_IMPRESSIONS, _ALL_COMPLETIONS = _columns(("all_impressions", "all_completions"))[:2]
_RATINGS = _KINDS.index("ratings") * len(_WINDOWS)
_WINDOW_MS = np.array([[days * SECONDS_PER_DAY * 1000] for days in _WINDOWS.values()], np.int64)
_SPAN_MS = int((MEMORY_DAYS + 1) * SECONDS_PER_DAY * 1000)
_KIND_OF = np.zeros((len(_KINDS), len(EVENT_CODES)))
for _name, _place in (
    ("impression", 0), ("complete", 1), ("view", 2), ("accept", 2), ("dismiss", 3), ("snooze", 3),
):  # fmt: skip
    _KIND_OF[_place, EVENT_CODES[_name]] = 1.0
_RATE = EVENT_CODES["rate"]
_AT_ONCE = 8192


@dataclass(frozen=True)
class History:
    """Events keyed by group and time, ready to be counted.

    A group is a user with an action, with a domain, or alone.

    Attributes
    ----------
    keys
        Ascending: group times the span plus milliseconds since the memory began.
    totals
        Running sums of each kind, of shape [n_kinds, n_keys + 1].
    began
        Where the memory begins, seconds since 1970.
    domain
        Domain index of each action.
    """

    keys: IntArray
    totals: FloatArray
    began: float
    domain: Int32Array
    n_domains: int

    @cached_property
    def _width(self) -> int:
        return len(self.domain) + self.n_domains + 1

    def groups(self, level: str, user: IntArray, place: AnyIntArray | int = 0) -> IntArray:
        """Group numbers of users with an action or domain (``place``), or alone."""
        first = {"action": 0, "domain": len(self.domain), "user": self._width - 1}[level]
        return user * self._width + (place + first)

    def clock(self, at: FloatArray) -> IntArray:
        """Milliseconds since the memory began, cut to it."""
        since = (at - self.began) * 1000.0
        return np.minimum(np.maximum(since, 0.0), _SPAN_MS - 2.0).astype(np.int64)


def history(events: Events, domain: Int32Array, n_domains: int, as_of: float) -> History:
    """Key the events up to ``as_of`` by the groups they belong to."""
    began = as_of - MEMORY_DAYS * SECONDS_PER_DAY
    empty = History(np.zeros(0, np.int64), np.zeros((len(_KINDS), 1)), began, domain, n_domains)
    user, action = events.user.astype(np.int64), events.action.astype(np.int64)
    group = np.concatenate(
        [
            empty.groups("action", user, action),
            empty.groups("domain", user, domain[action]),
            empty.groups("user", user),
        ]
    )
    since = empty.clock(events.at)
    keys = group * _SPAN_MS + np.concatenate([since, since, since])
    order = keys.argsort(kind="stable")
    kinds = _KIND_OF.take(events.kind, axis=1)
    rated = events.kind == _RATE
    if rated.any():
        kinds[-1, rated] = np.nan_to_num(events.value[rated] - 3.0)
    totals = np.zeros((len(_KINDS), len(keys) + 1))
    kinds.take(order % max(len(events), 1), axis=1).cumsum(axis=1, out=totals[:, 1:])
    return History(keys.take(order), totals, began, domain, n_domains)


def counts(past: History, group: IntArray, before_ms: IntArray) -> FloatArray:
    """Count events of each group strictly before each instant.

    Returns
    -------
    array of shape [n_kinds * n_windows, n_queries]
    """
    out = np.empty((len(_KINDS), len(_WINDOWS), len(group)))
    # few at a time: the sums looked up stay in the processor's cache
    for begin in range(0, len(group), _AT_ONCE):
        part = slice(begin, begin + _AT_ONCE)
        start, before = group[part] * _SPAN_MS, before_ms[part]
        edges = np.empty((1 + len(_WINDOWS), len(start)), np.int64)
        edges[0] = before
        np.subtract(before, _WINDOW_MS, out=edges[1:])
        np.maximum(edges, 0, out=edges)
        edges += start
        running = past.totals.take(past.keys.searchsorted(edges), axis=1)  # as [], but quicker
        np.subtract(running[:, :1], running[:, 1:], out=out[:, :, part])
    return out.reshape(-1, len(group))


def features(
    past: History, group: IntArray, before_ms: IntArray, sizes: Sequence[int], rate: float
) -> list[FloatArray]:
    """Features of groups, counted strictly before each instant.

    Counts become ``log(1 + n)`` (ratings keep their sign); the completion rate is the log of
    the shrunk rate over the overall one, 0 where nothing was shown.

    Parameters
    ----------
    sizes
        How many of the groups, one after the other, are of each level, and of each again: all
        are counted in one go, because a live answer pays for each call and not for its size.

    Returns
    -------
    list of arrays of shape [n, len(names(level))]
        One for each of ``sizes``. Each column lies in memory by itself.
    """
    of_size = np.arange(len(sizes)) % len(LEVELS)
    strength = _STRENGTHS[of_size].repeat(sizes)
    table = _table(counts(past, group, before_ms), strength, rate)
    ends = list(itertools.accumulate(sizes, initial=0))
    return [
        table[:, begin:end].take(_COLUMNS[place], axis=0).T
        for place, (begin, end) in zip(of_size.tolist(), itertools.pairwise(ends), strict=True)
    ]


def _table(counted: FloatArray, strength: FloatArray, rate: float) -> FloatArray:
    """Counts as features, and the completion rate last, shape [n_counts + 1, n_queries]."""
    out = np.empty((len(counted) + 1, counted.shape[1]))
    np.log1p(counted[:_RATINGS], out=out[:_RATINGS])
    ratings = counted[_RATINGS:]
    np.copysign(np.log1p(np.abs(ratings)), ratings, out=out[_RATINGS:-1])
    completed, shown = counted[_ALL_COMPLETIONS], counted[_ALL_IMPRESSIONS]
    ratio = (completed / rate + strength) / (np.maximum(shown, completed) + strength)
    np.log(ratio, out=out[-1])
    return out


def row_features(
    past: History, user: IntArray, action: AnyIntArray, at_ms: IntArray, rate: float
) -> FloatArray:
    """All three levels for rows of (user, action, instant), levels side by side."""
    group, before = row_groups(past, user, action), np.concatenate([at_ms, at_ms, at_ms])
    return np.concatenate(features(past, group, before, [len(user)] * 3, rate), axis=1)


def row_groups(past: History, user: IntArray, action: AnyIntArray) -> IntArray:
    """Groups of rows: all with their action, then all with their domain, then all overall."""
    return np.concatenate(
        [
            past.groups("action", user, action),
            past.groups("domain", user, past.domain[action]),
            past.groups("user", user),
        ]
    )
