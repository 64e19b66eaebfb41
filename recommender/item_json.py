"""Items of answers as JSON, many at once: joined out of pieces that are written once a catalogue.

What comes out is what ``documents.answer_document`` says of an item, to the byte, without a mapping
for each item and each reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import accumulate, chain, pairwise, repeat

import numpy as np
import orjson

from recommender.dataset import AnyIntArray, FloatArray, Int8Array
from recommender.domain import Catalogue, Verdict


class ItemJson:
    """Writes items of one catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._named = [
            _within({"action_id": one.action_id, "title": one.title, "domain": one.domain})
            + b',"score":'
            for one in catalogue.actions
        ]
        self._evidence = [
            b'}],"evidence":' + orjson.dumps(one.evidence_documents) + b',"propensity":'
            for one in catalogue.actions
        ]

    def lists(
        self,
        action: AnyIntArray,
        verdict: Int8Array,
        figures: FloatArray,
        reasons: Sequence[Iterable[bytes]],
        sizes: Sequence[int],
    ) -> list[bytes]:
        """Write lists of items, one after the other.

        Parameters
        ----------
        action, verdict
            Place and code of each item.
        figures
            Score, p_complete, benefit, standard error (NaN if unknown) and propensity of each,
            shape [5, n_items].
        reasons
            Pieces of each item's reasons (see ``Cited.as_json``), one column each.
        sizes
            How many items each list has.
        """
        score, p_complete, benefit, error, propensity = map(numbers, figures)
        places, many = action.tolist(), len(action)
        columns = (
            [rank for size in sizes for rank in _ranks(size)],
            [self._named[place] for place in places],
            *(score, repeat(b',"p_complete":', many), p_complete),
            *(repeat(b',"benefit":', many), benefit),
            [_VERDICTS[code] for code in verdict.tolist()],
            *reasons,
            [self._evidence[place] for place in places],
            *(propensity, repeat(b',"standard_error":', many), error),
        )
        items = list(zip(*columns, strict=True))
        ends = pairwise(accumulate(sizes, initial=0))
        return [_listed(items[begin:end]) for begin, end in ends]


def reason_head(part: str, feature: str, text: str) -> bytes:
    """The beginning of a reason that follows another, up to its contribution."""
    reason = {"part": part, "feature": feature, "text": text}
    return _FOLLOWING + _within(reason) + b',"contribution":'


_FOLLOWING = b"},{"
FOLLOWS = len(_FOLLOWING) - 1
"""What an entry of a list begins with if it follows another, in bytes."""


def numbers(values: FloatArray) -> list[bytes]:
    """Each of some numbers as JSON, NaN as null; shape [n]."""
    written = orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)
    return written[1:-1].split(b",") if len(values) else []


def _within(fields: dict[str, str]) -> bytes:
    return orjson.dumps(fields)[1:-1]


def _listed(items: Sequence[Iterable[bytes]]) -> bytes:
    # Each item begins as if it followed another.
    return b"[" + b"".join(chain.from_iterable(items))[FOLLOWS:] + b"}]" if items else b"[]"


@lru_cache
def _ranks(many: int) -> list[bytes]:
    return [_FOLLOWING + b'"rank":%d,' % rank for rank in range(1, many + 1)]


_VERDICTS = [b',"verdict":' + orjson.dumps(verdict.value) + b',"reasons":[' for verdict in Verdict]
