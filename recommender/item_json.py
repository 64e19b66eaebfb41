"""Items of answers as JSON, many at once: joined out of pieces that are written once a catalogue.

What comes out is what ``documents.answer_document`` says of an item, to the byte, and what the log
keeps of it (``store.write.LoggedItem``), without a mapping for each item and each reason. All
numbers are written in one go, and both use the same text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise
from typing import NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from recommender.dataset import FloatArray, Int8Array, IntArray
from recommender.domain import Catalogue, Verdict
from recommender.pieces import Pieces, joined, numbers_of


class Reasons(NamedTuple):
    """Reasons of items, see ``reasons.Cited``.

    Attributes
    ----------
    heads
        What reasons may begin with, see ``reason_head``.
    codes
        Places among the heads, an item's first reason first, -1 where it has no more, shape
        [n_items, MOST].
    amounts
        What each adds, of the same shape.
    """

    heads: Pieces
    codes: IntArray
    amounts: FloatArray


@dataclass(frozen=True)
class ItemRows:
    """Items of lists, list after list.

    Attributes
    ----------
    sizes
        How many items each list has.
    rank, action, verdict, rule
        Rank in its list, place in the catalogue, and codes of each item, as in ``Decisions``.
    numbers
        JSON list of the numbers of all items, ``FIGURES`` of each.
    """

    sizes: Sequence[int]
    rank: IntArray
    action: IntArray
    verdict: Int8Array
    rule: NDArray[np.int16]
    numbers: bytes


FIGURES = 10
"""Numbers of an item, in the order of ``store.write.LoggedItem``: score, p_complete, benefit, the
five parts, propensity, standard error (NaN if unknown)."""


class ItemJson:
    """Writes items of one catalogue.

    Parameters
    ----------
    rule_ids
        Of the rules that verdicts name.
    """

    def __init__(self, catalogue: Catalogue, rule_ids: Sequence[str]) -> None:
        actions, ranks = catalogue.actions, range(1, len(catalogue) + 1)
        verdicts = [orjson.dumps(verdict.value) for verdict in Verdict]
        groups = [
            _FIXED,
            [b',{"rank":%d,' % rank for rank in ranks],
            [
                _within({"action_id": one.action_id, "title": one.title, "domain": one.domain})
                + b',"score":'
                for one in actions
            ],
            [b',"verdict":' + verdict + b',"reasons":[' for verdict in verdicts],
            [
                b'}],"evidence":' + orjson.dumps(one.evidence_documents) + b',"propensity":'
                for one in actions
            ],
            [b",[%d," % rank for rank in ranks],
            [orjson.dumps(one.action_id) + b"," for one in actions],
            [b"," + verdict + b"," for verdict in verdicts],
            # the code of no rule, -1, comes before all others
            [b"null,", *(orjson.dumps(each) + b"," for each in rule_ids)],
        ]
        self._pieces = Pieces.of(chain.from_iterable(groups))
        _, rank, named, verdict, evidence, log_rank, log_id, log_verdict, rule, _ = accumulate(
            map(len, groups), initial=0
        )
        self._item = _columns(
            [
                *((rank - 1, _RANK), (named, _ACTION), _figure(0)),
                *((_P_COMPLETE, _NONE), _figure(1), (_BENEFIT, _NONE), _figure(2)),
                *((verdict, _VERDICT), *((0, _REASONS + place) for place in range(3 * MOST))),
                *((evidence, _ACTION), _figure(8), (_ERROR, _NONE), _figure(9), (_CLOSE, _NONE)),
            ]
        )
        self._row = _columns(
            [
                *((log_rank - 1, _RANK), (log_id, _ACTION), _figure(0, 8)),
                *((log_verdict, _VERDICT), (rule + 1, _RULE), _figure(8, 2), (_CLOSE_ROW, _NONE)),
            ]
        )

    def lists(self, rows: ItemRows, reasons: Reasons) -> list[bytes]:
        """Write lists of items with their reasons."""
        n, index = len(rows.rank), self._index(rows)
        there, amounts = reasons.codes >= 0, np.arange(n * MOST).reshape(n, MOST)
        said = index[:, _REASONS:].reshape(n, MOST, 3)  # what parts them, head, contribution
        said[:, 1:, 0] = there[:, 1:] * _AND
        said[:, :, 1] = there * (reasons.codes + (len(self._pieces.ends) - 1))
        said[:, :, 2] = there * (-1 - n * FIGURES - amounts)
        numbers = rows.numbers[:-1] + b"," + numbers_of(reasons.amounts)[1:]
        return self._written(self._item, index, reasons.heads, numbers, rows.sizes)

    def logged(self, rows: ItemRows) -> list[bytes]:
        """Write lists of items as the log keeps them."""
        return self._written(self._row, self._index(rows), _NO_PIECES, rows.numbers, rows.sizes)

    def _index(self, rows: ItemRows) -> IntArray:
        """What each item adds to the columns' places, one column a kind; reasons are left 0."""
        index = np.zeros((len(rows.rank), _REASONS + 3 * MOST), np.int64)
        index[:, _FIGURE] = np.arange(0, -FIGURES * len(index), -FIGURES)
        index[:, _RANK], index[:, _ACTION] = rows.rank, rows.action
        index[:, _VERDICT], index[:, _RULE] = rows.verdict, rows.rule
        return index

    def _written(
        self,
        columns: _Columns,
        index: IntArray,
        heads: Pieces,
        numbers: bytes,
        sizes: Sequence[int],
    ) -> list[bytes]:
        if not len(index):
            return [b"[]"] * len(sizes)
        codes = columns.place + index.take(columns.kind, axis=1)
        text, ends = joined(
            codes, columns.width, *self._pieces, *heads, np.frombuffer(numbers, np.uint8)
        )
        # Each item begins as if it followed another.
        whole, stops = text.tobytes(), [0, *ends.tolist()]
        return [
            b"[" + whole[stops[begin] + 1 : stops[end]] + b"]"
            for begin, end in pairwise(accumulate(sizes, initial=0))
        ]


MOST = 3
"""Reasons of an item at most."""

_FIXED = [b"", b"},", b',"p_complete":', b',"benefit":', b',"standard_error":', b"}", b"]"]
_AND, _P_COMPLETE, _BENEFIT, _ERROR, _CLOSE, _CLOSE_ROW = range(1, len(_FIXED))
_NONE, _FIGURE, _RANK, _ACTION, _VERDICT, _RULE, _REASONS = range(7)
"""Kinds of what an item adds to a column's place."""


class _Columns(NamedTuple):
    """What an item is joined of, one entry a column.

    Attributes
    ----------
    place, kind
        Code of the piece and the kind of what each item adds to it; see ``joined``.
    width
        How many numbers follow each other there.
    """

    place: IntArray
    kind: IntArray
    width: IntArray


def _columns(columns: Sequence[tuple[int, ...]]) -> _Columns:
    return _Columns(*np.array([(*each, 1)[:3] for each in columns], np.int64).T.copy())


def _figure(place: int, width: int = 1) -> tuple[int, int, int]:
    return (-1 - place, _FIGURE, width)


def reason_head(part: str, feature: str, text: str) -> bytes:
    """The beginning of a reason, up to its contribution."""
    return b"{" + _within({"part": part, "feature": feature, "text": text}) + b',"contribution":'


def _within(fields: dict[str, str]) -> bytes:
    return orjson.dumps(fields)[1:-1]


_NO_PIECES = Pieces.of(())
