"""Records that come more than once in one batch: the last one stands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recommender.dataset import BoolArray, IntArray


@dataclass(frozen=True)
class Latest:
    """The last row of each id, and what the rows before it were.

    Attributes
    ----------
    rows
        One row an id.
    same, corrected
        Earlier rows that equal the next one of their id, and those that differ from it.
    """

    rows: pa.Table
    same: int
    corrected: int


def latest_of_each(rows: pa.Table, key: str) -> Latest:
    """Keep the last row of each id.

    Parameters
    ----------
    key
        Column of ids without nulls.
    """
    if pc.count_distinct(rows.column(key)).as_py() == rows.num_rows:
        return Latest(rows, 0, 0)
    codes = rows.column(key).combine_chunks().dictionary_encode().indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    is_last = np.append(codes[order][1:] != codes[order][:-1], True)
    equal = _equals_next(rows, order)[~is_last]
    kept = rows.take(pa.array(np.sort(order[is_last])))
    return Latest(kept, int(equal.sum()), int((~equal).sum()))


def _equals_next(rows: pa.Table, order: IntArray) -> BoolArray:
    """Whether each row, in this order, has the content of the one after it."""
    here, after = pa.array(order), pa.array(np.append(order[1:], order[-1]))
    equal = np.ones(len(order), dtype=np.bool_)
    for column in rows.columns:
        one, other = column.take(here), column.take(after)
        both_null = pc.and_(one.is_null(), other.is_null())
        alike = pc.fill_null(pc.equal(one, other), False)
        equal &= pc.or_(both_null, alike).to_numpy()
    return equal
