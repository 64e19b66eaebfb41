"""Labelled rows of one or many actions, and the step that every logistic regression here repeats.

The logistic likelihood is bounded by a Gaussian one (Jaakkola and Jordan 2000; the same numbers
as Polya-Gamma mixing, Polson, Scott and Windle 2013), which makes the step a linear solve.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.dataset import FloatArray, IntArray

Float32Array = NDArray[np.float32]


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

    def design(self, action: int) -> Float32Array:
        """Design matrix of one action, shape [n_rows, n_columns]."""
        rows = slice(self.starts[action], self.starts[action + 1])
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
    mine = slice(rows.starts[action], rows.starts[action + 1])
    design = rows.design(action)
    offset, weight = rows.offset[mine], rows.weight[mine]
    eta = design @ mean.astype(np.float32) + offset
    spread = np.einsum("ij,ij->i", design @ covariance, design)
    omega = weight * curvature(
        np.sqrt(eta**2 + np.maximum(spread, 0.0) + rows.offset_variance[mine])
    )
    kappa = weight * (rows.completed[mine] - 0.5) - omega * offset
    scaled = design * omega.astype(np.float32)[:, None]
    hessian = (scaled.T @ design).astype(np.float64)
    hessian[np.diag_indices_from(hessian)] += precision
    inverse: FloatArray = np.linalg.inv(hessian).astype(np.float64)
    pull = design.T.astype(np.float64) @ kappa if len(kappa) else np.zeros(len(expected))
    return inverse @ (pull + precision * expected), inverse


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
        mine = slice(rows.starts[action], rows.starts[action + 1])
        out[mine] = rows.design(action) @ mean[action]
    return out
