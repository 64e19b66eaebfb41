"""One Bayesian logistic regression for all actions: what fatigue and habit do everywhere alike."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from recommender.dataset import FloatArray, IntArray
from recommender.models.regression import Rows, posterior

_PRIOR_VARIANCE = 3e-3
_PRIOR_COUNT = 0.1
_BASE_VARIANCE = 25.0
_LEAST_VARIANCE = 1e-7


@dataclass(frozen=True)
class Shared:
    """One regression for all actions.

    Attributes
    ----------
    mean
        Shape [n_columns], the constant first.
    variance
        Prior variance of each group's coefficients.
    """

    mean: FloatArray
    covariance: FloatArray
    variance: FloatArray


def fit_shared(rows: Rows, group: IntArray, sweeps: int, start: Shared | None = None) -> Shared:
    """Learn coefficients that all actions share, with one prior variance a group.

    Parameters
    ----------
    rows
        Only ``extra`` is used.
    group
        Variance group of each column, the constant left out.
    """
    n = 1 + rows.extra.shape[1]
    groups = int(group.max(initial=0)) + 1
    state = start or Shared(np.zeros(n), np.zeros((n, n)), np.full(groups, _PRIOR_VARIANCE))
    together = replace(rows, starts=np.array([0, len(rows.offset)]))
    for _ in range(sweeps):
        precision = np.append(1.0 / _BASE_VARIANCE, 1.0 / state.variance[group])
        mean, covariance = posterior(
            together, 0, state.mean, state.covariance.astype(np.float32), np.zeros(n), precision
        )
        known = np.clip(1.0 - np.diag(covariance) * precision, 0.0, 1.0)[1:]
        total = np.bincount(group, mean[1:] ** 2, groups) + _PRIOR_COUNT * _PRIOR_VARIANCE
        variance = total / (np.bincount(group, known, groups) + _PRIOR_COUNT)
        state = Shared(mean, covariance, np.maximum(variance, _LEAST_VARIANCE))
    return state


def predict_shared(rows: Rows, shared: Shared) -> FloatArray:
    """Log-odds of every row without its offset, from ``extra``, in the rows' order."""
    out = np.empty(len(rows.offset))
    for action in range(len(rows.starts) - 1):
        for part in rows.parts(action):
            out[part] = shared.mean[0] + rows.extra[part] @ shared.mean[1:]
    return out
