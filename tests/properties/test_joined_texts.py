"""Texts that are joined out of pieces are those that joining them one by one gives."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.pieces import Pieces, joined, numbers_of

TEXTS = st.lists(st.text(max_size=40).map(str.encode), max_size=6)


@settings(deadline=None, max_examples=200)
@given(
    texts=TEXTS,
    others=TEXTS,
    values=st.lists(st.floats(width=64), min_size=3, max_size=9),
    n_rows=st.integers(0, 5),
    widths=st.lists(st.integers(1, 3), max_size=6),
    seed=st.integers(0, 10_000),
)
def test_rows_are_their_pieces(
    texts: list[bytes],
    others: list[bytes],
    values: list[float],
    n_rows: int,
    widths: list[int],
    seed: int,
) -> None:
    chance = np.random.default_rng(seed)
    pieces, heads = Pieces.of(texts), Pieces.of(others)
    written = numbers_of(np.array(values))
    numbers = written[1:-1].split(b",")
    every = [*texts, *others]
    codes = np.empty((n_rows, len(widths)), np.int64)
    for column, width in enumerate(widths):
        codes[:, column] = chance.integers(width - len(values) - 1, len(every), n_rows)
    codes[(codes < 0) & (codes + np.array(widths, np.int64) > 0)] = -1
    whole = [
        [
            every[code] if code >= 0 else b",".join(numbers[-1 - code : width - 1 - code])
            for code, width in zip(row, widths, strict=True)
        ]
        for row in codes.tolist()
    ]
    width_of = np.array(widths, np.int64)
    text, ends = joined(codes, width_of, *pieces, *heads, np.frombuffer(written, np.uint8))
    lines = [b"".join(row) for row in whole]
    assert text.tobytes() == b"".join(lines)
    assert ends.tolist() == np.cumsum([len(line) for line in lines], dtype=int).tolist()


def test_what_is_not_a_number_is_null() -> None:
    written = numbers_of(np.array([[0.1, np.nan], [-2.0, 1e-300]]))
    assert json.loads(written) == [0.1, None, -2.0, 1e-300]
