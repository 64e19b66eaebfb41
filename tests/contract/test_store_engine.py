"""Transactions are kept whole or not at all; errors say what is wrong and nothing private."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, func, insert, select
from store_rows import ago, event_row, scores_for, user_row

from recommender.errors import SettingsError, StoreError
from recommender.store import schema
from recommender.store.engine import connect, reading, writing
from recommender.store.runs import write_scores
from recommender.store.score_rows import begin_scores

_WRITER = """
import sys, time
from recommender.store.engine import connect, writing
with writing(connect(sys.argv[1])) as conn:
    conn.exec_driver_sql(
        "INSERT INTO users (user_id, created_at, updated_at) "
        "VALUES ('ann', '2026-01-01T00:00:00.000000Z', '2026-01-01T00:00:00.000000Z')"
    )
    print("written", flush=True)
    time.sleep(60)
"""


def _count(engine: Engine) -> int:
    with reading(engine) as conn:
        return int(conn.execute(select(func.count()).select_from(schema.users)).scalar_one())


def test_error_undoes_everything(engine: Engine) -> None:
    def add_and_fail() -> None:
        with writing(engine) as conn:
            conn.execute(insert(schema.users), user_row("ann"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        add_and_fail()
    assert _count(engine) == 0


def test_killed_process_leaves_nothing(database_url: str, engine: Engine) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITER, database_url], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    try:
        assert writer.stdout.readline() == "written\n"
    finally:
        writer.kill()
        writer.communicate()
    with writing(engine) as conn:
        conn.execute(insert(schema.users), user_row("ann"))
    assert _count(engine) == 1


def test_reading_is_one_snapshot(engine: Engine) -> None:
    with reading(engine) as conn:
        count = select(func.count()).select_from(schema.users)
        assert conn.execute(count).scalar() == 0
        with writing(engine) as other:
            other.execute(insert(schema.users), user_row("ann"))
        assert conn.execute(count).scalar() == 0
    assert _count(engine) == 1


def test_writers_wait_for_each_other(engine: Engine) -> None:
    # Each reads before it writes: without its place taken at once, one would be refused.
    def add(name: str) -> None:
        with writing(engine) as conn:
            conn.execute(select(func.count()).select_from(schema.users)).scalar()
            conn.execute(insert(schema.users), user_row(name))

    threads = [threading.Thread(target=add, args=(f"u{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _count(engine) == 8


def test_sqlite_settings(sqlite_url: str) -> None:
    engine = connect(sqlite_url)
    with reading(engine) as conn:
        pragmas = {
            name: conn.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
        }
    engine.dispose()
    assert pragmas == {
        "journal_mode": "wal",
        "foreign_keys": 1,
        "busy_timeout": 30_000,
        "synchronous": 1,
    }


def test_errors_quote_no_record(engine: Engine) -> None:
    with pytest.raises(StoreError) as caught, writing(engine) as conn:
        conn.execute(insert(schema.events), event_row("e", "Private Name", "walk", ago(days=1)))
    assert "Private" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_errors_of_bulk_writing_quote_no_record(engine: Engine) -> None:
    verdict = np.array(["allow", "Private Name"], dtype=object)
    batch = replace(scores_for("Private Name"), verdict=verdict)

    def write() -> None:
        with writing(engine) as conn:
            begin_scores(conn, "r1")
            write_scores(conn, "r1", batch)

    with pytest.raises(StoreError) as caught:
        write()
    assert "Private" not in str(caught.value)
    assert caught.value.__suppress_context__
    assert _count(engine) == 0


def test_password_is_never_shown() -> None:
    with pytest.raises(StoreError, match="can't be used") as caught:
        connect("postgresql://someone:geheim@127.0.0.1:1/none")
    assert "geheim" not in str(caught.value)
    with pytest.raises(SettingsError) as refused:
        connect("mysql://someone:geheim@127.0.0.1/none")
    assert "geheim" not in str(refused.value)
    with pytest.raises(SettingsError):
        connect("no url")


def test_unreachable_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="unable to open"):
        connect(f"sqlite:///{tmp_path}/missing/recommender.db")


def test_both_postgresql_url_forms(postgres_url: str) -> None:
    for url in (postgres_url, postgres_url.replace("postgresql://", "postgresql+psycopg://")):
        engine = connect(url)
        assert _count(engine) == 0
        engine.dispose()


def test_connection_ended_by_the_server_is_replaced(postgres_url: str) -> None:
    engine = connect(postgres_url)
    assert _count(engine) == 0
    other = connect(postgres_url)
    with writing(other) as conn:
        conn.exec_driver_sql(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert _count(engine) == 0
    engine.dispose()
    other.dispose()


def test_memory_database_is_one_database() -> None:
    engine = connect("sqlite://")
    with writing(engine) as conn:
        conn.exec_driver_sql("CREATE TABLE t (n INTEGER)")
    with reading(engine) as conn:
        assert conn.exec_driver_sql("SELECT count(*) FROM t").scalar() == 0
    engine.dispose()
