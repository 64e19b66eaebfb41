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
from recommender.leaderboard.entrants import expected_completions
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
    held: HeldOut, entrants: Sequence[Judged], best: Judged, n_actions: int, seed: int
) -> tuple[PolicyLine, ...]:
    """Estimate every entrant's own lists; empty where nothing was shown.

    Parameters
    ----------
    best
        The hybrid: its probabilities as of the split are what the doubly robust estimator starts
        from.
    """
    log = _log_of(held, best, n_actions)
    if log is None:
        return ()
    slate = max(1, round(len(log.decision) / log.decisions))
    free = [one.replayed.top[:, :slate] for one in entrants]
    narrow = [_first_shown(one.replayed.top, log.shown, slate) for one in entrants]
    expected = expected_completions(best.entrant.scores, [*free, *narrow])
    lines = []
    for place, one in enumerate(entrants):
        among = None
        if not (narrow[place] == free[place]).all():
            among = estimate(_question(log, narrow[place], expected[place + len(free)]), seed)
        found = estimate(_question(log, free[place], expected[place]), seed)
        lines.append(PolicyLine(one.entrant.name, one.entrant.label, slate, found, among))
    return tuple(lines)


@dataclass(frozen=True)
class _Log:
    """What was shown and what came of it, old enough to judge; one entry a shown action.

    ``arrived`` is the share of completions that come so early, ``predicted`` the hybrid's
    probability; ``shown`` says of each action whether it was ever shown.
    """

    held: HeldOut
    decision: IntArray
    arrived: FloatArray
    predicted: FloatArray
    shown: BoolArray

    @property
    def decisions(self) -> int:
        return int(self.decision.max()) + 1


def _log_of(held: HeldOut, best: Judged, n_actions: int) -> _Log | None:
    kept, arrived, ripe = _ripe(held)
    if not len(kept.rows):
        return None
    shown = np.zeros(n_actions, np.bool_)
    shown[kept.rows.action] = True
    predicted = 1.0 / (1.0 + np.exp(-best.replayed.row_score[ripe]))
    return _Log(kept, _decisions(kept), arrived, predicted, shown)


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


def _ripe(held: HeldOut) -> tuple[HeldOut, FloatArray, BoolArray]:
    """Leave out requests that most completions of have yet to come.

    Returns the rest, the share of completions that came of each, and which were kept.

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
    return kept, arrived[ripe], ripe


def _question(log: _Log, lists: IntArray, expected: FloatArray) -> Logged:
    rows = log.held.rows
    person = np.zeros(log.decisions, np.int64)
    person[log.decision] = rows.user
    return Logged(
        decision=log.decision,
        reward=rows.completed / log.arrived,
        propensity=log.held.propensity,
        target=(lists[rows.user] == rows.action[:, None]).any(axis=1).astype(np.float64),
        predicted=log.predicted,
        person=person,
        expected=expected[person],
        size=np.full(log.decisions, float(lists.shape[1])),
        unsupported=(~log.shown[lists]).sum(axis=1).astype(np.float64)[person],
    )
