"""What became of each impression: the labels that models learn from.

An impression is completed if the same user completes the same action within the horizon. Each
completion is credited to one impression: that of its own request if recorded, else the latest
one before it. Opening or accepting is not completing.

An impression younger than the horizon may still be completed. Counting it as a refusal would
teach that nobody acts on new recommendations, leaving it out would lose the completions that did
come; so it stays in with the weight of the refusals among impressions that looked the same at
its age, ``(1-p) F / (1-p F)`` with the completion rate ``p`` and the share ``F`` of completions
that have come by that age.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from recommender.dataset import (
    AnyIntArray,
    BoolArray,
    Events,
    FloatArray,
    Int32Array,
    IntArray,
    Records,
    take_users,
)
from recommender.domain import EVENT_CODES, SECONDS_PER_DAY, Catalogue

HORIZON_DAYS = 7.0
"""Days within which a completion counts as the outcome of an impression."""

MOST_EXPOSURE_WEIGHT = 5.0
"""Bounds what a single impression can do, at the price of some bias."""

_PERSONAL_SHARE = 0.3
"""Of the spread of an action's log propensities, within a day."""
_LEAST_SPREAD = 1e-4

_CURVE_POINTS = 1000
_IMPRESSION, _COMPLETE = EVENT_CODES["impression"], EVENT_CODES["complete"]


@dataclass(frozen=True, slots=True)
class Impressions:
    """Labelled rows, sorted by (user, at); every array has one entry a row.

    Attributes
    ----------
    user, action
        Indices as in ``dataset.Events``.
    at
        Instant of the impression, seconds since 1970.
    completed
        True if it was completed within the horizon, as far as is known.
    weight
        Share of a full observation: 1 where the outcome is certain, less while it is pending.
    delay_days
        Days from impression to its first credited completion, NaN if none.
    """

    user: Int32Array
    action: Int32Array
    at: FloatArray
    completed: BoolArray
    weight: FloatArray
    delay_days: FloatArray

    def __len__(self) -> int:
        return len(self.user)

    def select(self, chosen: BoolArray | IntArray | slice) -> Impressions:
        """Return the chosen rows."""
        return Impressions(
            self.user[chosen],
            self.action[chosen],
            self.at[chosen],
            self.completed[chosen],
            self.weight[chosen],
            self.delay_days[chosen],
        )


def in_blocks(
    records: Records, rows: Impressions, most_users: int = 4096
) -> Iterator[tuple[slice, Records, Impressions]]:
    """Go through users block by block, to bound memory.

    Yields
    ------
    places, records, rows
        Places of the block's rows among all; the block's records and rows, users numbered from 0.
    """
    n = len(records.users)
    for start in range(0, n, most_users):
        stop = min(start + most_users, n)
        first, last = np.searchsorted(rows.user, [start, stop]).tolist()
        part = rows.select(slice(first, last))
        part = replace(part, user=part.user - np.int32(start))
        yield slice(first, last), take_users(records, start, stop), part


@dataclass(frozen=True, slots=True)
class DelayCurve:
    """How completions trickle in, learned from impressions older than the horizon.

    Attributes
    ----------
    rate
        Share of impressions completed within the horizon.
    delays
        Days to completion, ascending.
    """

    rate: float
    delays: FloatArray

    def pending_weight(self, age_days: FloatArray) -> FloatArray:
        """Weight of impressions not completed by the age, of the ages' shape.

        >>> DelayCurve(0.5, np.array([1.0, 3.0])).pending_weight(np.array([0.5, 2.0, 7.0])).tolist()
        [0.0, 0.3333333333333333, 1.0]
        """
        if not len(self.delays):
            return np.minimum(age_days / HORIZON_DAYS, 1.0)
        share = np.searchsorted(self.delays, age_days, side="right") / len(self.delays)
        share = np.where(age_days >= HORIZON_DAYS, 1.0, share)
        return share * (1 - self.rate) / np.maximum(1 - self.rate * share, 1e-9)


def labelled_impressions(
    records: Records, catalogue: Catalogue, as_of: float, horizon_days: float = HORIZON_DAYS
) -> Impressions:
    """Label every impression up to ``as_of`` by what happened up to ``as_of``."""
    del catalogue  # part of the agreed signature; labels need only the indices
    rows = outcomes_of(records.events, as_of, horizon_days)
    return with_pending_weights(rows, delay_curve(rows, as_of), as_of)


def outcomes_of(events: Events, as_of: float, horizon_days: float = HORIZON_DAYS) -> Impressions:
    """Label impressions with the weight 1 throughout, whether or not they had their time."""
    known = events.at <= as_of
    shown = np.flatnonzero((events.kind == _IMPRESSION) & known)
    done = np.flatnonzero((events.kind == _COMPLETE) & known)
    completed = np.zeros(len(shown), np.bool_)
    delay = np.full(len(shown), np.nan)
    if len(done) and len(shown):
        credited = credit(events, shown, done, horizon_days * SECONDS_PER_DAY)
        found = credited >= 0
        places, ends = credited[found], events.at[done[found]]
        completed[places] = True
        # Later completions are written first, so that the first one stands.
        delay[places[::-1]] = (ends - events.at[shown[places]])[::-1] / SECONDS_PER_DAY
    return Impressions(
        events.user[shown],
        events.action[shown],
        events.at[shown],
        completed,
        np.ones(len(shown)),
        delay,
    )


def credit(events: Events, shown: IntArray, done: IntArray, horizon: float) -> IntArray:
    """Find the impression that each completion is due to.

    Parameters
    ----------
    shown, done
        Places of the impressions and of the completions among the events.
    horizon
        Longest delay, in seconds.

    Returns
    -------
    array of shape [len(done)]
        Places in ``shown``, -1 where no impression is due.
    """
    pair = _pair_keys(events)
    order = np.argsort(pair[shown], kind="stable")
    latest = _latest_before(
        pair[shown][order], events.at[shown][order], pair[done], events.at[done]
    )
    credited = np.where(latest >= 0, order[latest], -1)
    requested = events.request[done] >= 0
    if requested.any():
        own = _same_request(events, pair, shown, done[requested])
        credited[requested] = np.where(own >= 0, own, credited[requested])
    delay = events.at[done] - events.at[shown[credited]]
    return np.where((credited >= 0) & (delay >= 0) & (delay <= horizon), credited, -1)


def delay_curve(rows: Impressions, as_of: float) -> DelayCurve:
    """Learn the rate and the delays from rows old enough to be certain."""
    mature = rows.at <= as_of - HORIZON_DAYS * SECONDS_PER_DAY
    if not mature.any():
        mature = np.ones(len(rows), np.bool_)
    delays = np.sort(rows.delay_days[mature & rows.completed])
    rate = float(rows.completed[mature].mean()) if len(rows) else 0.0
    if len(delays) > _CURVE_POINTS:
        delays = np.quantile(delays, (np.arange(_CURVE_POINTS) + 0.5) / _CURVE_POINTS)
    return DelayCurve(min(rate, 1 - 1e-6), delays)


def with_pending_weights(rows: Impressions, curve: DelayCurve, as_of: float) -> Impressions:
    """Give every row not completed by ``as_of`` the weight of its age."""
    age = (as_of - rows.at) / SECONDS_PER_DAY
    weight = np.where(rows.completed, 1.0, curve.pending_weight(age))
    return Impressions(rows.user, rows.action, rows.at, rows.completed, weight, rows.delay_days)


def exposure_weights(events: Events, as_of: float) -> FloatArray:
    """Weights that make up for who was shown what, of every impression up to ``as_of``.

    A log that shows people what they are thought to like tells too little about the others.
    With the propensities in the log each impression can stand for those that were not made
    (inverse propensity, self-normalised). The weights of an action have the mean 1; those of a
    log in which everybody has the same chances are all 1. Without a propensity a row weighs 1.

    Returns
    -------
    array of shape [n_impressions]
        In the order of the events.

    Examples
    --------
    >>> one_day = lambda propensity: Events(
    ...     *np.zeros((2, 2), np.int32), np.zeros(2, np.int8), np.zeros(2),
    ...     np.zeros(2, np.int64), np.array(propensity), np.zeros(2))
    >>> exposure_weights(one_day([0.5, 0.25]), 1.0).round(3).tolist()
    [0.667, 1.333]
    >>> exposure_weights(one_day([0.25, 0.25]), 1.0).tolist()
    [1.0, 1.0]
    """
    shown = (events.kind == _IMPRESSION) & (events.at <= as_of)
    out = np.ones(np.count_nonzero(shown))
    known = ~np.isnan(events.propensity[shown])
    action = events.action[shown][known].astype(np.int64)
    inverse = 1.0 / events.propensity[shown][known]
    if _personal(action, events.at[shown][known], inverse):
        for _ in range(2):  # the second time because cutting lowers the mean
            inverse = inverse / _means(action, inverse)
            inverse = np.minimum(inverse, MOST_EXPOSURE_WEIGHT)
        out[known] = inverse
    return out


def _personal(action: IntArray, at: FloatArray, inverse: FloatArray) -> bool:
    """Whether the chances of an action differ between people rather than between days."""
    if not len(action):
        return False
    _, day = np.unique(at // SECONDS_PER_DAY, return_inverse=True)
    log = np.log(inverse)
    over_time = log - _means(action, log)
    _, cell = np.unique(action * (int(day.max()) + 1) + day, return_inverse=True)
    on_a_day = log - _means(cell, log)
    # a row alone in its cell says nothing of how people differ
    shared = np.bincount(cell)[cell] > 1
    own = float((on_a_day[shared] ** 2).sum()), float((over_time[shared] ** 2).sum())
    return own[0] > max(_PERSONAL_SHARE * own[1], _LEAST_SPREAD * np.count_nonzero(shared))


def _means(group: AnyIntArray, values: FloatArray) -> FloatArray:
    """Mean of each value's group, one entry a value."""
    return np.asarray((np.bincount(group, values) / np.maximum(np.bincount(group), 1))[group])


def unprompted_share(events: Events, as_of: float) -> float:
    """Share of completions, up to ``as_of``, that no impression explains (0 without any)."""
    known = events.at <= as_of
    shown = np.flatnonzero((events.kind == _IMPRESSION) & known)
    done = np.flatnonzero((events.kind == _COMPLETE) & known)
    if not len(done):
        return 0.0
    if not len(shown):
        return 1.0
    credited = credit(events, shown, done, HORIZON_DAYS * SECONDS_PER_DAY)
    return float(np.mean(credited < 0))


def _pair_keys(events: Events) -> IntArray:
    actions = int(events.action.max(initial=0)) + 1
    return events.user.astype(np.int64) * actions + events.action


def _latest_before(
    pair: IntArray, at: FloatArray, asked_pair: IntArray, asked_at: FloatArray
) -> IntArray:
    """Place of the last row of the same pair not after the asked instant, -1 if none.

    Rows are sorted by (pair, at). Instants are ranked together, so that keys stay exact.
    """
    instants = np.sort(np.concatenate([at, asked_at]))
    span = len(instants) + 1
    keys = pair * span + np.searchsorted(instants, at)
    asked = asked_pair * span + np.searchsorted(instants, asked_at)
    place = np.searchsorted(keys, asked, side="right") - 1
    return np.where((place >= 0) & (pair[place] == asked_pair), place, -1)


def _same_request(events: Events, pair: IntArray, shown: IntArray, done: IntArray) -> IntArray:
    """Place in ``shown`` of the impression with the same pair and request, -1 if none."""
    order = np.lexsort((events.request[shown], pair[shown]))
    ranks = np.sort(events.request[shown])
    span = len(ranks) + 1
    keys = (pair[shown] * span + np.searchsorted(ranks, events.request[shown]))[order]
    asked = pair[done] * span + np.searchsorted(ranks, events.request[done])
    place = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    found = order[place]
    same = (keys[place] == asked) & (events.request[shown[found]] == events.request[done])
    return np.where(same, found, -1)
