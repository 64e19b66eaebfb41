"""Figures as sums over people: each is ``above.sum() / below.sum()``.

Kept a person apart, so that anyone can add them up again, people can be drawn anew for
intervals, and a group's figure is the same sum over fewer people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from recommender import quality
from recommender.dataset import AnyIntArray, FloatArray, IntArray
from recommender.domain import EVENT_CODES
from recommender.leaderboard.held_out import HeldOut
from recommender.leaderboard.replay import Replayed
from recommender.resampling import grouped_sums

_COMPLETE = EVENT_CODES["complete"]

BINS = 15
"""Bins of the calibration error, equally full."""


@dataclass(frozen=True, slots=True)
class Tally:
    """One figure, a person an entry; ``below`` is 0 for whom it is not about."""

    above: FloatArray
    below: FloatArray


def mean(tally: Tally) -> float:
    """Return the figure itself, NaN if it is about nobody.

    >>> mean(Tally(np.array([1.0, 0.0, 0.0]), np.array([1.0, 1.0, 0.0])))
    0.5
    """
    below = float(tally.below.sum())
    return float(tally.above.sum()) / below if below else float("nan")


def catalogue_tally(held: HeldOut, replayed: Replayed) -> dict[str, Tally]:
    """Figures of ranking the whole catalogue by what was completed in the held-out time."""
    n, user, ranks = len(held.users), held.pair_user, replayed.ranks
    relevant = grouped_sums(user, 1.0, n)
    judged = (relevant > 0).astype(np.float64)
    per_user = {
        "ndcg_at_10": ndcg_of_ranks(user, ranks, relevant),
        "recall_at_10": _share(grouped_sums(user, ranks <= 10, n), relevant),
        "recall_at_20": _share(grouped_sums(user, ranks <= 20, n), relevant),
        "map": average_precision(user, ranks, relevant),
        "hit_rate_at_10": (grouped_sums(user, ranks <= 10, n) > 0).astype(np.float64),
    }
    return {name: Tally(value * judged, judged) for name, value in per_user.items()}


def corrected_tally(held: HeldOut, replayed: Replayed, n_actions: int) -> dict[str, Tally]:
    """Recall of the 10 and 20 best, each completion weighted by 1 / propensity.

    What was shown often is completed often, which flatters whoever copies the log. With these
    weights every action counts as if all had been shown equally often. Empty where completions
    lack propensities.
    """
    rows = held.rows
    if not rows.completed.any() or np.isnan(held.propensity[rows.completed]).any():
        return {}
    user, action = rows.user[rows.completed], rows.action[rows.completed]
    weight = 1.0 / held.propensity[rows.completed]
    key = held.pair_user.astype(np.int64) * n_actions + held.pair_action
    asked = user.astype(np.int64) * n_actions + action
    rank = replayed.ranks[np.searchsorted(key, asked)]
    n = len(held.users)
    below = grouped_sums(user, weight, n)
    return {
        f"corrected_recall_at_{k}": Tally(grouped_sums(user, weight * (rank <= k), n), below)
        for k in (10, 20)
    }


def shown_tally(held: HeldOut, scores: FloatArray, gives_probability: bool) -> dict[str, Tally]:
    """Figures of predicting what becomes of the held-out impressions.

    Parameters
    ----------
    scores
        One a row; log-odds where ``gives_probability``.
    """
    n, rows = len(held.users), held.rows
    people, gain = quality.ndcg_by_user(rows.user, scores, rows.completed)
    gains, judged = np.zeros(n), np.zeros(n)
    gains[people], judged[people] = gain, 1.0
    out = {"shown_ndcg_at_10": Tally(gains, judged)}
    if gives_probability:
        p = 1.0 / (1.0 + np.exp(-scores))
        weight = grouped_sums(rows.user, rows.weight, n)
        for name, each in (
            ("log_loss", quality.pointwise_log_loss(rows.completed, p)),
            ("brier", (p - rows.completed) ** 2),
        ):
            out[name] = Tally(grouped_sums(rows.user, rows.weight * each, n), weight)
        out["predicted"] = Tally(grouped_sums(rows.user, rows.weight * p, n), weight)
        out["observed"] = Tally(grouped_sums(rows.user, rows.weight * rows.completed, n), weight)
    return out


def novelty_tally(held: HeldOut, replayed: Replayed, n_actions: int) -> Tally:
    """Bits of surprise of a list: -log2 of the share of people who did each of its actions before.

    One more person than there are stands in the share's divisor, and one more in its dividend, so
    that what nobody has done yet is not infinitely surprising.
    """
    events = held.past.events
    done = events.kind == _COMPLETE
    pairs = np.unique(np.stack([events.user[done], events.action[done]]), axis=1)
    known = np.bincount(pairs[1], minlength=n_actions)
    bits = np.log2(len(held.past.users) + 1.0) - np.log2(known + 1.0)
    return Tally(bits[replayed.listed].mean(axis=1), np.ones(len(held.users)))


def ndcg_of_ranks(
    user: AnyIntArray, ranks: IntArray, relevant: FloatArray, k: int = 10
) -> FloatArray:
    """NDCG@k of each person from the ranks of what was relevant.

    One relevant entry at rank 2: 1 / log2(3), against 1 / log2(2) at best.

    >>> ndcg_of_ranks(np.array([0]), np.array([2]), np.array([1.0])).round(4).tolist()
    [0.6309]
    """
    discount = np.where(ranks <= k, 1.0 / np.log2(ranks + 1.0), 0.0)
    best = np.concatenate([[0.0], np.cumsum(1.0 / np.log2(np.arange(k) + 2.0))])
    ideal = best[np.minimum(relevant, k).astype(np.int64)]
    return _share(grouped_sums(user, discount, len(relevant)), ideal)


def average_precision(user: AnyIntArray, ranks: IntArray, relevant: FloatArray) -> FloatArray:
    """Average precision of each person: precision at the rank of each relevant entry.

    Relevant entries at ranks 1 and 4: (1/1 + 2/4) / 2.

    >>> average_precision(np.array([0, 0]), np.array([4, 1]), np.array([2.0])).tolist()
    [0.75]
    """
    order = np.lexsort((ranks, user))
    starts = np.concatenate([[0], np.cumsum(relevant)])[:-1].astype(np.int64)
    nth = np.arange(len(user)) - starts[user[order]] + 1
    total = grouped_sums(user[order], nth / ranks[order], len(relevant))
    return _share(total, relevant)


def coverage(top: IntArray, n_actions: int) -> float:
    """Share of the catalogue that stands on anyone's list.

    >>> coverage(np.array([[0, 1], [0, 1]]), n_actions=4)
    0.5
    """
    return len(np.unique(top)) / max(n_actions, 1)


def inter_user_distance(top: IntArray) -> float:
    """Mean share of a list that another person's list does not hold; 0 if all get the same.

    Lists {0, 1} and {1, 2} share one of two:

    >>> inter_user_distance(np.array([[0, 1], [1, 2]]))
    0.5
    """
    n, k = top.shape
    if n < 2:
        return 0.0
    holders = np.bincount(top.ravel()).astype(np.float64)
    return float(1.0 - (holders * (holders - 1.0)).sum() / (n * (n - 1.0) * k))


def calibration_sums(held: HeldOut, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """What a person adds to each bin: surplus of predicted over observed, and weight.

    Returns
    -------
    arrays of shape [n_people, BINS] and [n_people]
        The calibration error is ``abs(surplus.sum(0)).sum() / weight.sum()``.
    """
    rows, n = held.rows, len(held.users)
    p = 1.0 / (1.0 + np.exp(-scores))
    surplus = rows.weight * (p - rows.completed)
    cell = rows.user.astype(np.int64) * BINS + equally_full(scores, BINS)
    return (
        grouped_sums(cell, surplus, n * BINS).reshape(n, BINS),
        grouped_sums(rows.user, rows.weight, n),
    )


def equally_full(values: FloatArray, bins: int) -> IntArray:
    """Bin of each value, bins as equally full as can be.

    >>> equally_full(np.array([5.0, 1.0, 3.0, 9.0]), bins=2).tolist()
    [1, 0, 0, 1]
    """
    place = np.empty(len(values), np.int64)
    order = np.argsort(values, kind="stable")
    place[order] = np.arange(len(values)) * bins // max(len(values), 1)
    return place


def joined(*tallies: Mapping[str, Tally]) -> dict[str, Tally]:
    """Put figures of one entrant together."""
    return {name: tally for some in tallies for name, tally in some.items()}


def _share(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.asarray(part / np.where(whole > 0, whole, 1.0))
