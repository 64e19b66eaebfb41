"""Rows for logs without impressions: what was done, and a sample of what was not."""

from __future__ import annotations

import numpy as np

from recommender.dataset import Records
from recommender.domain import EVENT_CODES
from recommender.models.live import active_weeks
from recommender.outcomes import Impressions

MOST_SAMPLES_PER_COMPLETION = 12
MOST_SAMPLES = 4_000_000
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
    negative = draws.integers(0, max(n_actions, 1), len(source)).astype(np.int32)
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
