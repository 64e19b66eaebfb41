"""Rows of records into their order, by machine code (``recommender.compiled``)."""

from __future__ import annotations

import numpy as np

from recommender.compiled import compiled
from recommender.dataset import FloatArray, IntArray

_RUN = 16
"""Rows that insertion puts into order, where they aren't already."""


@compiled
def in_order(major: IntArray, at: FloatArray, minor: FloatArray) -> tuple[IntArray, bool, bool]:
    """Order rows by (``major``, ``at``, ``minor``); equal ones stay as they stand.

    Stretches that are in order are merged, so that rows out of an index cost next to nothing.
    NaN comes last.

    Parameters
    ----------
    major, at, minor
        (n,) each: 64 bit integers, and floats twice.

    Returns
    -------
    tuple
        (n,) places of the rows; whether any row has to move; whether any two are equal.
    """
    n = len(major)
    order, spare = np.arange(n), np.empty(n, np.int64)
    starts = np.empty(n + 1, np.int64)
    runs = _runs(major, at, minor, order, starts)
    while runs > 1:
        for first in range(0, runs, 2):
            left, middle = starts[first], starts[first + 1]
            right, end = middle, starts[min(first + 2, runs)]
            for to in range(left, end):
                if right < end and (
                    left == middle or _before(major, at, minor, order[right], order[left])
                ):
                    spare[to] = order[right]
                    right += 1
                else:
                    spare[to] = order[left]
                    left += 1
            starts[first // 2] = starts[first]
        runs = (runs + 1) // 2
        starts[runs] = n
        order, spare = spare, order
    moved = tied = False
    for row in range(1, n):
        moved |= order[row] != row
        tied |= not _before(major, at, minor, order[row - 1], order[row])
    return order, moved, tied


@compiled
def _runs(
    major: IntArray, at: FloatArray, minor: FloatArray, order: IntArray, starts: IntArray
) -> int:
    """Make stretches of ``order`` ascend; how many. Where each begins goes to ``starts``, and n."""
    n, runs, row = len(order), 0, 0
    while row < n:
        start = row
        starts[runs] = start
        runs += 1
        row += 1
        while row < n and not _before(major, at, minor, order[row], order[row - 1]):
            row += 1
        while row < min(start + _RUN, n):
            place, new = row, order[row]
            while place > start and _before(major, at, minor, new, order[place - 1]):
                order[place] = order[place - 1]
                place -= 1
            order[place] = new
            row += 1
    starts[runs] = n
    return runs


@compiled
def _before(major: IntArray, at: FloatArray, minor: FloatArray, one: int, other: int) -> bool:
    """Whether row ``one`` comes before row ``other``, whatever their places."""
    if major[one] != major[other]:
        return bool(major[one] < major[other])
    if _same(at[one], at[other]):
        return _less(minor[one], minor[other])
    return _less(at[one], at[other])


@compiled
def _same(one: float, other: float) -> bool:
    return bool(one == other or (np.isnan(one) and np.isnan(other)))


@compiled
def _less(one: float, other: float) -> bool:
    return bool(one < other or (np.isnan(other) and not np.isnan(one)))
