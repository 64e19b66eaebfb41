"""Texts that are joined, many at once, out of pieces and of numbers written in one go."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from recommender.compiled import compiled
from recommender.dataset import FloatArray, IntArray

Text = NDArray[np.uint8]


class Pieces(NamedTuple):
    """Pieces of text, one after the other.

    Attributes
    ----------
    text
        All of them, in UTF-8.
    ends
        Where the first begins, and where each ends, shape [n_pieces + 1].
    """

    text: Text
    ends: IntArray

    @classmethod
    def of(cls, pieces: Iterable[bytes]) -> Pieces:
        """From texts."""
        kept = list(pieces)
        ends = np.array([0, *accumulate(map(len, kept))], np.int64)
        return cls(np.frombuffer(b"".join(kept), np.uint8), ends)


def numbers_of(values: FloatArray) -> bytes:
    """Numbers as a JSON list, NaN as null, whatever the shape."""
    return orjson.dumps(np.ascontiguousarray(values).ravel(), option=orjson.OPT_SERIALIZE_NUMPY)


_COMMA = ord(",")


@compiled
def joined(
    codes: IntArray,
    width: IntArray,
    pieces: Text,
    piece_ends: IntArray,
    heads: Text,
    head_ends: IntArray,
    numbers: Text,
) -> tuple[Text, IntArray]:
    """Join pieces row by row.

    Parameters
    ----------
    codes
        Place of each piece, shape [n_rows, n_columns]: among the pieces, behind them among the
        heads; below 0 it is a number, -1 the first.
    width
        How many numbers follow each other in each column.
    numbers
        JSON list of them.

    Returns
    -------
    text, ends
        The rows, one after the other, and where each ends, shape [n_rows].
    """
    starts = _starts(numbers)
    n_rows, n_columns = codes.shape
    begins, stops = np.empty(codes.shape, np.int64), np.empty(codes.shape, np.int64)
    ends = np.empty(n_rows, np.int64)
    size, n_pieces = 0, len(piece_ends) - 1
    for row in range(n_rows):
        for column in range(n_columns):
            code = codes[row, column]
            if code < 0:
                begin, stop = starts[-1 - code], starts[width[column] - 1 - code] - 1
            elif code < n_pieces:
                begin, stop = piece_ends[code], piece_ends[code + 1]
            else:
                begin, stop = head_ends[code - n_pieces], head_ends[code - n_pieces + 1]
            begins[row, column], stops[row, column] = begin, stop
            size += stop - begin
        ends[row] = size
    text, at = np.empty(size, np.uint8), 0
    for row in range(n_rows):
        for column in range(n_columns):
            code, begin, stop = codes[row, column], begins[row, column], stops[row, column]
            if code < 0:
                at = _copied(text, at, numbers, begin, stop)
            elif code < n_pieces:
                at = _copied(text, at, pieces, begin, stop)
            else:
                at = _copied(text, at, heads, begin, stop)
    return text, ends


@compiled
def _copied(text: Text, at: int, given: Text, begin: int, stop: int) -> int:
    """Write a stretch of a text into another from ``at`` on; returns where it ends there."""
    # A place without a sign can't count from the end: not having to look makes this ten times as
    # quick.
    to, source, many = np.uint64(at), np.uint64(begin), np.uint64(stop - begin)
    for place in range(many):
        text[to + place] = given[source + place]
    return at + stop - begin


@compiled
def _starts(numbers: Text) -> IntArray:
    """Where each number of a JSON list begins, and one behind its end, shape [n_numbers + 1]."""
    starts, n = np.empty(len(numbers), np.int64), 1
    starts[0] = 1
    for place in range(1, len(numbers)):
        if numbers[place] == _COMMA:
            starts[n] = place + 1
            n += 1
    starts[n] = len(numbers)
    return starts[: n + 1]
