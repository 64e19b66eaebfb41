"""The access log can be added to and read; receipts prove an erasure and give no one away."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from alembic import command
from sqlalchemy import Engine, make_url, text
from store_rows import NOW, seed, user_row

from recommender.errors import StoreError
from recommender.ingest import ingest_files, record_actions, retry_rejected
from recommender.metrics_list import load_metrics
from recommender.resources import data_path
from recommender.store import schema
from recommender.store.access import (
    Asker,
    erasures_of,
    forgetting,
    log_access,
    log_updates,
    receipt_for,
)
from recommender.store.engine import connect, migrating, reading, writing
from recommender.store.queries import run_query
from recommender.store.upgrade import migration_config, upgrade
from recommender.store.write import erase_user

APP = Asker("k", "http", None, "care")
_ROWS = (
    "SELECT user_id, operation, what, key_id, caller, purpose FROM access_log ORDER BY access_id"
)


@pytest.fixture
def logged(engine: Engine) -> Engine:
    with writing(engine) as conn:
        log_access(conn, NOW, APP, "read", "profile", "ann")
    return engine


@pytest.mark.parametrize(
    "statement", ["DELETE FROM access_log", "UPDATE access_log SET user_id = 'bea'"]
)
def test_entries_stay_as_they_are(logged: Engine, statement: str) -> None:
    with pytest.raises(StoreError, match="append-only"), writing(logged) as conn:
        conn.execute(text(statement))
    with reading(logged) as conn:
        assert conn.execute(text(_ROWS)).all() == [("ann", "read", "profile", "k", None, "care")]


def test_postgresql_does_not_empty_it_either(postgres_url: str) -> None:
    engine = connect(postgres_url)
    with pytest.raises(StoreError, match="append-only"), writing(engine) as conn:
        conn.execute(text("TRUNCATE access_log"))
    engine.dispose()


def test_only_deleting_and_only_inside_its_transaction(logged: Engine) -> None:
    with pytest.raises(StoreError, match="append-only"), writing(logged) as conn, forgetting(conn):
        conn.execute(text("UPDATE access_log SET user_id = 'bea'"))
    with writing(logged) as conn, forgetting(conn):
        pass
    with pytest.raises(StoreError, match="append-only"), writing(logged) as conn:
        conn.execute(text("DELETE FROM access_log"))
    with writing(logged) as conn, forgetting(conn):
        assert conn.execute(text("DELETE FROM access_log")).rowcount == 1


def test_an_entry_each_for_many_people(engine: Engine) -> None:
    people = [f"u:{number}'" for number in range(1000)]
    with writing(engine) as conn:
        log_updates(conn, NOW, APP, "events", people)
        log_updates(conn, NOW, Asker(None, "http"), "events", [])
    with reading(engine) as conn:
        rows = conn.execute(schema.access_log.select()).all()
    assert sorted(row.user_id for row in rows) == sorted(people)
    assert {tuple(row)[1:4] for row in rows} == {(NOW, "k", "update")}
    assert {(row.what, row.purpose, row.caller) for row in rows} == {("events", "care", None)}


def test_a_receipt_proves_an_erasure_to_who_knows_the_id(engine: Engine) -> None:
    seed(engine)
    with writing(engine) as conn:
        erase_user(conn, "ann", NOW, APP)
    with reading(engine) as conn:
        receipt, times = erasures_of(conn, "ann")
        assert times == [NOW]
        assert erasures_of(conn, "bea")[1] == []
        (row,) = conn.execute(text(_ROWS)).all()
    assert tuple(row) == (receipt, "erase", "everything", "k", None, "care")
    assert hashlib.sha256(b"ann").hexdigest() not in receipt


def test_installations_have_receipts_of_their_own(engine: Engine, empty_engine: Engine) -> None:
    upgrade(empty_engine)
    with reading(engine) as here, reading(empty_engine) as there:
        assert receipt_for(here, "ann") != receipt_for(there, "ann")


def test_receipts_of_older_versions_are_keyed(empty_engine: Engine) -> None:
    config = migration_config()
    plain = hashlib.sha256(b"ann").hexdigest()
    with migrating(empty_engine) as conn:
        config.attributes["connection"] = conn
        command.upgrade(config, "0009")
        at = "2026-03-01T12:00:00.000000Z"
        conn.exec_driver_sql(
            "INSERT INTO access_log (at, operation, user_id, channel) VALUES "
            f"('{at}', 'erase', 'erased:{plain}', 'cli'), ('{at}', 'read', 'bea', 'cli')"
        )
    upgrade(empty_engine)
    with reading(empty_engine) as conn:
        assert erasures_of(conn, "ann")[1] == [NOW]
        rows = str(conn.execute(text(_ROWS)).all())
    assert plain not in rows
    assert "'bea'" in rows


def test_an_erased_person_is_not_left_in_the_file(sqlite_url: str) -> None:
    engine = connect(sqlite_url)
    person = "a-name-to-find-in-the-file"
    with writing(engine) as conn:
        people = [user_row(f"{person}-{n}", attributes={"n": person * 9}) for n in range(200)]
        conn.execute(schema.users.insert(), people)
        log_updates(conn, NOW, APP, "users", [row["user_id"] for row in people])
    with writing(engine) as conn:
        for row in people:
            erase_user(conn, row["user_id"], NOW, APP)
    with engine.connect() as conn:
        conn.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    assert person.encode() not in Path(make_url(sqlite_url).database or "").read_bytes()


def test_a_file_leaves_an_entry_a_person_however_many_stretches_it_is_read_in(
    engine: Engine, tmp_path: Path
) -> None:
    many = tmp_path / "events.parquet"  # read in stretches of 65,536 rows
    rows = [(f"e{n}", f"p{n % 3}", "view") for n in range(70_000)]
    rows += [("x", "p9", "flies"), ("y", "p1", "jumps")]
    ids, people, types = map(list, zip(*rows, strict=True))
    same = {
        "action_id": ["walk"] * len(rows),
        "occurred_at": [datetime(2020, 5, 1, tzinfo=UTC)] * len(rows),
    }
    pq.write_table(pa.table({"event_id": ids, "user_id": people, "type": types, **same}), many)
    walk = {"action_id": "walk", "title": "Walk", "domain": "activity"}
    who = Asker(None, "cli", "ops", "nightly feed")
    metrics = load_metrics(data_path("metrics.toml"))
    record_actions(engine, [walk], metrics=metrics, now=NOW, source="test", asker=who)
    report = ingest_files(engine, "events", [str(many)], metrics=metrics, now=NOW, asker=who)
    assert report.accepted == 70_000

    def noted() -> list[tuple[str, ...]]:
        with reading(engine) as connection:
            query = "SELECT user_id, operation, what, caller, purpose FROM access_log"
            return sorted(map(tuple, run_query(connection, query)[1]))

    entry = ("update", "events", "ops", "nightly feed")
    once = [(f"p{n}", *entry) for n in (0, 1, 2, 9)]
    assert noted() == once
    retry_rejected(engine, metrics=metrics, now=NOW, asker=who)
    assert noted() == sorted([*once, ("p1", *entry), ("p9", *entry)])
