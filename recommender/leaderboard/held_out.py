"""What everybody is judged on: completions and impressions after one instant, and only those."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from recommender.dataset import (
    BoolArray,
    FloatArray,
    Int32Array,
    IntArray,
    Records,
    select_events,
    select_users,
)
from recommender.domain import EVENT_CODES, SECONDS_PER_DAY
from recommender.errors import NothingToLearnError
from recommender.outcomes import Impressions
from recommender.splits import temporal_split

MOST_JUDGED = 20_000
"""More people than this are sampled for judging; training uses everybody."""

MOST_SCORED = 60_000_000
"""People times actions that are judged; with very many actions fewer people are."""

_COMPLETE, _IMPRESSION = EVENT_CODES["complete"], EVENT_CODES["impression"]


@dataclass(frozen=True)
class HeldOut:
    """A replay's question and its answer.

    Attributes
    ----------
    past
        Everybody's records up to and including ``split``; all that any model sees.
    split, end
        The held-out time is after ``split``, up to ``end``; seconds since 1970.
    users
        Places in ``past.users`` of those with a completion or an impression after the split.
    active
        How many such people there are; more than ``len(users)`` if they were sampled.
    pair_user, pair_action
        What each of them completed after the split, every pair once, sorted by user;
        ``pair_user`` counts in ``users``.
    rows
        Their impressions after the split with their outcomes; ``rows.user`` counts in ``users``.
    propensity, request
        Of each row, as in ``dataset.Events``.
    """

    past: Records
    split: float
    end: float
    users: IntArray
    active: int
    pair_user: Int32Array
    pair_action: Int32Array
    rows: Impressions
    propensity: FloatArray
    request: IntArray

    @property
    def days(self) -> float:
        """Length of the held-out time, in days."""
        return (self.end - self.split) / SECONDS_PER_DAY


def most_judged(n_actions: int, scored: int = MOST_SCORED) -> int:
    """How many people are judged on a catalogue of this size, at most.

    >>> most_judged(180), most_judged(17_000)
    (20000, 3529)
    """
    return min(MOST_JUDGED, max(scored // max(n_actions, 1), 1))


def hold_out(
    records: Records, split: float, end: float, seed: int, most: int = MOST_JUDGED
) -> HeldOut:
    """Split records at an instant and judge at most so many people.

    Raises
    ------
    NothingToLearnError
        If nothing happened before the split, or nothing was completed after it.
    """
    past, rows = temporal_split(records, split, end)
    if not len(past.events):
        raise NothingToLearnError("nothing happened before the days to be held out")
    events = records.events
    window: BoolArray = (events.at > split) & (events.at <= end)
    later = select_events(events, window & (events.kind == _COMPLETE))
    shown = select_events(events, window & (events.kind == _IMPRESSION))
    if not len(later):
        raise NothingToLearnError("nothing was completed in the days held out")
    everyone = np.unique(np.concatenate([later.user, rows.user])).astype(np.int64)
    users = _sampled(everyone, seed, most)
    place = np.full(len(records.users), -1, np.int32)
    place[users] = np.arange(len(users), dtype=np.int32)
    pairs = np.unique(np.stack([place[later.user], later.action]), axis=1)
    pairs = pairs[:, pairs[0] >= 0]
    mine = place[rows.user] >= 0
    kept = rows.select(mine)
    return HeldOut(
        past,
        split,
        end,
        users,
        len(everyone),
        pairs[0].astype(np.int32),
        pairs[1].astype(np.int32),
        replace(kept, user=place[kept.user]),
        shown.propensity[mine],
        shown.request[mine],
    )


def judged_records(held: HeldOut, users: IntArray) -> Records:
    """Records up to the split of some of the judged (places in ``held.users``, ascending)."""
    return select_users(held.past, held.users[users])


def _sampled(everyone: IntArray, seed: int, most: int) -> IntArray:
    if len(everyone) <= most:
        return everyone
    chosen = np.random.default_rng([seed, 72]).choice(everyone, most, replace=False)
    return np.sort(chosen)
