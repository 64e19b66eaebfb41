"""Labelled rows of one or many actions, and the step that every logistic regression here repeats.

The logistic likelihood is bounded by a Gaussian one (Jaakkola and Jordan 2000; the same numbers
as Polya-Gamma mixing, Polson, Scott and Windle 2013), which makes the step a linear solve.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.dataset import FloatArray, IntArray

Float32Array = NDArray[np.float32]

_ROWS_AT_ONCE = 32_768
"""Lines of a design matrix made at once: bounds memory, and keeps what is worked on near."""


@dataclass(frozen=True)
class Rows:
    """Labelled rows grouped by action.

    Attributes
    ----------
    starts
        Where each action's rows begin, shape [n_actions + 1].
    completed, weight
        Outcome (0 or 1) and weight of each row.
    vector
        Place of each row's user vector in ``vectors``.
    vectors
        User vectors, shape [n_vectors, n_features].
    extra
        Further columns, one line a row: behaviour.
    offset, offset_variance
        Mean and variance of each row's log-odds from elsewhere.
    """

    starts: IntArray
    completed: FloatArray
    weight: FloatArray
    vector: IntArray
    vectors: Float32Array
    extra: Float32Array
    offset: FloatArray
    offset_variance: FloatArray

    @property
    def n_columns(self) -> int:
        """Columns of a design matrix, the constant included."""
        return 1 + int(self.vectors.shape[1]) + int(self.extra.shape[1])

    def parts(self, action: int) -> Iterator[slice]:
        """One action's rows, some at a time."""
        start, stop = int(self.starts[action]), int(self.starts[action + 1])
        for first in range(start, stop, _ROWS_AT_ONCE):
            yield slice(first, min(first + _ROWS_AT_ONCE, stop))

    def design(self, rows: slice) -> Float32Array:
        """Design matrix of some rows, shape [n_rows, n_columns]."""
        n_vector = self.vectors.shape[1]
        out = np.ones((rows.stop - rows.start, self.n_columns), np.float32)
        out[:, 1 : 1 + n_vector] = self.vectors[self.vector[rows]]
        out[:, 1 + n_vector :] = self.extra[rows]
        return out


def posterior(
    rows: Rows,
    action: int,
    mean: FloatArray,
    covariance: Float32Array,
    expected: FloatArray,
    precision: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Mean and covariance of one action's coefficients, one step from the given ones.

    Parameters
    ----------
    mean, covariance
        What was believed of them so far; decides how tight the Gaussian bound is where.
    expected, precision
        Their prior.
    """
    hessian, pull = np.diag(precision), precision * expected
    for part in rows.parts(action):
        more = _information(rows, part, mean.astype(np.float32), covariance)
        hessian, pull = hessian + more[0], pull + more[1]
    inverse: FloatArray = np.linalg.inv(hessian).astype(np.float64)
    return inverse @ pull, inverse


def _information(
    rows: Rows, part: slice, mean: Float32Array, covariance: Float32Array
) -> tuple[FloatArray, FloatArray]:
    """What some rows add to the precision, and to the precision times the mean."""
    design = rows.design(part)
    offset, weight = rows.offset[part], rows.weight[part]
    eta = design @ mean + offset
    spread = np.einsum("ij,ij->i", design @ covariance, design)
    omega = weight * curvature(
        np.sqrt(eta**2 + np.maximum(spread, 0.0) + rows.offset_variance[part])
    )
    kappa = weight * (rows.completed[part] - 0.5) - omega * offset
    scaled = design * omega.astype(np.float32)[:, None]
    return (scaled.T @ design).astype(np.float64), design.T.astype(np.float64) @ kappa


def curvature(c: FloatArray) -> FloatArray:
    """``tanh(c/2) / (2c)``, the precision that one logistic outcome is worth; 1/4 at 0.

    >>> curvature(np.array([0.0, 2.0])).round(4).tolist()
    [0.25, 0.1904]
    """
    safe = np.maximum(np.abs(c), 1e-6)
    return np.asarray(np.tanh(safe / 2) / (2 * safe))


def predict(rows: Rows, mean: FloatArray) -> FloatArray:
    """Log-odds of every row without its offset, in the rows' order."""
    out = np.empty(len(rows.offset))
    for action in range(len(mean)):
        for part in rows.parts(action):
            out[part] = rows.design(part) @ mean[action]
    return out
