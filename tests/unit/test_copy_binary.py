"""Rows written in PostgreSQL's binary format come out as they went in."""

from __future__ import annotations

import struct
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.store.copy_binary import in_order, jsonb, tuples

ROWS = st.lists(
    st.tuples(
        st.integers(-(2**15), 2**15 - 1),
        st.floats(allow_nan=False),
        st.text(),
        st.one_of(st.none(), st.text()),
        st.integers(-(2**63), 2**63 - 1),
        st.one_of(st.none(), st.binary()),
    ),
    min_size=1,
)
KINDS = {
    "rank": pa.int16(), "score": pa.float64(), "who": pa.string(), "rule": pa.string(),
    "big": pa.int64(), "raw": pa.large_binary(),
}  # fmt: skip
READ = {pa.int16(): ">h", pa.int64(): ">q", pa.float64(): ">d"}


def table(rows: list[Any]) -> pa.Table:
    columns = [
        pa.array([row[place] for row in rows], kind) for place, kind in enumerate(KINDS.values())
    ]
    return pa.table(columns, names=list(KINDS))


def read(written: bytes, rows: pa.Table) -> list[tuple[Any, ...]]:
    """Read the format by its description, value by value."""
    found, at = [], 0
    while at < len(written):
        (count,) = struct.unpack_from(">h", written, at)
        assert count == rows.num_columns
        at += 2
        row = []
        for field in rows.schema:
            (size,) = struct.unpack_from(">i", written, at)
            at += 4
            value = None if size < 0 else written[at : at + size]
            at += max(size, 0)
            row.append(_value(field.type, value))
        found.append(tuple(row))
    return found


def _value(kind: pa.DataType, value: bytes | None) -> Any:
    if value is None or kind == pa.large_binary():
        return value
    return struct.unpack(READ[kind], value)[0] if kind in READ else value.decode()


@given(ROWS)
def test_what_went_in_comes_out(rows: list[Any]) -> None:
    for order in (table(rows), in_order(table(rows))):
        expected = [tuple(row.values()) for row in order.to_pylist()]
        assert read(bytes(tuples(order)), order) == expected


@given(ROWS, st.integers(0, 3))
def test_a_slice_is_its_rows_alone(rows: list[Any], start: int) -> None:
    some = table(rows).slice(start)
    assert read(bytes(tuples(some)), some) == [tuple(row.values()) for row in some.to_pylist()]


def test_numbers_first() -> None:
    assert in_order(table([(1, 0.5, "a", None, 2, None)])).column_names == [
        "rank", "score", "big", "who", "rule", "raw",
    ]  # fmt: skip


def test_json_has_its_version_before_it() -> None:
    assert jsonb(pa.array(["[]", '["é"]'])).to_pylist() == [b"\x01[]", b'\x01["\xc3\xa9"]']


@pytest.mark.parametrize(
    "column", [pa.array([1.0, None]), pa.array([True, False]), pa.array([1.0, 2.0], pa.float32())]
)
def test_what_it_does_not_take_is_refused(column: pa.Array) -> None:
    with pytest.raises(TypeError, match="figure"):
        tuples(pa.table({"figure": column}))
