"""From allowed scores to an ordered list: what rests, and variety over domains."""

from __future__ import annotations

import numpy as np

from recommender.dataset import AnyIntArray, BoolArray, Events, FloatArray, IntArray
from recommender.domain import EVENT_CODES, SECONDS_PER_DAY, EventType


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
    alone = resting_each(
        events,
        1,
        repeat_days,
        as_of,
        dismiss_rest_days=dismiss_rest_days,
        snooze_rest_days=snooze_rest_days,
    )
    return np.asarray(alone[0])


def resting_each(
    events: Events,
    n_users: int,
    repeat_days: FloatArray,
    as_of: float,
    *,
    dismiss_rest_days: float,
    snooze_rest_days: float,
) -> BoolArray:
    """As ``resting``, of several people's events, shape [n_users, n_actions]."""
    rest_days = np.zeros((len(EVENT_CODES), len(repeat_days)))
    rest_days[EVENT_CODES[EventType.COMPLETE]] = repeat_days
    rest_days[EVENT_CODES[EventType.DISMISS]] = dismiss_rest_days
    rest_days[EVENT_CODES[EventType.SNOOZE]] = snooze_rest_days
    ago = as_of - events.at
    still = (ago >= 0) & (ago < rest_days[events.kind, events.action] * SECONDS_PER_DAY)
    rests = np.zeros((n_users, len(repeat_days)), dtype=bool)
    rests[events.user[still], events.action[still]] = True
    return rests


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
    discounted[by_domain] = scores[by_domain] * (variety ** np.arange(count.max(initial=0)))[before]
    return discounted


_SMALL = np.iinfo(np.int16).max


def best_varied(
    scores: FloatArray, stand: BoolArray, domains: AnyIntArray, variety: float, limit: int
) -> tuple[IntArray, IntArray]:
    """The first actions of several lists ordered by ``varied_scores``, without ordering the rest.

    Parameters
    ----------
    scores
        One row a list, not negative, shape [n_lists, n_actions].
    stand
        What may stand in each list, of the same shape.
    domains
        A number for the domain of each action, shape [n_actions].
    limit
        How many actions are wanted of each list.

    Returns
    -------
    places, sure
        Shape [n_lists, at most limit], and how many of each row, from the left, are certainly
        those of the whole list; shape [n_lists].

    Examples
    --------
    >>> scores, all_of_them = np.array([[0.9, 0.8, 0.5]]), np.ones((1, 3), dtype=bool)
    >>> best_varied(scores, all_of_them, np.array([1, 1, 0]), 0.5, 2)
    (array([[0, 2]]), array([2]))
    """
    n_lists, n_actions = scores.shape
    near_by = min(_NEAR * limit, n_actions)
    if not near_by:
        return np.zeros((n_lists, 0), dtype=np.int64), np.zeros(n_lists, dtype=np.int64)
    standing = np.where(stand, scores, -1.0)
    near = standing.argpartition(n_actions - near_by, axis=1)[:, n_actions - near_by :]
    near.sort(axis=1)  # equal scores keep their order
    best = np.take_along_axis(standing, near, axis=1)
    # A list's domains are its own; what may not stand comes last within each and takes no place.
    group = domains[near] + (np.arange(n_lists) * (int(domains.max(initial=0)) + 1))[:, None]
    varied = varied_scores(best.ravel(), group.ravel(), variety).reshape(best.shape)
    varied[best < 0] = -1.0
    order = (-varied).argsort(axis=1, kind="stable")[:, :limit]
    found = np.take_along_axis(varied, order, axis=1)
    # Variety only lowers scores: what was left out does not reach what is above its best.
    left_out = best.min(axis=1, keepdims=True) if near_by < n_actions else -1.0
    sure = np.count_nonzero(found > np.maximum(left_out, -0.5), axis=1)
    return np.take_along_axis(near, order, axis=1), sure


_NEAR = 4
"""Actions, for each one wanted, among which the best are looked for."""
