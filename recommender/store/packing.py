"""Packed records brought up to date: only of people whose records changed.

Triggers leave a mark in ``record_changes`` in the very transaction that changes a person's
profile, events or observations. Here the marks are read first, then the records, and exactly
those marks are removed with the packed rows, in one transaction: whatever is committed in between
leaves a later mark for the next time, and a process that dies has removed none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection, Engine, delete, func, select, text

from recommender.errors import StoreError
from recommender.store import schema
from recommender.store.bulk import (
    Chosen,
    event_columns,
    observation_columns,
    user_columns,
)
from recommender.store.column_types import instant_value
from recommender.store.columnar import blocks, driver
from recommender.store.engine import POSTGRESQL, reading, writing
from recommender.store.id_lists import ids_value, is_among_ids
from recommender.store.packed_format import pack_events, pack_observations
from recommender.store.packed_names import Coder
from recommender.store.record_arrays import ordered_events, ordered_observations
from recommender.store.retention import one_at_a_time

_DENSE = 0.5
"""Share of people changed from which whole stretches of the tables are read."""
_FEW = 5_000
_MANY = {"sqlite": 5_000, "postgresql": 250_000}
"""People packed at once, by a list or by a stretch of ids. Others can't write to SQLite meanwhile;
PostgreSQL goes over its tables once a stretch, which then takes a gigabyte at 100 records each."""
_COLUMNS = (
    "user_id", "born_days", "sex", "conditions", "attributes", "events", "observations",
    "packed_at",
)  # fmt: skip
_TYPES = ("text", "float8", "text", "text", "text", "bytea", "bytea", "timestamptz")


@dataclass(frozen=True)
class Packing:
    """How many people were packed, of how many."""

    packed: int
    people: int


def pack_changed(
    engine: Engine,
    *,
    rebuild: bool = False,
    progress: Callable[[float], None] = lambda share: None,
    at_once: int | None = None,
) -> Packing:
    """Pack everyone whose record changed since it was packed; call it with the train lock held.

    Parameters
    ----------
    rebuild
        Everybody, whether changed or not.
    progress
        Told the share done, 0 to 1.
    at_once
        People packed in one transaction; None chooses by how many there are.
    """
    if rebuild:
        with writing(engine) as conn:
            mark_everybody(conn)
    if engine.dialect.name == POSTGRESQL:
        thin_out(engine)
    with reading(engine) as conn:
        changed = _changed(conn)
        people = conn.execute(select(func.count()).select_from(schema.users)).scalar_one()
    dense = len(changed) > _DENSE * people
    size = at_once or (_MANY[engine.dialect.name] if dense else _FEW)
    packed = 0
    for start in range(0, len(changed), size):
        ids = changed[start : start + size].to_pylist()
        with writing(engine) as conn:
            packed += _pack(conn, Chosen(between=(ids[0], ids[-1])) if dense else Chosen(among=ids))
        progress(min(start + size, len(changed)) / len(changed))
    if dense:
        _refresh_statistics(engine)
    return Packing(packed, people)


def thin_out(engine: Engine, many: int = 1_000_000, patience: str = "3s") -> None:
    """Leave one mark of each person where a large import has left very many.

    Removing them one by one would take longer than packing. Whoever writes meanwhile waits for
    some seconds; if the table can't be had for this, nothing is lost but time.

    Parameters
    ----------
    many
        Fewer marks are left as they are.
    patience
        How long others may keep the table before it is left as it is.
    """
    try:
        with writing(engine) as conn:
            people = conn.execute(select(func.count()).select_from(schema.users)).scalar_one()
            marks = conn.execute(select(func.count()).select_from(schema.record_changes))
            if marks.scalar_one() < max(2 * people, many):
                return
            conn.execute(text(f"SET LOCAL lock_timeout = '{patience}'"))
            for statement in _THIN_OUT:
                conn.execute(text(statement))
    except StoreError:
        return


_THIN_OUT = (
    "SET LOCAL work_mem = '256MB'",
    "LOCK TABLE record_changes IN ACCESS EXCLUSIVE MODE",
    "CREATE TEMPORARY TABLE marked ON COMMIT DROP AS SELECT DISTINCT user_id FROM record_changes",
    "TRUNCATE record_changes",
    "INSERT INTO record_changes (user_id) SELECT user_id FROM marked",
)


def mark_everybody(conn: Connection) -> None:
    """Have everybody packed anew, and drop the packed rows of people who are gone."""
    conn.execute(
        delete(schema.packed_records).where(
            schema.packed_records.c.user_id.not_in(select(schema.users.c.user_id))
        )
    )
    conn.execute(delete(schema.record_changes))
    number, value = (", change_id", ", 0") if conn.dialect.name != POSTGRESQL else ("", "")
    conn.execute(
        text(f"INSERT INTO record_changes (user_id{number}) SELECT user_id{value} FROM users")
    )


def _changed(conn: Connection) -> pa.Array:
    query = "SELECT DISTINCT user_id FROM record_changes ORDER BY user_id"
    parts = [block["ids"] for block in blocks(conn, query, {}, {"ids": pa.string()})]
    return pa.chunked_array(parts, pa.string()).combine_chunks()


def _pack(conn: Connection, chosen: Chosen) -> int:
    """Pack one lot in the caller's transaction; READ COMMITTED, so that each look is a new one."""
    marked, marks = _marks(conn, chosen)
    if not marked:
        return 0
    among = Chosen(chosen.between, marked if chosen.between is None else None)
    people = user_columns(conn, among)
    rows = _packed_rows(conn, among, _only(people, set(marked)))
    _replace_rows(conn, marked, rows)
    _remove(conn, chosen, marks)
    return len(rows)


def _marks(conn: Connection, chosen: Chosen) -> tuple[list[str], list[int]]:
    """Who is marked, and the numbers of the marks."""
    query = f"SELECT user_id, change_id FROM record_changes {chosen.where(conn)}"
    found = conn.execute(text(query), chosen.parameters(conn)).all()
    return list({user_id for user_id, _ in found}), [number for _, number in found]


def _remove(conn: Connection, chosen: Chosen, marks: list[int]) -> None:
    """Remove the marks that were seen, and no later one.

    Last of all, so that whoever is being erased meanwhile has nothing to wait for.
    """
    where, params = chosen.where(conn), chosen.parameters(conn)
    if conn.dialect.name == POSTGRESQL:
        where, params = f"{where} AND change_id = ANY(:marks)", {**params, "marks": marks}
    # In SQLite nobody else has written since they were seen.
    conn.execute(text(f"DELETE FROM record_changes {where}"), params)


def _only(columns: Sequence[Any], wanted: set[str]) -> list[Sequence[Any]]:
    places = [place for place, user_id in enumerate(columns[0]) if user_id in wanted]
    return [[column[place] for place in places] for column in columns]


def _packed_rows(
    conn: Connection, chosen: Chosen, people: Sequence[Sequence[Any]]
) -> list[tuple[Any, ...]]:
    ids, born, *profile = people
    known = pa.array(ids, pa.string())
    actions, metrics = Coder(conn, "actions"), Coder(conn, "metrics")
    events = ordered_events(*event_columns(conn, chosen, known, actions))
    readings = ordered_observations(*observation_columns(conn, chosen, known, metrics))
    actions.keep()
    metrics.keep()
    now = instant_value(conn.dialect.name, datetime.now(UTC))
    born_days = [None if np.isnan(days) else float(days) for days in born]
    packed: Iterator[tuple[Any, ...]] = zip(
        ids,
        born_days,
        *profile,
        pack_events(events, len(ids)),
        pack_observations(readings, len(ids)),
        strict=True,
    )
    return [(*row, now) for row in packed]


def _replace_rows(conn: Connection, marked: Sequence[str], rows: list[tuple[Any, ...]]) -> None:
    # Whoever is erased while we read must not come back: an erasure waits from here on, and one
    # that has been is seen.
    one_at_a_time(conn)
    still = text(f"SELECT user_id FROM users WHERE {is_among_ids(conn, 'user_id')}")
    gone = set(marked).difference(conn.execute(still, {"ids": ids_value(conn, marked)}).scalars())
    if conn.execute(select(schema.packed_records.c.user_id).limit(1)).first():
        old = text(f"DELETE FROM packed_records WHERE {is_among_ids(conn, 'user_id')}")
        conn.execute(old, {"ids": ids_value(conn, marked)})
    _insert(conn, [row for row in rows if row[0] not in gone] if gone else rows)


def _insert(conn: Connection, rows: list[tuple[Any, ...]]) -> None:
    listed = ", ".join(_COLUMNS)
    if conn.dialect.name != POSTGRESQL:
        marks = ", ".join("?" * len(_COLUMNS))
        driver(conn).executemany(f"INSERT INTO packed_records ({listed}) VALUES ({marks})", rows)
        return
    statement = f"COPY packed_records ({listed}) FROM STDIN (FORMAT binary)"
    with driver(conn).cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(_TYPES)
        for row in rows:
            copy.write_row(row)


def _refresh_statistics(engine: Engine) -> None:
    """Tell the planner how large the table has become: chunks must come along its key."""
    if engine.dialect.name == POSTGRESQL:
        with writing(engine) as conn:
            conn.execute(text("ANALYZE packed_records"))
