"""Lists as people would be shown them, and as they would be without the guardrails.

The same steps as a live answer's, for many people at once: what rests is left out, variety over
domains counts, exploration does not. See ``ranking`` and ``recommend``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from recommender.dataset import AnyIntArray, BoolArray, Events, FloatArray, IntArray, Records
from recommender.domain import EVENT_CODES, SECONDS_PER_DAY, EventType
from recommender.leaderboard.entrants import AT_ONCE
from recommender.leaderboard.held_out import HeldOut, judged_records
from recommender.resampling import grouped_sums

LENGTH = 10
"""Actions on a list."""


@dataclass(frozen=True)
class Assessed:
    """What the product makes of some people; arrays of shape [n_people, n_actions].

    Attributes
    ----------
    score
        What lists are ordered by.
    withheld, cautioned
        The guardrails' verdicts.
    rule
        Place of the rule behind a verdict, -1 where none spoke.
    """

    score: FloatArray
    withheld: BoolArray
    cautioned: BoolArray
    rule: AnyIntArray


Assess = Callable[[Records, float], Assessed]
"""Records and an instant -> what the product makes of them."""


@dataclass(frozen=True)
class Shelf:
    """The actions there are, and how lists of them are made; one entry an action.

    Attributes
    ----------
    active
        Not retired.
    domain
        A number for the domain of each.
    repeat_days
        Days it rests once completed, 0 for none.
    dismiss_days, snooze_days
        Days it rests once dismissed or snoozed.
    variety
        Each further action of a domain counts this much of the one before.
    """

    active: BoolArray
    domain: IntArray
    repeat_days: FloatArray
    dismiss_days: float
    snooze_days: float
    variety: float


def resting_actions(shelf: Shelf, events: Events, n_users: int, at: float) -> BoolArray:
    """Which actions rest for whom, shape [n_users, n_actions]; see ``ranking.resting``."""
    days = np.zeros((len(EVENT_CODES), len(shelf.active)))
    days[EVENT_CODES[EventType.COMPLETE]] = shelf.repeat_days
    days[EVENT_CODES[EventType.DISMISS]] = shelf.dismiss_days
    days[EVENT_CODES[EventType.SNOOZE]] = shelf.snooze_days
    ago = at - events.at
    still = (ago >= 0) & (ago < days[events.kind, events.action] * SECONDS_PER_DAY)
    out = np.zeros((n_users, len(shelf.active)), np.bool_)
    out[events.user[still], events.action[still]] = True
    return out


def first_places(
    score: FloatArray, eligible: BoolArray, domain: IntArray, variety: float, k: int = LENGTH
) -> IntArray:
    """The first ``k`` of each person with variety, -1 where no more is eligible.

    Parameters
    ----------
    score, eligible
        Shape [n_people, n_actions]; scores are not negative.

    Examples
    --------
    >>> first_places(
    ...     np.array([[0.9, 0.8, 0.5]]), np.array([[True, True, True]]), np.array([1, 1, 0]), 0.5
    ... ).tolist()
    [[0, 2, 1]]
    """
    usable = np.where(eligible, score, -np.inf)
    best = np.argsort(-usable, axis=1, kind="stable")
    by_domain = np.take_along_axis(best, np.argsort(domain[best], axis=1, kind="stable"), axis=1)
    count = np.bincount(domain)
    before = np.arange(len(domain)) - np.repeat(np.cumsum(count) - count, count)
    discounted = np.empty_like(usable)
    # What is not eligible stands last in its domain, at minus infinity, and moves nobody. The
    # discount of very long domains comes to 0, which must not meet infinity.
    discount = np.maximum(variety**before, 1e-300)
    ordered = np.take_along_axis(usable, by_domain, axis=1) * discount
    np.put_along_axis(discounted, by_domain, ordered, axis=1)
    first = np.argsort(-discounted, axis=1, kind="stable")[:, :k]
    return np.where(np.take_along_axis(eligible, first, axis=1), first, -1)


@dataclass(frozen=True)
class Lists:
    """One entry a person: lists, and counts of what was kept off them.

    Attributes
    ----------
    shown
        Actions on each list, -1 where there are no more, shape [n_people, LENGTH].
    near, held
        Near misses and withheld actions by rule, shape [n_people, n_rules].
    """

    shown: IntArray
    cautioned: FloatArray
    near: FloatArray
    held: FloatArray


def lists_of(held: HeldOut, assess: Assess, shelf: Shelf, n_rules: int) -> Lists:
    """Make everybody's list as of the split, with and without guardrails."""
    n, parts = len(held.users), []
    for start in range(0, n, AT_ONCE):
        some = judged_records(held, np.arange(start, min(start + AT_ONCE, n)))
        rests = resting_actions(shelf, some.events, len(some.users), held.split)
        parts.append(_some(assess(some, held.split), shelf.active & ~rests, shelf, n_rules))
    return Lists(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Lists)))


def _some(one: Assessed, eligible: BoolArray, shelf: Shelf, n_rules: int) -> Lists:
    place = np.arange(len(one.score))[:, None]
    shown = first_places(one.score, eligible & ~one.withheld, shelf.domain, shelf.variety)
    bare = first_places(one.score, eligible, shelf.domain, shelf.variety)
    near = np.zeros_like(one.withheld)
    near[np.broadcast_to(place, bare.shape)[bare >= 0], bare[bare >= 0]] = True
    cautioned = (one.cautioned[place, np.maximum(shown, 0)] & (shown >= 0)).sum(axis=1)
    return Lists(
        shown,
        cautioned.astype(np.float64),
        _count(one, near & one.withheld, n_rules),
        _count(one, shelf.active & one.withheld, n_rules),
    )


def _count(one: Assessed, chosen: BoolArray, n_rules: int) -> FloatArray:
    """Chosen actions of each person by the rule behind them, shape [n_people, n_rules]."""
    person, action = np.nonzero(chosen)
    cell = person * n_rules + one.rule[person, action]
    return grouped_sums(cell, 1.0, len(chosen) * n_rules).reshape(len(chosen), n_rules)
