"""A world of ``night_world`` straight into a migrated, empty database.

Rows come in the order of time, as a service would have written them. Keys are not checked while
PostgreSQL copies, and further indexes are made afterwards: the account must be a superuser's.
"""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv
from sqlalchemy import text

from recommender.catalogue import action_from_mapping
from recommender.domain import Catalogue
from recommender.ingest import ingest_files
from recommender.knowledge import load_knowledge
from recommender.simulate import menu_of
from recommender.simulation.tables import write_actions
from recommender.store.engine import POSTGRESQL, Connection, Engine, reading, writing
from recommender.store.read import load_catalogue
from recommender.store.upgrade import upgrade
from tests.benchmarks import night_world as world

ACTIONS = 500
_ROWS = 500_000
Progress = Callable[[str, float], None]


def load(engine: Engine, users: int, seed: int, progress: Progress) -> None:
    """Migrate, draw and load; the log ends at the last full hour."""
    upgrade(engine)
    metrics = load_knowledge().metrics
    now = datetime.now(UTC)
    catalogue = _take_actions(engine, now)
    end_at = now.replace(minute=0, second=0, microsecond=0).timestamp()
    drawn = world.draw_world(users, catalogue, metrics, end_at, seed, progress)
    units = [metrics.metrics[metrics.index[name]].unit for name in world.METRICS]
    ids = [action.action_id for action in catalogue.actions]
    _fill(engine, "users", _users(drawn, now), progress)
    _fill(engine, "events", _events(drawn, ids), progress)
    _fill(engine, "observations", _observations(drawn, units), progress)
    _tidy(engine)


def catalogue_of(actions: int) -> Catalogue:
    """The shipped actions and further ones, without a database."""
    return Catalogue(tuple(action_from_mapping(dict(row)) for row in menu_of(actions, 1).rows))


def _take_actions(engine: Engine, now: datetime) -> Catalogue:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "actions.csv"
        write_actions(menu_of(ACTIONS, 1).rows, path)
        report = ingest_files(
            engine, "actions", [str(path)], metrics=load_knowledge().metrics, now=now
        )
    assert report.rejected_count == 0, report.rejected[:3]
    with reading(engine) as connection:
        return load_catalogue(connection)


def _users(drawn: world.World, now: datetime) -> Iterator[tuple[int, pa.Table]]:
    people, n = drawn.people, len(drawn.people.sex)
    written = [
        "[" + ",".join(f'"{name}"' for bit, name in enumerate(world.CONDITIONS) if mask >> bit & 1)
        + "]"
        for mask in range(1 << len(world.CONDITIONS))
    ]  # fmt: skip
    regions = ["{}", *(f'{{"region":"{name}"}}' for name in world.REGIONS)]
    for rows in _stretches(n):
        at = pa.array(np.full(rows.stop - rows.start, int(now.timestamp()) * 10**6))
        stamp = at.cast(pa.timestamp("us", "UTC"))
        yield (
            n,
            pa.table(
                {
                    "user_id": user_ids(np.arange(rows.start, rows.stop)),
                    "birth_date": pa.array(people.born_day[rows]).cast(pa.date32()),
                    "sex": _pick(list(world.SEXES), people.sex[rows]),
                    "conditions": _pick(written, people.conditions[rows]),
                    "attributes": _pick(regions, people.region[rows]),
                    "created_at": stamp,
                    "updated_at": stamp,
                }
            ),
        )


def _events(drawn: world.World, ids: list[str]) -> Iterator[tuple[int, pa.Table]]:
    events, n = drawn.events, len(drawn.events.user)
    for rows in _stretches(n):
        propensity = events.propensity[rows].astype(np.float64)
        yield (
            n,
            pa.table(
                {
                    "event_id": _numbered("e", np.arange(rows.start, rows.stop)),
                    "user_id": user_ids(events.user[rows]),
                    "action_id": _pick(ids, events.action[rows]),
                    "type": _pick(list(world.KINDS), events.kind[rows]),
                    "occurred_at": _instants(events.at[rows]),
                    "propensity": pa.array(np.round(propensity, 6), mask=np.isnan(propensity)),
                    "request_id": _numbered("r", events.request[rows]),
                }
            ),
        )


def _observations(drawn: world.World, units: list[str]) -> Iterator[tuple[int, pa.Table]]:
    readings, n = drawn.readings, len(drawn.readings.user)
    for rows in _stretches(n):
        value = pa.array(np.round(readings.value[rows].astype(np.float64), 1))
        unit = _pick(units, readings.metric[rows])
        yield (
            n,
            pa.table(
                {
                    "observation_id": _numbered("o", np.arange(rows.start, rows.stop)),
                    "user_id": user_ids(readings.user[rows]),
                    "metric": _pick(list(world.METRICS), readings.metric[rows]),
                    "value": value,
                    "unit": unit,
                    "raw_value": value,
                    "raw_unit": unit,
                    "observed_at": _instants(readings.at[rows]),
                    "source": _pick(list(world.SOURCES), readings.source[rows]),
                }
            ),
        )


def user_ids(numbers: Any) -> pa.Array:
    """Ids of people."""
    return _numbered("p", numbers)


def _numbered(letter: str, numbers: Any) -> pa.Array:
    padded = pc.utf8_lpad(pa.array(numbers).cast(pa.string()), 9, "0")
    return pc.binary_join_element_wise(letter, padded, "")


def _pick(names: list[str], places: Any) -> pa.Array:
    return pa.array(names).take(pa.array(places.astype(np.int64)))


def _instants(at: Any) -> pa.Array:
    return pa.array((at * 1e6).astype(np.int64)).cast(pa.timestamp("us", "UTC"))


def _stretches(n: int) -> list[slice]:
    return [slice(start, min(start + _ROWS, n)) for start in range(0, n, _ROWS)]


def _fill(
    engine: Engine, table: str, blocks: Iterator[tuple[int, pa.Table]], progress: Progress
) -> None:
    with writing(engine) as connection:
        indexes = _without_indexes(connection, table)
        done = 0
        for total, block in blocks:
            put(connection, table, block)
            done += block.num_rows
            progress(f"load {table}", done / total)
        for statement in indexes:
            connection.execute(text(statement))


def _without_indexes(connection: Connection, table: str) -> list[str]:
    """Drop what is not a key, and stop checking keys; the statements that make it again."""
    if connection.dialect.name != POSTGRESQL:
        connection.execute(text("PRAGMA defer_foreign_keys = ON"))
        return []
    connection.execute(text("SET LOCAL session_replication_role = replica"))
    connection.execute(text("SET LOCAL maintenance_work_mem = '512MB'"))
    found = connection.execute(
        text(
            "SELECT i.indexname, i.indexdef FROM pg_indexes i WHERE i.tablename = :name AND NOT "
            "EXISTS (SELECT FROM pg_constraint c WHERE c.conname = i.indexname)"
        ),
        {"name": table},
    ).all()
    for name, _ in found:
        connection.execute(text(f'DROP INDEX "{name}"'))
    return [definition for _, definition in found]


def put(connection: Connection, table: str, rows: pa.Table) -> None:
    """Add rows by a bare COPY or executemany."""
    names = ", ".join(rows.column_names)
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == POSTGRESQL:
        with (
            driver.cursor() as cursor,
            cursor.copy(f"COPY {table} ({names}) FROM STDIN (FORMAT csv)") as copy,
        ):
            copy.write(as_csv(rows))
        return
    places = ", ".join("?" for _ in rows.column_names)
    driver.executemany(f"INSERT INTO {table} ({names}) VALUES ({places})", as_tuples(rows))


def as_csv(rows: pa.Table) -> bytes:
    """As COPY takes it."""
    written = io.BytesIO()
    csv.write_csv(rows, written, csv.WriteOptions(include_header=False))
    return written.getvalue()


def as_tuples(rows: pa.Table) -> list[tuple[Any, ...]]:
    """As executemany takes it, with SQLite's texts for instants and days."""
    columns = []
    for column in rows.columns:
        if pa.types.is_timestamp(column.type):
            column = pc.binary_replace_slice(column.cast(pa.string()), 10, 11, "T")
        elif pa.types.is_date(column.type):
            column = column.cast(pa.string())
        columns.append(column.to_pylist())
    return list(zip(*columns, strict=True))


def _tidy(engine: Engine) -> None:
    """Vacuum until index-only scans need not visit the tables, as they will once time has passed.

    What an open transaction anywhere on the server may still miss, a vacuum leaves for later.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if engine.dialect.name != POSTGRESQL:
            connection.execute(text("ANALYZE"))
            return
        for _ in range(_VACUUMS):
            connection.execute(text("VACUUM ANALYZE"))
            if connection.execute(text(_SEEN_BY_EVERYBODY)).scalar_one():
                return
            time.sleep(1)


_VACUUMS = 30
_SEEN_BY_EVERYBODY = (
    "SELECT bool_and(relallvisible >= 0.95 * relpages) FROM pg_class"
    " WHERE oid IN ('users'::regclass, 'events'::regclass, 'observations'::regclass)"
)
