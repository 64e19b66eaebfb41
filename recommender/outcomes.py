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

from recommender.compiled import compiled
from recommender.dataset import (
    AnyIntArray,
    BoolArray,
    Events,
    FloatArray,
    Int8Array,
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
    shown = np.flatnonzero((events.kind == _IMPRESSION) & (events.at <= as_of))
    credited = credit(events, as_of, horizon_days)
    done = np.flatnonzero(credited >= 0)
    ended = np.full(len(events), np.nan)
    # Later completions are written first, so that the first one stands.
    ended[credited[done[::-1]]] = events.at[done[::-1]]
    delay = (ended[shown] - events.at[shown]) / SECONDS_PER_DAY
    return Impressions(
        events.user[shown],
        events.action[shown],
        events.at[shown],
        delay == delay,
        np.ones(len(shown)),
        delay,
    )


def credit(events: Events, as_of: float, horizon_days: float = HORIZON_DAYS) -> IntArray:
    """Find the impression that each completion up to ``as_of`` is due to.

    Returns
    -------
    array of shape [n_events]
        Place of the impression among the events; -1 where none is due, and of any other event.
    """
    return _credit(
        events.user,
        events.action,
        np.where(events.at <= as_of, events.kind, np.int8(-1)),
        events.at,
        events.request,
        horizon_days * SECONDS_PER_DAY,
        (_IMPRESSION, _COMPLETE),
    )


@compiled
def _credit(
    user: Int32Array,
    action: Int32Array,
    kind: Int8Array,
    at: FloatArray,
    request: IntArray,
    horizon: float,
    kinds: tuple[int, int],
) -> IntArray:
    """See ``credit``; events are sorted by (user, at), ``kinds`` are impression and completion."""
    credited, earlier = np.full(len(user), -1), np.full(len(user), -1)
    latest = np.full(action.max() + 1 if len(action) else 0, -1)
    begin = 0
    while begin < len(user):
        end = begin
        while end < len(user) and user[end] == user[begin]:
            if action[end] < 0:
                raise IndexError("an event of no action")
            if kind[end] == kinds[0]:  # linked to the one before of the same action
                earlier[end], latest[action[end]] = latest[action[end]], end
            end += 1
        for row in range(begin, end):
            if kind[row] != kinds[1]:
                continue
            before = own = -1
            place = latest[action[row]]
            while place >= 0 and (before < 0 or request[row] >= 0):
                if before < 0 and at[place] <= at[row]:
                    before = place
                if request[row] >= 0 and request[place] == request[row]:
                    own = place
                place = earlier[place]
            due = own if own >= 0 else before
            if due >= 0 and 0 <= at[row] - at[due] <= horizon:
                credited[row] = due
        for row in range(begin, end):
            latest[action[row]] = -1
        begin = end
    return credited


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
    done = (events.kind == _COMPLETE) & (events.at <= as_of)
    return float(np.mean(credit(events, as_of)[done] < 0)) if done.any() else 0.0
