"""Intervals by resampling people: everything about one person is drawn together.

The same seed draws the same people, so that figures of two models are compared on equal terms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender.dataset import AnyIntArray, BoolArray, FloatArray

DRAWS = 1000
"""How often people are drawn anew."""

COVERED = 0.95
"""Share of draws that an interval holds."""

_AT_ONCE = 2_000_000


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with the interval that holds ``COVERED`` of its resampled values."""

    value: float
    low: float
    high: float


def resampled_sums(values: FloatArray, seed: int, draws: int = DRAWS) -> FloatArray:
    """Column sums over people drawn with replacement.

    Parameters
    ----------
    values
        Shape [n_people, n_columns].

    Returns
    -------
    array of shape [draws, n_columns]

    Examples
    --------
    Drawing the only person there is changes nothing.

    >>> resampled_sums(np.array([[2.0, 3.0]]), seed=0, draws=2).tolist()
    [[2.0, 3.0], [2.0, 3.0]]
    """
    n = len(values)
    if not n:
        return np.zeros((draws, values.shape[1]))
    random = np.random.default_rng([seed, 71])
    step = max(1, _AT_ONCE // n)
    even = np.full(n, 1.0 / n)
    parts = [
        random.multinomial(n, even, size=min(step, draws - start)).astype(np.float64) @ values
        for start in range(0, draws, step)
    ]
    return np.concatenate(parts)


def grouped_sums(group: AnyIntArray, values: FloatArray | BoolArray | float, n: int) -> FloatArray:
    """Sum of the values of each group, shape [n]; one value may stand for all.

    >>> grouped_sums(np.array([0, 2, 2]), 1.0, 3).tolist()
    [1.0, 0.0, 2.0]
    """
    weights = np.broadcast_to(np.asarray(values, np.float64), group.shape)
    return np.asarray(np.bincount(group, weights, n), np.float64)


def figure(value: float, drawn: FloatArray) -> Figure:
    """Put a value together with the interval of its resampled values (NaN ones left out).

    >>> round(figure(1.0, np.array([0.0, 1.0, 2.0])).low, 6)
    0.05
    """
    usable = drawn[np.isfinite(drawn)]
    if not len(usable):
        return Figure(value, float("nan"), float("nan"))
    tail = (1.0 - COVERED) / 2.0
    low, high = np.quantile(usable, [tail, 1.0 - tail])
    return Figure(value, float(low), float(high))


def ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    """Quotients, NaN where there is nothing to divide by.

    >>> ratio(np.array([1.0, 1.0]), np.array([4.0, 0.0])).tolist()
    [0.25, nan]
    """
    out = np.full(np.broadcast(above, below).shape, np.nan)
    np.divide(above, below, out=out, where=np.asarray(below) != 0)
    return out
