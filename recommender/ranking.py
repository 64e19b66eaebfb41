"""From allowed scores to an ordered list: what rests, and variety over domains."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from recommender.dataset import (
    AnyIntArray,
    BoolArray,
    Events,
    FloatArray,
    Int8Array,
    Int32Array,
    IntArray,
)
from recommender.listing import mark_resting


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
