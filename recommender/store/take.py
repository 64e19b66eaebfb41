"""Bulk taking of checked rows: idempotent, corrections included, and the quarantine.

PostgreSQL gets rows by COPY into a staging table of the session and one INSERT … SELECT
from there, SQLite by ``executemany``. Nothing here commits.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
from sqlalchemy import Connection, Table, bindparam, select, text

from recommender.columns import USER_ID
from recommender.domain import Sex, User
from recommender.errors import NotTheirsError, StoreError
from recommender.store import schema
from recommender.store.column_types import UtcInstant
from recommender.store.engine import POSTGRESQL
from recommender.store.id_lists import ids_as_rows, ids_value, is_among_ids

_STAMPS = ("created_at", "updated_at")
_UPDATED_AT = "updated_at"
_COUNTED = {"preserve_rowcount": True}


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of rows: new ones, corrections, and those that were there already."""

    new: int
    corrected: int
    same: int


@dataclass(frozen=True, slots=True)
class _Target:
    """A table, the columns that are sent to it, and whether rows stay the same person's."""

    table: Table
    key: str
    content: tuple[str, ...]
    stamps: tuple[str, ...]
    same_person: bool

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns sent, the key first."""
        return (self.key, *self.content, *self.stamps)


def put_rows(
    conn: Connection, kind: str, rows: pa.Table, now: datetime, *, same_person: bool = False
) -> Taken:
    """Store rows of ``users``, ``actions``, ``events`` or ``observations``.

    A row whose id is stored with other content replaces it; ``updated_at`` moves only then.

    Parameters
    ----------
    rows
        Columns named as in the table, without its stamps; each id at most once.
        Instants are ``timestamp[us, UTC]``, JSON columns canonical text.
    same_person
        Whether a row may replace only one of the same person (events and observations).

    Raises
    ------
    NotTheirsError
        A row would have replaced another person's.
    """
    if rows.num_rows == 0:
        return Taken(0, 0, 0)
    target = _target(kind, rows, same_person)
    stamp = pa.scalar(now, pa.timestamp("us", tz="UTC"))
    for name in target.stamps:
        rows = rows.append_column(name, pa.repeat(stamp, rows.num_rows))
    # One order for everyone, so that two writers of the same ids can't block each other.
    rows = rows.select(target.columns).sort_by(target.key)
    put = _put_staged if conn.dialect.name == POSTGRESQL else _put_one_by_one
    new, corrected = put(conn, target, rows)
    return Taken(new, corrected, rows.num_rows - new - corrected)


def stored_people(conn: Connection, kind: str, ids: pa.ChunkedArray) -> dict[str, str]:
    """Whose those of the events or observations are that are known; kept from others until the end.

    Returns
    -------
    dict
        The record's id -> the person's.
    """
    target = schema.metadata.tables[kind]
    (key,) = target.primary_key.columns
    query = (
        select(key, target.c.user_id)
        .where(text(is_among_ids(conn, key.name)))
        .order_by(key)
        .with_for_update()
    )
    rows = conn.execute(query, {"ids": ids_value(conn, ids.to_pylist())})
    return {row[0]: row[1] for row in rows}


def _require_same_person(conn: Connection, target: _Target, rows: pa.Table) -> None:
    """Call it after inserting: until then another transaction may bring the same ids unseen."""
    if not target.same_person:
        return
    sent = rows.column(target.key)
    stored = stored_people(conn, target.table.name, sent)
    people = rows.column(USER_ID)
    for own_id, user_id in zip(sent.to_pylist(), people.to_pylist(), strict=True):
        if stored.get(own_id, user_id) != user_id:
            raise NotTheirsError("a record is stored as another person's")


def create_users(conn: Connection, ids: pa.Array, now: datetime) -> int:
    """Create those of the people that are unknown; return how many they were."""
    distinct = sorted(pc.unique(ids).to_pylist())
    statement = text(
        "INSERT INTO users (user_id, created_at, updated_at)"
        f" SELECT value, :now, :now FROM {ids_as_rows(conn)} WHERE true"
        " ON CONFLICT (user_id) DO NOTHING"
    ).bindparams(bindparam("now", type_=UtcInstant()))
    parameters = {"ids": ids_value(conn, distinct), "now": now}
    return conn.execute(statement, parameters, execution_options=_COUNTED).rowcount


def action_ids(conn: Connection) -> list[str]:
    """Ids of all actions, retired ones included."""
    return list(conn.scalars(select(schema.actions.c.action_id)))


def stored_users(conn: Connection, ids: pa.Array) -> dict[str, User]:
    """Profiles of those of the people that are known; kept from others until the end."""
    users = schema.users.c
    query = (
        select(users.user_id, users.birth_date, users.sex, users.conditions, users.attributes)
        .where(text(is_among_ids(conn, "user_id")))
        .order_by(users.user_id)
        .with_for_update()
    )
    rows = conn.execute(query, {"ids": ids_value(conn, pc.unique(ids).to_pylist())})
    return {
        user_id: User(user_id, born, Sex(sex), tuple(conditions or ()), attributes or {})
        for user_id, born, sex, conditions, attributes in rows
    }


def stored_retirements(conn: Connection, ids: pa.Array) -> dict[str, datetime | None]:
    """Since when each of the known actions is retired, None if it is not."""
    actions = schema.actions.c
    query = select(actions.action_id, actions.retired_at).where(
        text(is_among_ids(conn, "action_id"))
    )
    rows = conn.execute(query, {"ids": ids_value(conn, ids.to_pylist())})
    return {row.action_id: row.retired_at for row in rows}


def _target(kind: str, rows: pa.Table, same_person: bool) -> _Target:
    table = schema.metadata.tables[kind]
    key = next(iter(table.primary_key)).name
    content = tuple(name for name in rows.column_names if name != key)
    stamps = tuple(name for name in _STAMPS if name in table.c)
    return _Target(table, key, content, stamps, same_person)


def _put_staged(conn: Connection, target: _Target, rows: pa.Table) -> tuple[int, int]:
    stage, listed = f"stage_{target.table.name}", ", ".join(target.columns)
    # With defaults: a newer schema may have columns that this version does not know to fill.
    conn.exec_driver_sql(
        f"CREATE TEMPORARY TABLE IF NOT EXISTS {stage}"
        f" (LIKE {target.table.name} INCLUDING DEFAULTS) ON COMMIT DELETE ROWS"
    )
    conn.exec_driver_sql(f"DELETE FROM {stage}")
    _copy_in(conn, f"COPY {stage} ({listed}) FROM STDIN (FORMAT csv)", rows)
    new = conn.exec_driver_sql(
        f"INSERT INTO {target.table.name} ({listed}) SELECT {listed} FROM {stage}"
        f" ON CONFLICT ({target.key}) DO NOTHING",
        execution_options=_COUNTED,
    ).rowcount
    if new == rows.num_rows:
        return new, 0
    _require_same_person(conn, target, rows)
    updated = _updated(target)
    old, staged = (
        ", ".join(f"{owner}.{name}" for name in target.content) for owner in ("held", "sent")
    )
    corrected = conn.exec_driver_sql(
        f"UPDATE {target.table.name} AS held"
        f" SET {', '.join(f'{name} = sent.{name}' for name in updated)}"
        f" FROM {stage} AS sent WHERE held.{target.key} = sent.{target.key}"
        f" AND ({old}) IS DISTINCT FROM ({staged})",
        execution_options=_COUNTED,
    ).rowcount
    return new, corrected


def _copy_in(conn: Connection, statement: str, rows: pa.Table) -> None:
    encoded = io.BytesIO()
    arrow_csv.write_csv(rows, encoded, arrow_csv.WriteOptions(include_header=False))
    driver: Any = conn.connection.driver_connection
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(encoded.getbuffer())
    except psycopg.Error as error:
        # Its text may quote a row, so that it isn't chained.
        raise StoreError(f"the database refused rows ({type(error).__name__})") from None


def _put_one_by_one(conn: Connection, target: _Target, rows: pa.Table) -> tuple[int, int]:
    cells = {name: _sqlite_cells(rows.column(name)) for name in target.columns}
    marks = ", ".join("?" * len(target.columns))
    new = conn.exec_driver_sql(
        f"INSERT INTO {target.table.name} ({', '.join(target.columns)}) VALUES ({marks})"
        f" ON CONFLICT ({target.key}) DO NOTHING",
        _tuples(cells, target.columns),
        execution_options=_COUNTED,
    ).rowcount
    if new == rows.num_rows:
        return new, 0
    _require_same_person(conn, target, rows)
    updated = _updated(target)
    differs = " OR ".join(f"{name} IS NOT ?" for name in target.content)
    corrected = conn.exec_driver_sql(
        f"UPDATE {target.table.name} SET {', '.join(f'{name} = ?' for name in updated)}"
        f" WHERE {target.key} = ? AND ({differs})",
        _tuples(cells, (*updated, target.key, *target.content)),
        execution_options=_COUNTED,
    ).rowcount
    return new, corrected


def _updated(target: _Target) -> tuple[str, ...]:
    """Columns that a correction sets."""
    return target.content + tuple(name for name in target.stamps if name == _UPDATED_AT)


def _tuples(cells: dict[str, list[Any]], names: Iterable[str]) -> list[tuple[Any, ...]]:
    return list(zip(*(cells[name] for name in names), strict=True))


def _sqlite_cells(column: pa.ChunkedArray) -> list[Any]:
    if column.null_count == len(column):
        return [None] * len(column)
    if pa.types.is_timestamp(column.type):
        # The spelling of UtcInstant: 2026-01-31T08:00:00.000000Z
        column = pc.binary_replace_slice(
            column.cast(pa.string()), start=10, stop=11, replacement="T"
        )
    if pa.types.is_date(column.type):
        column = column.cast(pa.string())
    values: list[Any] = column.to_pylist()
    return values
