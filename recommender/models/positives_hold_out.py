"""What is held out of a log of completions: its last part, or a random one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender.dataset import (
    BoolArray,
    FloatArray,
    IntArray,
    Records,
    select_events,
    select_users,
    until,
)
from recommender.domain import EVENT_CODES, SECONDS_PER_DAY
from recommender.outcomes import HORIZON_DAYS

MOST_USERS = 6_000
MOST_COMPLETIONS = 500_000
"""More people or completions than this are sampled: settings hardly depend on them."""

_SHARE = 0.1
_RANDOM_SHARE = 0.15
_LEAST_COMPLETIONS = 50
_LEAST_USERS = 10
_LEAST_ACTIVE = 0.1
_LEAST_KNOWN = 0.02
_COMPLETE = EVENT_CODES["complete"]


@dataclass(frozen=True)
class HeldOut:
    """People's records before, and what they completed after.

    Attributes
    ----------
    past
        What was known.
    at
        Instant of scoring.
    user, action
        Held-out completions, sorted by user.
    within_horizon
        Which of them came within the horizon.
    horizons
        Completions expected in a horizon over those held out within one. A random part of a
        short log is taken as it is.
    by_time
        True if the last part of the log is held out, False if a random one.
    """

    past: Records
    at: float
    user: IntArray
    action: IntArray
    within_horizon: BoolArray
    horizons: float
    by_time: bool


def hold_out(records: Records, seed: int) -> HeldOut | None:
    """Hold out the last part of the log, or a random one where instants say nothing.

    Instants say nothing if nearly all of them are the same, if the last part is by a few people
    only, or by hardly anybody who is known from before.
    """
    records = _sampled(records, seed)
    events = records.events
    done = np.flatnonzero(events.kind == _COMPLETE)
    if len(done) < _LEAST_COMPLETIONS or len(np.unique(events.user[done])) < _LEAST_USERS:
        return None
    cut = _cut(events.at[done], events.user[done].astype(np.int64))
    return _random_part(records, done, seed) if cut is None else _last_part(records, done, cut)


def _sampled(records: Records, seed: int) -> Records:
    events = records.events
    count = np.bincount(events.user[events.kind == _COMPLETE], minlength=len(records.users))
    active = np.random.default_rng([seed, 5]).permutation(np.flatnonzero(count))
    enough = int(np.searchsorted(np.cumsum(count[active]), MOST_COMPLETIONS, side="right"))
    n = min(MOST_USERS, max(enough, 1))
    return records if n >= len(active) else select_users(records, np.sort(active[:n]))


def _cut(at: FloatArray, user: IntArray) -> float | None:
    """Instant that the last part begins after, None if instants say nothing."""
    horizon = HORIZON_DAYS * SECONDS_PER_DAY
    first, last = float(at.min()), float(at.max())
    cut = float(np.quantile(at, 1.0 - _SHARE))
    if last - first >= 4 * horizon:
        cut = min(cut, last - horizon)
    later = at > cut
    if not later.any() or later.mean() > 0.5:
        return None
    everybody, active = np.unique(user), np.unique(user[later])
    known = np.intersect1d(active, user[~later])
    few = len(active) < max(_LEAST_USERS, _LEAST_ACTIVE * len(everybody))
    return None if few or len(known) < _LEAST_KNOWN * len(everybody) else cut


def _last_part(records: Records, done: IntArray, cut: float) -> HeldOut:
    events = records.events
    held = done[events.at[done] > cut]
    length = float(events.at[done].max() - cut) / SECONDS_PER_DAY
    return HeldOut(
        until(records, cut),
        cut,
        events.user[held].astype(np.int64),
        events.action[held].astype(np.int64),
        events.at[held] <= cut + HORIZON_DAYS * SECONDS_PER_DAY,
        HORIZON_DAYS / min(HORIZON_DAYS, max(length, 0.1)),
        True,
    )


def _random_part(records: Records, done: IntArray, seed: int) -> HeldOut:
    events = records.events
    chosen = np.random.default_rng([seed, 6]).random(len(done)) < _RANDOM_SHARE
    held, kept = done[chosen], np.ones(len(events), np.bool_)
    kept[held] = False
    at = float(events.at.max())
    first = np.full(len(records.users), at)
    np.minimum.at(first, events.user, events.at)
    weeks = np.maximum((at - first[events.user[done]]) / SECONDS_PER_DAY / HORIZON_DAYS, 1.0)
    return HeldOut(
        Records(records.users, select_events(events, kept), records.observations),
        at,
        events.user[held].astype(np.int64),
        events.action[held].astype(np.int64),
        np.ones(len(held), np.bool_),
        min(1.0, float((1.0 / weeks).sum()) / max(len(held), 1)),
        False,
    )
