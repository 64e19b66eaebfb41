"""From allowed scores to an ordered list: what rests, and variety over domains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recommender.dataset import BoolArray, Events, FloatArray, IntArray
from recommender.domain import EVENT_CODES, SECONDS_PER_DAY, Catalogue, EventType


def resting(
    events: Events,
    catalogue: Catalogue,
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
    as_of
        Seconds since 1970.

    Returns
    -------
    array of shape [n_actions]
    """
    repeat = np.array([action.repeat_after_days or 0.0 for action in catalogue.actions])
    rests = np.zeros(len(catalogue), dtype=bool)
    for kind, days in (
        (EventType.COMPLETE, repeat),
        (EventType.DISMISS, np.full(len(catalogue), dismiss_rest_days)),
        (EventType.SNOOZE, np.full(len(catalogue), snooze_rest_days)),
    ):
        happened = (events.kind == EVENT_CODES[kind]) & (events.at <= as_of)
        action = events.action[happened]
        until = events.at[happened] + days[action] * SECONDS_PER_DAY
        rests[action[until > as_of]] = True
    return rests


def varied_order(scores: FloatArray, domains: Sequence[str], variety: float) -> IntArray:
    """Order with variety: the k-th best of a domain counts ``variety ** k`` of its score.

    This is what picking greedily, discounting a domain each time it is picked, comes to.

    Parameters
    ----------
    scores
        Shape [n], not negative.
    domains
        Domain of each.
    variety
        In (0, 1]; 1 leaves the order of the scores.

    Returns
    -------
    array of shape [n]
        Indices, best first; ties keep their given order.

    Examples
    --------
    >>> varied_order(np.array([0.9, 0.8, 0.5]), ["sleep", "sleep", "social"], 0.5).tolist()
    [0, 2, 1]
    """
    best_first = np.argsort(-scores, kind="stable")
    seen: dict[str, int] = {}
    discounted = np.empty(len(scores))
    for place in best_first:
        picked = seen.get(domains[place], 0)
        discounted[place] = scores[place] * variety**picked
        seen[domains[place]] = picked + 1
    return np.argsort(-discounted, kind="stable")
