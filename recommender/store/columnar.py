"""Arrow columns out of and into the database, a block at a time."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
from pyarrow import csv
from sqlalchemy import Connection

from recommender.store.copy_binary import HEADER, TRAILER, in_order, tuples
from recommender.store.engine import POSTGRESQL

_BLOCK_BYTES = 32 * 2**20
_BLOCK_ROWS = 200_000

Columns = Mapping[str, pa.DataType]


def blocks(
    conn: Connection, query: str, params: Mapping[str, Any], columns: Columns
) -> Iterator[pa.Table]:
    """Yield a query's rows as Arrow tables of bounded size.

    Parameters
    ----------
    query
        Its output columns in the order of ``columns``, parameters as ``:name``.
    params
        Texts and lists of them; the query casts them where it needs another type.
    columns
        Name -> Arrow type.
    """
    if conn.dialect.name == POSTGRESQL:
        return _copied(conn, query, params, columns)
    return _fetched(conn, query, params, columns)


def _copied(
    conn: Connection, query: str, params: Mapping[str, Any], columns: Columns
) -> Iterator[pa.Table]:
    names = list(columns)
    parse = {
        "read_options": csv.ReadOptions(column_names=names, block_size=_BLOCK_BYTES // 4),
        "convert_options": csv.ConvertOptions(
            column_types=dict(columns), strings_can_be_null=True, quoted_strings_can_be_null=False
        ),
        # Ids and JSON may hold line ends.
        "parse_options": csv.ParseOptions(newlines_in_values=True),
    }
    # Values are merged by the driver, which writes parameters its own way.
    statement = query.replace("%", "%%")
    for name in params:
        statement = statement.replace(f":{name}", f"%({name})s")
    with (
        driver(conn).cursor() as cursor,
        cursor.copy(f"COPY ({statement}) TO STDOUT (FORMAT csv)", params) as copy,
    ):
        for block in _joined(copy):
            yield csv.read_csv(pa.py_buffer(block), **parse)


def _joined(copy: Any) -> Iterator[bytes]:
    held = bytearray()
    for row in copy:
        held += row
        if len(held) >= _BLOCK_BYTES:
            yield bytes(held)
            held = bytearray()
    if held:
        yield bytes(held)


def _fetched(
    conn: Connection, query: str, params: Mapping[str, Any], columns: Columns
) -> Iterator[pa.Table]:
    cursor = driver(conn).execute(query, params)
    try:
        while rows := cursor.fetchmany(_BLOCK_ROWS):
            values = zip(*rows, strict=True)
            arrays = [
                pa.array(column, type=kind)
                for column, kind in zip(values, columns.values(), strict=True)
            ]
            yield pa.table(arrays, names=list(columns))
    finally:
        cursor.close()


def append_binary(conn: Connection, table: str, rows: pa.Table, *, frozen: bool = False) -> None:
    """Add rows to a table of PostgreSQL at a quarter of the price of ``append``.

    Parameters
    ----------
    rows
        Of exactly the types of the table's columns: ``copy_binary.tuples``.
    frozen
        Write rows that no vacuum has to look at again; the table must have been made or emptied
        in this transaction.
    """
    rows = in_order(rows)
    options = "FORMAT binary, FREEZE" if frozen else "FORMAT binary"
    columns = ", ".join(rows.column_names)
    statement = f"COPY {table} ({columns}) FROM STDIN ({options})"
    if rows.num_rows:
        with driver(conn).cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(HEADER)
            copy.write(tuples(rows))
            copy.write(TRAILER)


def append(conn: Connection, table: str, rows: pa.Table) -> None:
    """Add rows to a table; the names of the columns are those of the database."""
    if rows.num_rows and conn.dialect.name == POSTGRESQL:
        _copy(conn, table, rows)
    elif rows.num_rows:
        _insert(conn, table, rows)


def _copy(conn: Connection, table: str, rows: pa.Table) -> None:
    written = io.BytesIO()
    csv.write_csv(rows, written, csv.WriteOptions(include_header=False))
    columns = ", ".join(rows.column_names)
    with (
        driver(conn).cursor() as cursor,
        cursor.copy(f"COPY {table} ({columns}) FROM STDIN (FORMAT csv)") as copy,
    ):
        copy.write(written.getbuffer())


def _insert(conn: Connection, table: str, rows: pa.Table) -> None:
    columns = ", ".join(rows.column_names)
    places = ", ".join("?" for _ in rows.column_names)
    statement = f"INSERT INTO {table} ({columns}) VALUES ({places})"
    values = zip(*(column.to_pylist() for column in rows.columns), strict=True)
    driver(conn).executemany(statement, values)


def driver(conn: Connection) -> Any:
    """Return the driver's own connection, inside the transaction."""
    if not conn.in_transaction():
        # Going past SQLAlchemy would also go past its BEGIN.
        conn.begin()
    return conn.connection.driver_connection
