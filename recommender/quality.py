"""How good scores are: ranking, probabilities, and how sure one can be of a difference.

Each function has an example that can be checked by hand. ``completed`` is 0 or 1 (or boolean).
"""

from __future__ import annotations

import numpy as np

from recommender.dataset import AnyIntArray, BoolArray, FloatArray, IntArray

_LEAST = 1e-12


def ndcg_at_k(relevance: FloatArray, scores: FloatArray, k: int = 10) -> FloatArray:
    """Normalised discounted cumulative gain of each row's ``k`` best-scored entries.

    Parameters
    ----------
    relevance, scores
        Shape [n_rows, n_actions]; relevance is the gain and not negative. Equal scores keep
        their order.

    Returns
    -------
    array of shape [n_rows]
        0 where a row has no relevance at all.

    Examples
    --------
    The best entry stands second: its gain 1 is divided by log2(3), the ideal by log2(2).

    >>> ndcg_at_k(np.array([[0.0, 1.0]]), np.array([[2.0, 1.0]])).round(4).tolist()
    [0.6309]
    """
    k = min(k, relevance.shape[1])
    discount = 1.0 / np.log2(np.arange(k) + 2.0)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    gained = np.take_along_axis(relevance, order, axis=1) @ discount
    ideal = -np.sort(-relevance, axis=1)[:, :k] @ discount
    return np.asarray(np.where(ideal > 0, gained / np.maximum(ideal, _LEAST), 0.0))


def recall_at_k(relevant: BoolArray, scores: FloatArray, k: int = 10) -> FloatArray:
    """Share of each row's relevant entries among its ``k`` best-scored, shape [n_rows].

    >>> recall_at_k(np.array([[True, True, False]]), np.array([[3.0, 1.0, 2.0]]), k=2).tolist()
    [0.5]
    """
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    found = np.take_along_axis(relevant, order, axis=1).sum(axis=1)
    return np.asarray(found / np.maximum(relevant.sum(axis=1), 1))


def ndcg_by_user(
    user: AnyIntArray, scores: FloatArray, completed: BoolArray, k: int = 10
) -> tuple[IntArray, FloatArray]:
    """NDCG of ranking what each user was shown, for users with something completed.

    Parameters
    ----------
    user, scores, completed
        One entry a row.

    Returns
    -------
    users, ndcg
        Aligned; users ascending.

    Examples
    --------
    User 3 was shown two actions and completed the one scored lower; user 4 completed nothing.

    >>> people, gain = ndcg_by_user(
    ...     np.array([3, 3, 4]), np.array([2.0, 1.0, 0.0]), np.array([False, True, False])
    ... )
    >>> people.tolist(), gain.round(4).tolist()
    ([3], [0.6309])
    """
    order = np.lexsort((-scores, user))
    place = _places(user[order])
    best = np.lexsort((~completed, user))
    people, start = np.unique(user[order], return_index=True)
    if not len(people):
        return people.astype(np.int64), np.zeros(0)
    discount = np.where(place < k, 1.0 / np.log2(place + 2.0), 0.0)
    gained = np.add.reduceat(completed[order] * discount, start)
    ideal = np.add.reduceat(completed[best] * discount, start)
    some = ideal > 0
    return people[some].astype(np.int64), gained[some] / ideal[some]


def pointwise_log_loss(completed: BoolArray, p: FloatArray) -> FloatArray:
    """Negative log-likelihood of each outcome, in nats.

    >>> pointwise_log_loss(np.array([True]), np.array([0.5])).round(4).tolist()
    [0.6931]
    """
    sure = np.clip(p, _LEAST, 1 - _LEAST)
    return np.asarray(-np.where(completed, np.log(sure), np.log1p(-sure)))


def log_loss(completed: BoolArray, p: FloatArray, weight: FloatArray | None = None) -> float:
    """Weighted mean negative log-likelihood, in nats; 0 without any weight.

    >>> round(log_loss(np.array([True, False]), np.array([0.5, 0.5])), 4)
    0.6931
    """
    if _weightless(p, weight):
        return 0.0
    # scikit-learn is slow to import, and a server that answers needs none of it
    from sklearn.metrics import log_loss as mean_loss

    return float(mean_loss(completed, p, sample_weight=weight, labels=[False, True]))


def brier(completed: BoolArray, p: FloatArray, weight: FloatArray | None = None) -> float:
    """Weighted mean squared distance of probability and outcome; 0 without any weight.

    >>> round(brier(np.array([True, False]), np.array([0.8, 0.4])), 4)
    0.1
    """
    if _weightless(p, weight):
        return 0.0
    from sklearn.metrics import brier_score_loss

    return float(brier_score_loss(completed, p, sample_weight=weight, labels=[False, True]))


def expected_calibration_error(
    completed: BoolArray, p: FloatArray, weight: FloatArray | None = None, bins: int = 15
) -> float:
    """Mean distance of predicted and observed rate over bins of equal numbers of rows.

    Two rows at 0.2 and two at 0.6; one of each pair came true, so the bins are off by .3 and .1:

    >>> p = np.array([0.2, 0.2, 0.6, 0.6])
    >>> round(expected_calibration_error(np.array([1, 0, 1, 0]) > 0, p, bins=2), 4)
    0.2
    """
    if not len(p):
        return 0.0
    w = np.ones(len(p)) if weight is None else weight
    order = np.argsort(p, kind="stable")
    place = np.empty(len(p), np.int64)
    place[order] = np.arange(len(p)) * bins // len(p)
    off = np.bincount(place, w * (p - completed), bins)
    return float(np.abs(off).sum() / max(w.sum(), _LEAST))


def standard_error(values: FloatArray) -> float:
    """Standard error of a mean.

    >>> round(standard_error(np.array([1.0, 3.0])), 4)
    1.0
    """
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


def clustered_se(user: AnyIntArray, values: FloatArray, weight: FloatArray | None = None) -> float:
    """Standard error of ``sum(values) / sum(weight)``, rows of one user taken as dependent.

    Two users with totals 0 and 4 over 2 rows each: residuals are -2 and 2, so
    ``sqrt(2 / 1 * 8) / 4``.

    >>> round(clustered_se(np.array([0, 0, 1, 1]), np.array([0.0, 0.0, 2.0, 2.0])), 4)
    1.0
    """
    w = np.ones(len(values)) if weight is None else weight
    people, place = np.unique(user, return_inverse=True)
    if len(people) < 2 or w.sum() <= 0:
        return 0.0
    mean = values.sum() / w.sum()
    rest = np.bincount(place, values - mean * w)
    return float(np.sqrt(len(people) / (len(people) - 1) * (rest**2).sum()) / w.sum())


def _weightless(p: FloatArray, weight: FloatArray | None) -> bool:
    return not len(p) or (weight is not None and not weight.any())


def _places(group: AnyIntArray) -> IntArray:
    """Place of each entry within its group; groups stand together."""
    if not len(group):
        return np.zeros(0, np.int64)
    first = np.flatnonzero(np.concatenate([[True], group[1:] != group[:-1]]))
    sizes = np.diff(first, append=len(group))
    return np.arange(len(group)) - np.repeat(first, sizes)
