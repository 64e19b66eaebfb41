"""Whether people still do what the models expect of them, on days held out from training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender import quality
from recommender.dataset import FloatArray
from recommender.outcomes import Impressions

LEAST_ROWS = 200
LEAST_COMPLETED = 20
_PULL = 0.5
"""Added completions and refusals: what nobody does is not infinitely unlikely."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Predicted against observed.

    Attributes
    ----------
    shift
        What has to be added to the log-odds to predict as many completions as there were
        (calibration in the large; ln 2 = 0.69 doubles the odds).
    shift_se
        Its standard error, rows of one person taken as dependent.
    slope
        What the log-odds have to be multiplied by, 1 at best; None with few completions. Below 1
        predictions are too far apart.
    """

    shift: float
    shift_se: float
    slope: float | None


@dataclass(frozen=True, slots=True)
class Paired:
    """Mean log loss of one model minus another's on the same rows, in nats, and its error."""

    change: float
    change_se: float
    before: float


def calibration(rows: Impressions, log_odds: FloatArray) -> Calibration | None:
    """Compare what a model expected of rows with what happened; None where too little would.

    Notes
    -----
    Cox, Two further applications of a model for binary regression, Biometrika 1958; intervals as
    for generalised estimating equations (Liang & Zeger, Biometrika 1986).
    """
    p = 1.0 / (1.0 + np.exp(-log_odds))
    due = float(rows.weight @ p)
    if len(rows) < LEAST_ROWS or due < LEAST_COMPLETED:
        return None
    shift = _shift(rows, log_odds)
    p = 1.0 / (1.0 + np.exp(-(log_odds + shift)))
    rest = rows.weight * (rows.completed - p)
    spread = np.sqrt((np.bincount(rows.user, rest) ** 2).sum())
    information = float(rows.weight @ (p * (1 - p)))
    done = float(rows.weight @ rows.completed)
    slope = _slope(rows, log_odds, shift) if done >= LEAST_COMPLETED else None
    return Calibration(shift, float(spread / max(information, _PULL)), slope)


def paired(rows: Impressions, candidate: FloatArray, published: FloatArray) -> Paired | None:
    """Compare two models' log-odds on the same rows; None where there are too few."""
    if len(rows) < LEAST_ROWS or rows.completed.sum() < LEAST_COMPLETED:
        return None
    one, two = (
        quality.pointwise_log_loss(rows.completed, 1.0 / (1.0 + np.exp(-log_odds))) * rows.weight
        for log_odds in (candidate, published)
    )
    total = rows.weight.sum()
    return Paired(
        float((one - two).sum() / total),
        quality.clustered_se(rows.user, one - two, rows.weight),
        float(two.sum() / total),
    )


def _shift(rows: Impressions, log_odds: FloatArray) -> float:
    """Solve for the shift by bisection: the expected number grows with it."""
    done, low, high = float(rows.weight @ rows.completed) + _PULL, -20.0, 20.0
    for _ in range(40):
        middle = (low + high) / 2
        p = 1.0 / (1.0 + np.exp(-(log_odds + middle)))
        due = float(rows.weight @ p) + 2 * _PULL / (1.0 + np.exp(-middle))
        low, high = (middle, high) if due < done else (low, middle)
    return (low + high) / 2


def _slope(rows: Impressions, log_odds: FloatArray, shift: float) -> float:
    design = np.stack([np.ones(len(log_odds)), log_odds], axis=1)
    beta = np.array([shift, 1.0])
    for _ in range(25):
        p = 1.0 / (1.0 + np.exp(-(design @ beta)))
        gradient = design.T @ (rows.weight * (rows.completed - p))
        hessian = (design * (rows.weight * p * (1 - p))[:, None]).T @ design + 1e-6 * np.eye(2)
        step = np.clip(np.linalg.solve(hessian, gradient), -1.0, 1.0)
        beta = beta + step
        if np.abs(step).max() < 1e-8:
            break
    return float(beta[1])
