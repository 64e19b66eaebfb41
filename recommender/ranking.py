"""From allowed scores to an ordered list: what rests, and variety over domains."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from recommender.compiled import compiled
from recommender.dataset import (
    AnyIntArray,
    BoolArray,
    Events,
    FloatArray,
    Int8Array,
    Int32Array,
    IntArray,
)
from recommender.domain import EVENT_CODES, SECONDS_PER_DAY, EventType

_COMPLETE = EVENT_CODES[EventType.COMPLETE]
_DISMISS = EVENT_CODES[EventType.DISMISS]
_SNOOZE = EVENT_CODES[EventType.SNOOZE]


def resting(
    events: Events,
    repeat_days: FloatArray,
    as_of: float,
    *,
    dismiss_rest_days: float,
    snooze_rest_days: float,
) -> BoolArray:
    """Which actions should not be shown to one person just now.

    An action rests after completion for its own repeat interval, and after a dismissal or a
    snooze for the given days.

    Parameters
    ----------
    events
        One person's events.
    repeat_days
        Repeat interval of each action, 0 for none, shape [n_actions].
    as_of
        Seconds since 1970.

    Returns
    -------
    array of shape [n_actions]
    """
    rests = np.zeros((1, len(repeat_days)), dtype=bool)
    days = (repeat_days, float(dismiss_rest_days), float(snooze_rest_days))
    mark_resting(rests, True, *event_columns(events), float(as_of), *days)
    return np.asarray(rests[0])


def event_columns(events: Events) -> tuple[Int32Array, Int32Array, Int8Array, FloatArray]:
    """User, action, kind and instant of each event, as compiled loops take them."""
    return (
        np.ascontiguousarray(events.user, np.int32),
        np.ascontiguousarray(events.action, np.int32),
        np.ascontiguousarray(events.kind, np.int8),
        np.ascontiguousarray(events.at, np.float64),
    )


@compiled
def mark_resting(
    marked: BoolArray,
    mark: bool,
    user: Int32Array,
    action: Int32Array,
    kind: Int8Array,
    at: FloatArray,
    as_of: float,
    completed_days: FloatArray,
    dismissed_days: float,
    snoozed_days: float,
) -> None:
    """Set entries of ``marked`` to ``mark`` where an action rests; see ``resting``.

    ``marked`` is of shape [n_users, n_actions]; user, action, kind and instant have one entry an
    event, and ``completed_days`` one an action.
    """
    for event in range(len(user)):
        days = 0.0
        if kind[event] == _COMPLETE:
            days = completed_days[action[event]]
        elif kind[event] == _DISMISS:
            days = dismissed_days
        elif kind[event] == _SNOOZE:
            days = snoozed_days
        ago = as_of - at[event]
        if ago >= 0.0 and ago < days * SECONDS_PER_DAY:
            marked[user[event], action[event]] = mark


def varied_order(scores: FloatArray, domains: AnyIntArray, variety: float) -> IntArray:
    """Order with variety: the k-th best of a domain counts ``variety ** k`` of its score.

    This is what picking greedily, discounting a domain each time it is picked, comes to.

    Parameters
    ----------
    scores
        Shape [n], not negative.
    domains
        A number for the domain of each, shape [n].
    variety
        In (0, 1]; 1 leaves the order of the scores.

    Returns
    -------
    array of shape [n]
        Indices, best first; equal scores keep their given order.

    Examples
    --------
    >>> varied_order(np.array([0.9, 0.8, 0.5]), np.array([1, 1, 0]), 0.5).tolist()
    [0, 2, 1]
    """
    return np.argsort(-varied_scores(scores, domains, variety), kind="stable")


def varied_scores(scores: FloatArray, domains: AnyIntArray, variety: float) -> FloatArray:
    """Scores discounted for variety, which ``varied_order`` sorts by; arguments alike.

    >>> varied_scores(np.array([0.8, 1.0, 0.5]), np.array([1, 1, 0]), 0.5).tolist()
    [0.4, 1.0, 0.5]
    """
    best_first = (-scores).argsort(kind="stable")
    count = np.bincount(domains)
    # Small numbers are sorted without comparing.
    group = domains[best_first].astype(np.int16 if len(count) <= _SMALL else np.int64)
    by_domain = best_first[group.argsort(kind="stable")]  # best first within each
    before = np.arange(len(scores)) - (count.cumsum() - count).repeat(count)
    discounted = np.empty(len(scores))
    discounted[by_domain] = scores[by_domain] * discounts(variety, len(scores))[before]
    return discounted


_SMALL = np.iinfo(np.int16).max


@lru_cache(maxsize=32)
def discounts(variety: float, many: int) -> FloatArray:
    """What the first, second and further best of a domain count, shape [many]."""
    return np.asarray(variety ** np.arange(many))


@compiled
def best_varied(
    scores: FloatArray,
    may_stand: BoolArray,
    domains: IntArray,
    discount: FloatArray,
    lists: IntArray,
) -> IntArray:
    """The first actions of several lists ordered by ``varied_order``, without ordering the rest.

    The best of each domain that is left stands ready; the best of these is picked and the next of
    its domain looked for.

    Parameters
    ----------
    scores
        Not negative, shape [n_rows, n_actions].
    may_stand
        Shape [n_users, n_actions].
    domains
        A number for the domain of each action, shape [n_actions].
    discount
        See ``discounts``, shape [n_actions].
    lists
        Of each list its row of the scores, its user, the number of the only domain (-1 for all)
        and how many actions are wanted, at most ``n_actions``; shape [n_lists, 4].

    Returns
    -------
    array of shape [n_lists, most wanted]
        Places of actions, -1 where a list has ended.

    Examples
    --------
    >>> scores, all_of_them = np.array([[0.9, 0.8, 0.5]]), np.ones((1, 3), dtype=bool)
    >>> lists = np.array([[0, 0, -1, 2]])
    >>> best_varied(scores, all_of_them, np.array([1, 1, 0]), discounts(0.5, 3), lists)
    array([[0, 2]])
    """
    by_domain, starts = _by_domain(domains)
    n_domains = len(starts) - 1
    longest = lists[:, 3].max() if len(lists) else 0
    places = np.full((len(lists), longest), -1, dtype=np.int64)
    left = np.empty(len(domains))
    head, picked = np.empty(n_domains, dtype=np.int64), np.empty(n_domains, dtype=np.int64)
    for one in range(len(lists)):
        row, user, only, wanted = lists[one]
        for at in range(len(domains)):
            left[at] = scores[row, by_domain[at]] if may_stand[user, by_domain[at]] else _NOTHING
        for domain in range(n_domains):
            picked[domain], head[domain] = 0, -1
            if only in (-1, domain):
                head[domain] = _highest(left, starts[domain], starts[domain + 1])
        for rank in range(wanted):
            best = _best_head(left, head, by_domain, discount, picked)
            if best == -1:
                break
            places[one, rank] = by_domain[head[best]]
            left[head[best]] = _NOTHING
            picked[best] += 1
            head[best] = _highest(left, starts[best], starts[best + 1])
    return places


_NOTHING = -1.0
"""In place of the score of what may not stand in a list or does already."""


@compiled
def _best_head(
    left: FloatArray,
    head: IntArray,
    by_domain: IntArray,
    discount: FloatArray,
    picked: IntArray,
) -> int:
    """The domain whose best that is left, ``head``, counts most; of equals the first action's."""
    best, most, first = -1, _NOTHING, -1
    for domain in range(len(head)):
        if head[domain] >= 0:
            place = by_domain[head[domain]]
            worth = left[head[domain]] * discount[picked[domain]]
            if worth > most or (worth == most and place < first):
                best, most, first = domain, worth, place
    return best


@compiled
def _by_domain(domains: IntArray) -> tuple[IntArray, IntArray]:
    """Actions domain by domain, in order within each, and where each domain starts and ends."""
    starts = np.zeros((domains.max() if len(domains) else -1) + 2, dtype=np.int64)
    for domain in domains:
        starts[domain + 1] += 1
    starts = np.cumsum(starts)
    by_domain, free = np.empty(len(domains), dtype=np.int64), starts.copy()
    for action in range(len(domains)):
        by_domain[free[domains[action]]] = action
        free[domains[action]] += 1
    return by_domain, starts


@compiled
def _highest(left: FloatArray, start: int, stop: int) -> int:
    """Where the highest score in this stretch of ``left`` stands, of equals the first; else -1."""
    best, most = -1, _NOTHING
    for at in range(start, stop):
        if left[at] > most:
            best, most = at, left[at]
    return best
