"""What a person did, counted strictly before given instants.

Counts stand at three levels: with one action, with the actions of one domain, and overall, over
windows that end at the instant. The same function serves past impressions, where the instant is
the impression's own, and candidates, where it is now. A count of nothing is 0, so that whoever
did nothing has no behaviour part.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from recommender.compiled import compiled
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
    """Kind and window of each of a level's counts, shape [n, 2]."""
    windows = list(_WINDOWS)
    pairs = (
        next((name[len(w) + 1 :], w) for w in windows if name.startswith(w + "_"))
        for name in counted
    )
    return np.array([(_KINDS.index(kind), windows.index(window)) for kind, window in pairs])


LEVELS = ("action", "domain", "user")
_COUNTED = {"action": _columns(_ACTION), "domain": _columns(_DOMAIN), "user": _columns(_USER)}
_WINDOW_MS = np.array([days * SECONDS_PER_DAY * 1000 for days in _WINDOWS.values()], np.int64)
_SPAN_MS = int((MEMORY_DAYS + 1) * SECONDS_PER_DAY * 1000)
_KIND_OF = np.full(len(EVENT_CODES), -1, np.int64)
for _name, _place in (
    ("impression", 0), ("complete", 1), ("view", 2), ("accept", 2), ("dismiss", 3), ("snooze", 3),
    ("rate", 4),
):  # fmt: skip
    _KIND_OF[EVENT_CODES[_name]] = _place
_SHOWN, _DONE, _RATINGS = (_KINDS.index(k) for k in ("impressions", "completions", "ratings"))
_LOGS = np.log1p(np.arange(4096.0))
"""Of the counts there usually are."""


@dataclass(frozen=True)
class History:
    """Events keyed by group and time, ready to be counted.

    A group is a user with an action, with a domain, or alone.

    Attributes
    ----------
    keys
        Ascending: group times the span plus milliseconds since the memory began.
    totals
        Running sums of each kind, of shape [n_keys + 1, n_kinds].
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

    def clock(self, at: FloatArray | float) -> IntArray:
        """Milliseconds since the memory began, cut to it."""
        return clock(at, self.began)

    @cached_property
    def width(self) -> int:
        """How many groups a user has: actions, then domains, then everything."""
        return len(self.domain) + self.n_domains + 1

    def first(self, level: str) -> int:
        """The first of a user's groups of a level."""
        return {"action": 0, "domain": len(self.domain), "user": self.width - 1}[level]


def clock(at: FloatArray | float, began: float) -> IntArray:
    """Milliseconds since a memory began, cut to it."""
    since = (np.asarray(at) - began) * 1000.0
    return np.minimum(np.maximum(since, 0.0), _SPAN_MS - 2.0).astype(np.int64)


def history(events: Events, domain: Int32Array, n_domains: int, as_of: float) -> History:
    """Key the events up to ``as_of`` by the groups they belong to."""
    began = as_of - MEMORY_DAYS * SECONDS_PER_DAY
    keys = _keys(events.user, events.action, clock(events.at, began), domain, n_domains, _SPAN_MS)
    order = keys.argsort(kind="stable")
    totals = _running(order, _KIND_OF.take(events.kind), events.value, len(_KINDS), _RATINGS)
    return History(keys.take(order), totals, began, domain, n_domains)


def features(
    past: History,
    level: str,
    user: AnyIntArray,
    place: AnyIntArray,
    before_ms: IntArray,
    rate: float,
) -> FloatArray:
    """Features of users with an action or a domain (``place``) or alone (0), at instants.

    What is counted came strictly before the instant. Counts become ``log(1 + n)`` (ratings keep
    their sign); the completion rate is the log of the shrunk rate over the overall one, 0 where
    nothing was shown.

    Parameters
    ----------
    before_ms
        Instant of each, see ``History.clock``.

    Returns
    -------
    array of shape [n, len(names(level))]
    """
    out = np.empty((len(user), len(_COUNTED[level]) + 1))
    _fill(past, level, user, place, before_ms, rate, 0, out)
    return out


def row_features(
    past: History, user: AnyIntArray, action: AnyIntArray, before_ms: IntArray, rate: float
) -> FloatArray:
    """All three levels for rows of (user, action, instant), levels side by side."""
    sizes = [len(_COUNTED[level]) + 1 for level in LEVELS]
    out = np.empty((len(user), sum(sizes)))
    places = (action, past.domain.take(action), np.zeros(len(user), np.int64))
    for level, place, first in zip(LEVELS, places, np.cumsum([0, *sizes]).tolist(), strict=False):
        _fill(past, level, user, place, before_ms, rate, first, out)
    return out


def _fill(
    past: History,
    level: str,
    user: AnyIntArray,
    place: AnyIntArray,
    before_ms: IntArray,
    rate: float,
    column: int,
    out: FloatArray,
) -> None:
    """Fill in a level's features from a column on."""
    _count(
        past.keys,
        past.totals,
        user.astype(np.int64) * past.width + (place + past.first(level)),
        before_ms,
        (_SPAN_MS, _RATINGS, _SHOWN, _DONE),
        _WINDOW_MS,
        _COUNTED[level],
        _LOGS,
        (rate, RATE_NAMES[level]),
        column,
        out,
    )


@compiled
def _keys(
    user: Int32Array,
    action: Int32Array,
    since: IntArray,
    domain: Int32Array,
    n_domains: int,
    span: int,
) -> IntArray:
    """Keys of events with their action, then all with their domain, then all alone."""
    n, width = len(user), len(domain) + n_domains + 1
    out = np.empty(3 * n, np.int64)
    for row in range(n):
        if action[row] < 0 or action[row] >= len(domain) or user[row] < 0:
            raise IndexError("an event of nobody, or of no action of the catalogue")
        first = np.int64(user[row]) * width
        out[row] = (first + action[row]) * span + since[row]
        out[n + row] = (first + len(domain) + domain[action[row]]) * span + since[row]
        out[2 * n + row] = (first + width - 1) * span + since[row]
    return out


@compiled
def _running(
    order: IntArray, kind: IntArray, value: FloatArray, n_kinds: int, ratings: int
) -> FloatArray:
    """Sums of each kind up to each key, shape [n_keys + 1, n_kinds]; a rating counts from 3."""
    out = np.zeros((len(order) + 1, n_kinds))
    for row in range(len(order)):
        out[row + 1] = out[row]
        event = order[row] % len(kind)
        if kind[event] == ratings:
            out[row + 1, ratings] += 0.0 if np.isnan(value[event]) else value[event] - 3.0
        elif kind[event] >= 0:
            out[row + 1, kind[event]] += 1.0
    return out


@compiled
def _count(
    keys: IntArray,
    totals: FloatArray,
    group: IntArray,
    before: IntArray,
    codes: tuple[int, int, int, int],
    windows: IntArray,
    counted: IntArray,
    logs: FloatArray,
    rates: tuple[float, float],
    column: int,
    out: FloatArray,
) -> None:
    """Fill in features of groups before instants, from a column on; see ``features``.

    ``counted`` has the kind and window of each feature; the longest window is the last.
    """
    (span, ratings, shown, done), (rate, strength) = codes, rates
    edges = np.empty(len(windows), np.int64)
    for row in range(len(group)):
        start = group[row] * span
        first = _lower(keys, 0, len(keys), start)
        end = _lower(keys, first, len(keys), start + before[row])
        for window in range(len(windows)):
            since = start + max(before[row] - windows[window], 0)
            edges[window] = _lower(keys, first, end, since)
        for place in range(len(counted)):
            kind, begin = counted[place, 0], edges[counted[place, 1]]
            n = totals[end, kind] - totals[begin, kind]
            if kind == ratings:
                log = np.copysign(np.log1p(abs(n)), n)
            else:
                log = logs[int(n)] if n < len(logs) else np.log1p(n)
            out[row, column + place] = log
        begin = edges[-1]
        seen, did = (
            totals[end, shown] - totals[begin, shown],
            totals[end, done] - totals[begin, done],
        )
        ratio = (did / rate + strength) / (max(seen, did) + strength)
        out[row, column + len(counted)] = np.log(ratio)


@compiled
def _lower(keys: IntArray, begin: int, end: int, key: int) -> int:
    """The first place of a stretch of ascending keys that is not below a key."""
    while begin < end:
        middle = (begin + end) // 2
        if keys[middle] < key:
            begin = middle + 1
        else:
            end = middle
    return begin
