"""A Bayesian logistic regression for each action, pooled over actions.

The coefficients ``[b_a, w_a]`` of action ``a`` have the prior ``N(G z_a, sigma2)``, with ``z_a``
the action's own description and one variance for each feature, or each kind of feature of the
metrics that an action targets. ``G``, ``sigma2`` and the ridge on ``G`` are learned by
expectation-maximisation, so nothing is to be tuned, and an action nobody has seen yet has the
coefficients ``G z_a``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender.dataset import BoolArray, FloatArray, IntArray
from recommender.models.regression import Float32Array, Rows, posterior

_HYPER_COUNT = 1.0
"""Weight, in coefficients, of the prior guess of each variance."""
_POOL_COUNT = 3.0
"""Weight, in coefficients, of the pool's variance in that of each of its groups."""
_HYPER_VARIANCE = 3e-4
_BASE_VARIANCE = 25.0
_LEAST_VARIANCE = 1e-7
_G_CLASSES = 3


@dataclass(frozen=True)
class Layout:
    """How coefficients are pooled.

    Attributes
    ----------
    described
        ``z`` of each action, first column 1, shape [n_actions, n_z].
    group
        Variance group of each coefficient of each action, shape [n_actions, n_columns].
    pool
        For each group the pool whose variance it leans on.
    family
        Group of each coefficient for the ridge on ``G``, shape [n_columns].
    own_target
        True where the coefficient is of a metric that the action targets.
    guess
        Prior guess of the variance of each pool: how much actions differ in a coefficient.
    """

    described: FloatArray
    group: IntArray
    pool: IntArray
    family: IntArray
    own_target: BoolArray
    guess: FloatArray

    @property
    def shape(self) -> tuple[int, int]:
        """Number of actions and of coefficients."""
        return self.group.shape[0], self.group.shape[1]


@dataclass(frozen=True)
class Pooled:
    """What was learned.

    Attributes
    ----------
    mean
        Coefficients, shape [n_actions, n_columns].
    covariance
        Their posterior covariance, shape [n_actions, n_columns, n_columns].
    general
        ``G``: shape [n_columns, n_z + 1]; the last column goes with ``Layout.own_target``.
    variance
        ``sigma2`` of each group.
    ridge
        Variance of the entries of ``G``, shape [n_families, 3] for constant, description, target.
    """

    mean: FloatArray
    covariance: Float32Array
    general: FloatArray
    variance: FloatArray
    ridge: FloatArray

    def prior_mean(self, layout: Layout) -> FloatArray:
        """``G z_a`` of every action, shape [n_actions, n_columns]."""
        return prior_mean(self.general, layout.described, layout.own_target)


def prior_mean(general: FloatArray, described: FloatArray, own_target: BoolArray) -> FloatArray:
    """Coefficients that an action's description alone suggests, shape [n_actions, n_columns]."""
    return described @ general[:, :-1].T + own_target * general[:, -1]


def fit_pooled(rows: Rows, layout: Layout, sweeps: int, start: Pooled | None = None) -> Pooled:
    """Learn all coefficients, from ``start`` where given."""
    state = _first_guess(rows, layout) if start is None else start
    for _ in range(sweeps):
        mean, covariance = _update_actions(rows, layout, state)
        state = _update_pooling(mean, covariance, layout, state)
    return state


def _first_guess(rows: Rows, layout: Layout) -> Pooled:
    n_actions, n_columns = layout.shape
    general = np.zeros((n_columns, layout.described.shape[1] + 1))
    rate = (rows.weight @ rows.completed + 0.5) / (rows.weight.sum() + 1.0)
    general[0, 0] = np.log(rate) - np.log1p(-rate) - (rows.offset.mean() if len(rows.offset) else 0)
    variance = layout.guess[layout.pool]
    mean = prior_mean(general, layout.described, layout.own_target)
    covariance = np.zeros((n_actions, n_columns, n_columns), np.float32)
    ridge = np.full((int(layout.family.max()) + 1, _G_CLASSES), _HYPER_VARIANCE)
    return Pooled(mean, covariance, general, variance, ridge)


def _update_actions(rows: Rows, layout: Layout, state: Pooled) -> tuple[FloatArray, Float32Array]:
    expected = state.prior_mean(layout)
    precision = 1.0 / state.variance[layout.group]
    mean = np.empty(layout.shape)
    covariance = np.empty_like(state.covariance)
    for action in range(layout.shape[0]):
        mean[action], covariance[action] = posterior(
            rows, action, state.mean[action], state.covariance[action],
            expected[action], precision[action],
        )  # fmt: skip
    return mean, covariance


def _update_pooling(
    mean: FloatArray, covariance: Float32Array, layout: Layout, state: Pooled
) -> Pooled:
    general, spread = _update_general(mean, layout, state)
    expected = prior_mean(general, layout.described, layout.own_target)
    own = np.diagonal(covariance, axis1=1, axis2=2).astype(np.float64)
    before = state.variance[layout.group]
    squares = (mean - expected) ** 2 + _explained_spread(spread, layout)
    variance = _variances(squares, 1.0 - own / before, layout)
    own_entries = np.diagonal(spread, axis1=1, axis2=2)
    known = 1.0 - own_entries / _entry_variance(layout, state.ridge)
    return Pooled(mean, covariance, general, variance, _ridges(general**2, known, layout))


def _update_general(
    mean: FloatArray, layout: Layout, state: Pooled
) -> tuple[FloatArray, FloatArray]:
    """Ridge regression of each coefficient on the descriptions, all coefficients at once."""
    z = layout.described
    weight = 1.0 / state.variance[layout.group].T
    own = layout.own_target.T * weight
    n_columns, n_z = weight.shape[0], z.shape[1]
    gram = np.empty((n_columns, n_z + 1, n_z + 1))
    outer = (z[:, :, None] * z[:, None, :]).reshape(len(z), -1)
    gram[:, :-1, :-1] = (weight @ outer).reshape(n_columns, n_z, n_z)
    gram[:, -1, :-1] = gram[:, :-1, -1] = own @ z
    gram[:, -1, -1] = own.sum(axis=1)
    gram[:, np.arange(n_z + 1), np.arange(n_z + 1)] += 1.0 / _entry_variance(layout, state.ridge)
    pull = np.empty((n_columns, n_z + 1))
    pull[:, :-1] = (weight * mean.T) @ z
    pull[:, -1] = (own * mean.T).sum(axis=1)
    inverse = np.linalg.inv(gram)
    return np.einsum("jkl,jl->jk", inverse, pull), inverse


def _entry_variance(layout: Layout, ridge: FloatArray) -> FloatArray:
    """Prior variance of every entry of ``G``, shape [n_columns, n_z + 1]."""
    n_z = layout.described.shape[1]
    classes = np.ones(n_z + 1, np.int64)
    classes[0], classes[-1] = 0, 2
    out = ridge[layout.family][:, classes]
    out[0, 0] = _BASE_VARIANCE
    return out


def _explained_spread(spread: FloatArray, layout: Layout) -> FloatArray:
    """Variance of ``G z_a`` for each coefficient of each action."""
    z, own = layout.described, layout.own_target
    outer = (z[:, :, None] * z[:, None, :]).reshape(len(z), -1)
    plain = outer @ spread[:, :-1, :-1].reshape(len(spread), -1).T
    crossed = z @ spread[:, -1, :-1].T
    return np.asarray(plain + own * (2 * crossed + spread[:, -1, -1]))


def _variances(squares: FloatArray, known: FloatArray, layout: Layout) -> FloatArray:
    """Variance of each group by MacKay's fixed point: squares over how much the data determine.

    It has the fixed points of expectation-maximisation and gets there in far fewer steps. A
    group that the data say little about has the variance of its pool.
    """
    group, n_groups, n_pools = layout.group.ravel(), len(layout.pool), len(layout.guess)
    total = np.bincount(group, squares.ravel(), n_groups)
    count = np.bincount(group, np.clip(known, 0.0, 1.0).ravel(), n_groups)
    pooled = np.bincount(layout.pool, total, n_pools) + _HYPER_COUNT * layout.guess
    pooled /= np.bincount(layout.pool, count, n_pools) + _HYPER_COUNT
    variance = (total + _POOL_COUNT * pooled[layout.pool]) / (count + _POOL_COUNT)
    return np.maximum(variance, _LEAST_VARIANCE)


def _ridges(squares: FloatArray, known: FloatArray, layout: Layout) -> FloatArray:
    """Variance of the entries of ``G`` for each family and class of entry, likewise."""
    n_families = int(layout.family.max()) + 1
    out = np.empty((n_families, _G_CLASSES))
    has_target = layout.own_target.any(axis=0)
    known = np.clip(known, 0.0, 1.0)
    for family in range(n_families):
        mine = layout.family == family
        pools = (
            (squares[mine, 0], known[mine, 0]),
            (squares[mine, 1:-1], known[mine, 1:-1]),
            (squares[mine & has_target, -1], known[mine & has_target, -1]),
        )
        for kind, (square, share) in enumerate(pools):
            total = square.sum() + _HYPER_COUNT * _HYPER_VARIANCE
            out[family, kind] = total / (share.sum() + _HYPER_COUNT)
    return np.maximum(out, _LEAST_VARIANCE)
