"""Arrow columns as PostgreSQL's binary COPY format, a batch at a time and without Python per row.

Figures against CSV and ADBC stand in ``docs/decisions/007-storage-of-scores.md``; the format in
https://www.postgresql.org/docs/current/sql-copy.html ("Binary Format").
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Bytes = np.ndarray[Any, np.dtype[np.uint8]]

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

_NULL = -1
_SIZES = {pa.int16(): 2, pa.int32(): 4, pa.int64(): 8, pa.float64(): 8}
"""Types of a fixed width -> bytes: ``smallint``, ``integer``, ``bigint``, ``double precision``."""
_VARYING = {pa.string(), pa.large_string(), pa.binary(), pa.large_binary()}


def in_order(rows: pa.Table) -> pa.Table:
    """Columns of a fixed width first, so that few pieces have to be joined for each row."""
    fixed = [name for name in rows.column_names if rows.schema.field(name).type in _SIZES]
    rest = [name for name in rows.column_names if name not in fixed]
    return rows.select([*fixed, *rest])


def jsonb(texts: pa.Array) -> pa.Array:
    """JSON texts as the binary form of ``jsonb``: its version, then the text."""
    version = pa.scalar(b"\x01", pa.large_binary())
    end = pa.scalar(b"", pa.large_binary())
    return pc.binary_join_element_wise(version, texts.cast(pa.large_binary()), end)


def tuples(rows: pa.Table) -> memoryview:
    """Return the tuples of a binary COPY, without header and trailer.

    Parameters
    ----------
    rows
        The Arrow type of each column is that of the table's: 16, 32 and 64 bit integers and
        64 bit floats without nulls, strings for ``text``, binary for whatever is in its binary
        form already (see ``jsonb``). Nulls of strings and binaries become null.

    Raises
    ------
    TypeError
        A column is of another type, or numbers have nulls.
    """
    pieces: list[pa.Array] = []
    fixed = [_repeated(len(rows.column_names).to_bytes(2, "big"), rows.num_rows)]
    for name in rows.column_names:
        column = rows.column(name).combine_chunks()
        if column.type in _SIZES and not column.null_count:
            size = _SIZES[column.type]
            fixed += [_repeated(size.to_bytes(4, "big"), rows.num_rows), _big_endian(column, size)]
        elif column.type in _VARYING:
            lengths = pc.fill_null(pc.binary_length(column), _NULL).cast(pa.int32())
            fixed.append(_big_endian(lengths, 4))
            pieces += [_joined(fixed), pc.fill_null(column.cast(pa.large_binary()), b"")]
            fixed = []
        else:
            raise TypeError(f"{name}: COPY takes no {column.type} here, or none with nulls")
    if fixed:
        pieces.append(_joined(fixed))
    together = pc.binary_join_element_wise(*pieces, pa.scalar(b"", pa.large_binary()))
    _, ends, written = together.buffers()
    return memoryview(written)[: np.frombuffer(ends, np.int64)[rows.num_rows]]


def _repeated(word: bytes, count: int) -> Bytes:
    return np.broadcast_to(np.frombuffer(word, np.uint8), (count, len(word)))


def _big_endian(column: pa.Array, size: int) -> Bytes:
    values = column.to_numpy(zero_copy_only=False)
    written: Bytes = values.astype(values.dtype.newbyteorder(">")).view(np.uint8)
    return written.reshape(len(values), size)


def _joined(fixed: list[Bytes]) -> pa.Array:
    """Bytes of equal length, row by row, as one Arrow column."""
    block = np.ascontiguousarray(np.concatenate(fixed, axis=1))
    count, width = block.shape
    ends = np.arange(count + 1, dtype=np.int64) * width
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(block)]
    return pa.Array.from_buffers(pa.large_binary(), count, buffers)
