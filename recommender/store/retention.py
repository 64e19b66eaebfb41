"""What has to go: nightly rows of erased people and of runs that are no longer kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection, Engine, Table, delete, exists, func, select, true, update

from recommender.store import partitions, schema
from recommender.store.engine import POSTGRESQL, reading, writing

_ERASURE_LOCK = 7_164_002
_ROWS_AT_ONCE = 5_000
_PAUSE_S = 0.02
"""Between two batches of deletions on SQLite: who waits for the lock looks again this soon."""


def one_at_a_time(conn: Connection) -> None:
    """Let erasing and publishing wait for each other until the transaction's end.

    SQLite has a single writer anyway.
    """
    if conn.dialect.name == POSTGRESQL:
        conn.execute(select(func.pg_advisory_xact_lock(_ERASURE_LOCK)))


def forget_erased(conn: Connection, run_id: str, since: datetime) -> None:
    """Drop a run's rows of people erased while it was trained."""
    one_at_a_time(conn)
    log = schema.access_log.c
    if conn.execute(select(1).where(log.operation == "erase", log.at >= since).limit(1)).first():
        _forget_strangers(conn, run_id)


def erasures(conn: Connection) -> int:
    """How many people were ever erased; what was erased meanwhile shows whatever clocks say."""
    query = select(func.count()).where(schema.access_log.c.operation == "erase")
    return int(conn.execute(query).scalar_one())


def forget_erased_after(conn: Connection, run_id: str, erasures_before: int) -> None:
    """Drop a run's rows of people who were not among the first so many erasures."""
    one_at_a_time(conn)
    if erasures(conn) != erasures_before:
        _forget_strangers(conn, run_id)


def _forget_strangers(conn: Connection, run_id: str) -> None:
    if conn.dialect.name == POSTGRESQL:
        partitions.forget(conn, run_id)
        return
    for table in nightly_tables():
        known = exists().where(schema.users.c.user_id == table.c.user_id)
        conn.execute(delete(table).where(table.c.run_id == run_id, ~known))


def clean_up(conn: Connection, keep: int) -> None:
    """Let go of old and crashed runs; call it with the train lock held, then ``make_room``.

    A run still marked as training has lost its process and is marked as failed. Scores and
    models stay for the newest ``keep`` published runs (the one in force is always among
    them). The rows of ``runs``, ``run_metrics`` and ``publications`` stay for good.
    """
    runs, publications = schema.runs.c, schema.publications.c
    conn.execute(
        update(schema.runs).where(runs.status == "training"),
        {"status": "failed", "message": "ended without a word: its process was lost"},
    )
    newest = (
        select(publications.run_id)
        .group_by(publications.run_id)
        .order_by(func.max(publications.publication_id).desc())
        .limit(max(keep, 1))
    )
    kept = list(conn.execute(newest).scalars())
    conn.execute(
        update(schema.runs).where(runs.artifact.is_not(None), runs.run_id.not_in(kept)),
        {"artifact": None},
    )


def make_room(engine: Engine) -> None:
    """Drop the nightly rows of every run whose model is gone; call it with the train lock held.

    Nobody waits for it for long: PostgreSQL drops a table a run as soon as its readers are done,
    if need be the next night; SQLite deletes a little at a time and lets others write in between.
    """
    with reading(engine) as conn:
        has_model = select(schema.runs.c.run_id).where(schema.runs.c.artifact.is_not(None))
        kept = set(conn.execute(has_model).scalars())
    if engine.dialect.name == POSTGRESQL:
        partitions.drop_all_but(engine, kept)
        return
    for table in nightly_tables():
        with reading(engine) as conn:
            gone = [run_id for run_id in runs_in(conn, table) if run_id not in kept]
        for run_id in gone:
            _delete_slowly(engine, table, run_id)


def _delete_slowly(engine: Engine, table: Table, run_id: str) -> None:
    """Delete a run's rows in transactions of a few hundredths of a second each."""
    of_run, user_id = table.c.run_id == run_id, table.c.user_id
    last = select(user_id).where(of_run).order_by(user_id).offset(_ROWS_AT_ONCE).limit(1)
    more = True
    while more:
        with writing(engine) as conn:
            until = conn.execute(last).scalar()
            more = until is not None
            conn.execute(delete(table).where(of_run, user_id <= until if more else true()))
        time.sleep(_PAUSE_S)


def drop_nightly(conn: Connection, run_id: str) -> None:
    """Drop a run's nightly rows, such as what an attempt that was cut short has left."""
    if conn.dialect.name == POSTGRESQL:
        partitions.drop(conn, run_id)
        return
    for table in nightly_tables():
        conn.execute(delete(table).where(table.c.run_id == run_id))


def nightly_tables() -> tuple[Table, Table]:
    """Tables with rows for everybody in every kept run."""
    return schema.scores, schema.nightly_withheld


def runs_in(conn: Connection, table: Table) -> Iterator[str]:
    """Yield the runs that have rows in a nightly table, skipping along its key (SQLite)."""
    run_id = conn.execute(select(func.min(table.c.run_id))).scalar()
    while run_id is not None:
        yield run_id
        following = select(func.min(table.c.run_id)).where(table.c.run_id > run_id)
        run_id = conn.execute(following).scalar()
