"""Loops over people's actions that find what may stand in lists, and what stands there."""

from __future__ import annotations

import numpy as np

from recommender.compiled import compiled
from recommender.dataset import BoolArray, FloatArray, Int8Array, Int32Array, IntArray
from recommender.domain import EVENT_CODES, SECONDS_PER_DAY, VERDICT_CODES, EventType, Verdict

_COMPLETE = EVENT_CODES[EventType.COMPLETE]
_DISMISS = EVENT_CODES[EventType.DISMISS]
_SNOOZE = EVENT_CODES[EventType.SNOOZE]
_WITHHOLD = VERDICT_CODES[Verdict.WITHHOLD]


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


@compiled
def standing(
    active: BoolArray,
    verdict: Int8Array,
    user: Int32Array,
    action: Int32Array,
    kind: Int8Array,
    at: FloatArray,
    as_of: float,
    completed_days: FloatArray,
    dismissed_days: float,
    snoozed_days: float,
) -> BoolArray:
    """What is neither retired nor withheld nor rests, shape [n_users, n_actions].

    ``active`` has one entry an action; user, action, kind and instant one an event; the verdicts
    are of shape [n_users, n_actions]. See ``mark_resting``.
    """
    may = np.empty(verdict.shape, dtype=np.bool_)
    for who in range(len(verdict)):
        for place in range(len(active)):
            may[who, place] = active[place] and verdict[who, place] != _WITHHOLD
    days = (completed_days, dismissed_days, snoozed_days)
    mark_resting(may, False, user, action, kind, at, as_of, *days)
    return may


@compiled
def listed(
    active: BoolArray,
    verdict: Int8Array,
    event_user: Int32Array,
    event_action: Int32Array,
    event_kind: Int8Array,
    event_at: FloatArray,
    as_of: float,
    completed_days: FloatArray,
    dismissed_days: float,
    snoozed_days: float,
    scores: FloatArray,
    domains: IntArray,
    discount: FloatArray,
    lists: IntArray,
) -> tuple[BoolArray, IntArray, IntArray, IntArray, IntArray, IntArray, FloatArray]:
    """The plain lists, see ``selection.Lists``, before them what may stand in lists.

    The arguments are those of ``standing`` and of ``best_varied``.
    """
    events = (event_user, event_action, event_kind, event_at)
    days = (completed_days, dismissed_days, snoozed_days)
    may_stand = standing(active, verdict, *events, as_of, *days)
    places = best_varied(scores, may_stand, domains, discount, lists)
    n_lists, n_items = len(lists), 0
    sizes, withheld = np.zeros(n_lists, np.int64), np.zeros(n_lists, np.int64)
    user, action = np.empty(places.size, np.int64), np.empty(places.size, np.int64)
    rank, score = np.empty(places.size, np.int64), np.empty(places.size)
    for one in range(n_lists):
        row, who, only, _ = lists[one]
        for place in range(len(active)):
            if active[place] and verdict[who, place] == _WITHHOLD and only in (-1, domains[place]):
                withheld[one] += 1
        for place in places[one]:
            if place >= 0:
                user[n_items], action[n_items] = who, place
                sizes[one] += 1
                rank[n_items], score[n_items] = sizes[one], scores[row, place]
                n_items += 1
    user, action, rank, score = user[:n_items], action[:n_items], rank[:n_items], score[:n_items]
    return may_stand, sizes, withheld, user, action, rank, score


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
    >>> best_varied(scores, all_of_them, np.array([1, 1, 0]), np.array([1.0, 0.5, 0.25]), lists)
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
