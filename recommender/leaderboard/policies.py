"""The log of the held-out time as an off-policy question: what if lists had come from X?

A completion within the horizon may be yet to come when the window ends. Completions of requests
younger than that are scaled up by the share that comes as early.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from recommender.dataset import BoolArray, FloatArray, IntArray
from recommender.domain import SECONDS_PER_DAY
from recommender.leaderboard.board import Judged
from recommender.leaderboard.held_out import HeldOut
from recommender.off_policy import Estimates, Logged, estimate
from recommender.outcomes import HORIZON_DAYS, delay_curve, outcomes_of

LEAST_ARRIVED = 0.5
"""Younger requests, of which fewer completions than this share have come, are left out."""


@dataclass(frozen=True)
class PolicyLine:
    """What an entrant's best actions would have brought, completions a request.

    Attributes
    ----------
    slate
        How many actions each request shows, as many as the log showed on average.
    estimates
        For showing everyone the best of the whole catalogue.
    among_shown
        For showing everyone the best of the actions that the log ever shows; None where that is
        the same.
    """

    name: str
    label: str
    slate: int
    estimates: Estimates
    among_shown: Estimates | None


def policy_lines(
    held: HeldOut, entrants: Sequence[Judged], p: FloatArray, seed: int
) -> tuple[PolicyLine, ...]:
    """Estimate every entrant's own lists; empty where nothing was shown.

    Parameters
    ----------
    p
        The hybrid's probability of each action for each of the judged, as of the split: what the
        doubly robust estimator starts from, shape [n_people, n_actions].
    """
    held, arrived = _ripe(held)
    if not len(held.rows):
        return ()
    decision = _decisions(held)
    slate = max(1, round(len(decision) / (int(decision.max()) + 1)))
    shown = np.zeros(p.shape[1], np.bool_)
    shown[held.rows.action] = True
    lines = []
    for one in entrants:
        free = _question(held, decision, arrived, one.replayed.top[:, :slate], p, shown)
        narrow = _first_shown(one.replayed.top, shown, slate)
        same = bool((narrow == one.replayed.top[:, :slate]).all())
        among = (
            None if same else estimate(_question(held, decision, arrived, narrow, p, shown), seed)
        )
        lines.append(
            PolicyLine(one.entrant.name, one.entrant.label, slate, estimate(free, seed), among)
        )
    return tuple(lines)


def _decisions(held: HeldOut) -> IntArray:
    """Number of the request of each impression; without one, the person and the instant."""
    rows, request = held.rows, held.request
    instant = np.unique(rows.at, return_inverse=True)[1]
    alone = request < 0
    key = np.stack([rows.user, alone, np.where(alone, instant, request)])
    return np.asarray(np.unique(key, axis=1, return_inverse=True)[1], np.int64).ravel()


def _first_shown(top: IntArray, shown: BoolArray, k: int) -> IntArray:
    """The first ``k`` of each list that the log shows; the list's own order otherwise.

    >>> _first_shown(np.array([[2, 0, 1]]), np.array([True, True, False]), 2).tolist()
    [[0, 1]]
    """
    order = np.argsort(~shown[top], axis=1, kind="stable")[:, :k]
    return np.take_along_axis(top, order, axis=1)


def _ripe(held: HeldOut) -> tuple[HeldOut, FloatArray]:
    """Leave out requests that most completions of have yet to come; share that came of the rest.

    The share by age is learned from the impressions before the split.
    """
    before = outcomes_of(held.past.events, held.split)
    delays = delay_curve(before, held.split).delays if len(before) else np.zeros(0)
    age = (held.end - held.rows.at) / SECONDS_PER_DAY
    arrived = np.searchsorted(delays, age, side="right") / max(len(delays), 1)
    arrived = np.where((age >= HORIZON_DAYS) | (len(delays) == 0), 1.0, arrived)
    ripe: BoolArray = arrived >= LEAST_ARRIVED
    kept = replace(
        held,
        rows=held.rows.select(ripe),
        propensity=held.propensity[ripe],
        request=held.request[ripe],
    )
    return kept, arrived[ripe]


def _question(
    held: HeldOut,
    decision: IntArray,
    arrived: FloatArray,
    lists: IntArray,
    p: FloatArray,
    shown: BoolArray,
) -> Logged:
    rows = held.rows
    n = int(decision.max()) + 1
    person = np.zeros(n, np.int64)
    person[decision] = rows.user
    return Logged(
        decision=decision,
        reward=rows.completed / arrived,
        propensity=held.propensity,
        target=(lists[rows.user] == rows.action[:, None]).any(axis=1).astype(np.float64),
        predicted=p[rows.user, rows.action],
        person=person,
        expected=np.take_along_axis(p, lists, axis=1).sum(axis=1)[person],
        size=np.full(n, float(lists.shape[1])),
        unsupported=(~shown[lists]).sum(axis=1).astype(np.float64)[person],
    )
