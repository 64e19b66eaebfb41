"""Rows for logs without impressions: what was done, and a sample of what was not."""

from __future__ import annotations

import numpy as np

from recommender.dataset import AnyIntArray, Events, FloatArray, Int32Array, IntArray, Records
from recommender.domain import EVENT_CODES, SECONDS_PER_DAY
from recommender.outcomes import Impressions

MOST_SAMPLES_PER_COMPLETION = 12
MOST_SAMPLES = 300_000
_COMPLETE = EVENT_CODES["complete"]


def sampled_opportunities(records: Records, n_actions: int, as_of: float, seed: int) -> Impressions:
    """Every completion, and sampled pairs of user and action that stand for all that was not done.

    Each week of a user's activity is taken as one opportunity for every action, so that a score
    is about completing within a week here, too. Instants of sampled rows are those of the user's
    own completions, so that both kinds of rows see records alike.
    """
    events = records.events
    done = np.flatnonzero((events.kind == _COMPLETE) & (events.at <= as_of))
    draws = np.random.default_rng(seed)
    each = min(MOST_SAMPLES_PER_COMPLETION, max(1, MOST_SAMPLES // max(len(done), 1)))
    source = np.repeat(done, each)
    people, place = np.unique(events.user[done], return_inverse=True)
    weeks = active_weeks(events, people, as_of)
    share = weeks * n_actions / np.bincount(place, minlength=len(people)) / each
    negative = _in_turn(np.repeat(place, each), len(people), n_actions, draws)
    user = np.concatenate([events.user[done], events.user[source]])
    at = np.concatenate([events.at[done], events.at[source]])
    order = np.lexsort((at, user))
    return Impressions(
        user[order],
        np.concatenate([events.action[done], negative])[order],
        at[order],
        np.concatenate([np.ones(len(done), bool), np.zeros(len(source), bool)])[order],
        np.concatenate([np.ones(len(done)), np.repeat(share[place], each)])[order],
        np.full(len(order), np.nan),
    )


def _in_turn(
    person: IntArray, n_people: int, n_actions: int, draws: np.random.Generator
) -> Int32Array:
    """Actions for each person's rows, all in turn from a random one, in a random order.

    A person then gets every action about equally often: what chance would add to the refusals
    costs a feature model more than anything else.
    """
    turn = np.arange(len(person)) - np.searchsorted(person, person)
    begin = draws.integers(0, n_actions, n_people)
    order = draws.permutation(n_actions).astype(np.int32)
    return np.asarray(order[(begin[person] + turn) % n_actions], np.int32)


def active_weeks(events: Events, users: AnyIntArray, as_of: float) -> FloatArray:
    """Weeks from each user's first event to ``as_of``, at least one and at most a year's."""
    first = events.at[np.searchsorted(events.user, users)]
    return np.clip((as_of - first) / (7 * SECONDS_PER_DAY), 1.0, 52.0)
