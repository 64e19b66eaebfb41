"""Curves: predicted against observed, day by day, and with more and more history."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender import quality
from recommender.dataset import FloatArray, Records, select_users
from recommender.domain import SECONDS_PER_DAY
from recommender.leaderboard.entrants import AT_ONCE
from recommender.leaderboard.held_out import HeldOut
from recommender.leaderboard.tally import equally_full
from recommender.models.hybrid import HybridModel

POINTS = 10
"""Points of a reliability curve, equally full."""

_NORMAL_95 = 1.959964


@dataclass(frozen=True, slots=True)
class Reliability:
    """One point: impressions with about the same prediction, and what became of them."""

    predicted: float
    observed: float
    low: float
    high: float
    impressions: int


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the held-out time: log loss of those who give probabilities, by name."""

    day: int
    impressions: int
    log_loss: dict[str, float]


def reliability(held: HeldOut, row_score: FloatArray) -> tuple[Reliability, ...]:
    """Compare predicted and observed rates over ``POINTS`` equally full bins."""
    rows, bins = held.rows, equally_full(row_score, POINTS)
    p = 1.0 / (1.0 + np.exp(-row_score))
    weight = np.bincount(bins, rows.weight, POINTS)
    predicted = np.bincount(bins, rows.weight * p, POINTS)
    done = np.bincount(bins, rows.weight * rows.completed, POINTS)
    number = np.bincount(bins, minlength=POINTS)
    return tuple(
        Reliability(predicted[i] / weight[i], done[i] / weight[i], *wilson(done[i], weight[i]),
                    int(number[i]))
        for i in range(POINTS)
        if weight[i] > 0
    )  # fmt: skip


def wilson(done: float, shown: float) -> tuple[float, float]:
    """Ends of Wilson's 95 % interval of a rate.

    >>> [round(end, 3) for end in wilson(5, 10)]
    [0.237, 0.763]
    """
    z2 = _NORMAL_95**2
    rate, spread = done / shown, 1.0 + z2 / shown
    centre = (rate + z2 / (2.0 * shown)) / spread
    half = _NORMAL_95 * np.sqrt(rate * (1.0 - rate) / shown + z2 / (4.0 * shown**2)) / spread
    return max(float(centre - half), 0.0), min(float(centre + half), 1.0)


def by_day(held: HeldOut, row_scores: dict[str, FloatArray]) -> tuple[Day, ...]:
    """Log loss of each day after the split: how fast a model that is not retrained ages."""
    rows = held.rows
    day = ((rows.at - held.split) // SECONDS_PER_DAY).astype(np.int64)
    out = []
    for number in np.unique(day):
        mine = day == number
        losses = {
            name: quality.log_loss(
                rows.completed[mine], 1.0 / (1.0 + np.exp(-score[mine])), rows.weight[mine]
            )
            for name, score in row_scores.items()
        }
        out.append(Day(int(number) + 1, int(mine.sum()), losses))
    return tuple(out)


def live_scores(model: HybridModel, records: Records, held: HeldOut) -> FloatArray:
    """Log-odds of each held-out impression from the person's record at the start of its day.

    The model stays the one of the split; only the record goes on, as it does between two
    trainings. Days are counted from the split.
    """
    rows, out = held.rows, np.empty(len(held.rows))
    day = ((rows.at - held.split) // SECONDS_PER_DAY).astype(np.int64)
    for number in np.unique(day):
        mine = np.flatnonzero(day == number)
        start = held.split + float(number) * SECONDS_PER_DAY
        people = np.unique(rows.user[mine])
        for first in range(0, len(people), AT_ONCE):
            some = people[first : first + AT_ONCE]
            theirs = mine[np.isin(rows.user[mine], some)]
            scores = model.score(select_users(records, held.users[some]), start).sum(axis=2)
            out[theirs] = scores[np.searchsorted(some, rows.user[theirs]), rows.action[theirs]]
    return out
