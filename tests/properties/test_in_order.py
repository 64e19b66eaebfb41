"""Rows are put into the order that numpy's sort by several keys gives."""

from __future__ import annotations

import math
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.store.in_order import in_order

FLOATS = st.sampled_from([-math.inf, -1.5, -0.0, 0.0, 2.0, math.inf, math.nan])
ROWS = st.lists(st.tuples(st.integers(0, 3), FLOATS, FLOATS), max_size=80)


def held_to_numpy(rows: list[tuple[int, float, float]]) -> None:
    major = np.array([row[0] for row in rows], np.int64)
    at, minor = (np.array([row[column] for row in rows], np.float64) for column in (1, 2))
    order, moved, tied = in_order(major, at, minor)
    plain = np.lexsort((minor, at, major))
    assert order.tolist() == plain.tolist()
    assert moved == (plain.tolist() != list(range(len(rows))))
    # -0.0 is 0.0, and NaN is NaN: neither comes before the other.
    assert tied == (len({(row[0], *map(_as_sorted, row[1:])) for row in rows}) < len(rows))


def _as_sorted(value: float) -> float | None:
    return None if math.isnan(value) else value + 0.0


@settings(max_examples=300, deadline=None)
@given(ROWS)
def test_any_rows(rows: list[tuple[int, float, float]]) -> None:
    held_to_numpy(rows)


@settings(max_examples=100, deadline=None)
@given(ROWS, st.integers(0, 3), st.randoms(use_true_random=False))
def test_stretches_that_are_in_order(
    rows: list[tuple[int, float, float]], cuts: int, chance: Random
) -> None:
    rows = sorted(rows * 3, key=lambda row: [(math.isnan(key), key) for key in row])
    for _ in range(cuts):
        cut = chance.randint(0, len(rows))
        rows = rows[cut:] + rows[:cut]
    held_to_numpy(rows)


def test_very_many_rows() -> None:
    rng = np.random.default_rng(3)
    for count in (1_000, 20_000):
        major, at = rng.integers(0, 50, count), rng.integers(0, 20, count).astype(float)
        minor = rng.random(count).round(2)
        assert (in_order(major, at, minor)[0] == np.lexsort((minor, at, major))).all()
