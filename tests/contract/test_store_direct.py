"""Statements on the driver itself, and the thread that keeps SQLite's log short."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url, text
from store_rows import NOW

from recommender.errors import NotMigratedError, StoreError
from recommender.store.checkpoints import checkpoints_beside
from recommender.store.column_types import instant_value
from recommender.store.direct import direct, placeholder
from recommender.store.engine import connect, reading, writing

_OTHERS = "at, operation, user_id, channel"
_COUNT = "SELECT count(*) FROM access_log"


def _look(engine: Engine, user_id: str | None) -> None:
    dialect = engine.dialect.name
    at, user = (placeholder(dialect, name) for name in ("at", "user"))
    statement = (
        "INSERT INTO access_log (at, operation, user_id, channel)"
        f" VALUES ({at}, 'read', {user}, 'cli')"
    )
    with direct(engine) as store:
        store.run(statement, {"at": instant_value(dialect, NOW), "user": user_id})


def _kept(engine: Engine) -> int:
    with reading(engine) as conn:
        return int(conn.execute(text(_COUNT)).scalar_one())


def test_what_is_done_meanwhile_is_given_once_the_statement_is_done(postgres_url: str) -> None:
    engine = connect(postgres_url)
    began = time.perf_counter()

    def work() -> float:
        time.sleep(0.2)
        return time.perf_counter() - began

    with direct(engine) as store:
        worked = store.run_meanwhile("SELECT pg_sleep(0.3)", {}, work)
        done = time.perf_counter() - began
    assert worked < 0.3 <= done < 0.5  # one after the other would take half a second


def test_nothing_is_given_for_a_statement_that_fails(postgres_url: str) -> None:
    engine, worked = connect(postgres_url), []
    with pytest.raises(StoreError), direct(engine) as store:
        store.run_meanwhile("SELECT 1 / 0", {}, lambda: worked.append("meanwhile"))
    with pytest.raises(ZeroDivisionError), direct(engine) as store:
        store.run_meanwhile("SELECT 1", {}, lambda: 1 // 0)
    with direct(engine) as store:
        assert store.rows("SELECT 1", {}) == [(1,)]
    assert worked == ["meanwhile"]


def test_where_both_fail_it_is_the_statement_s_error_and_no_row_is_logged(
    postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    statement = "INSERT INTO access_log (at, user_id) VALUES (now(), 'ann-in-person')"
    with caplog.at_level(0), pytest.raises(StoreError), direct(connect(postgres_url)) as store:
        store.run_meanwhile(statement, {}, lambda: 1 // 0)
    assert "ann-in-person" not in caplog.text


def test_a_statement_is_kept_and_rows_come_back(engine: Engine) -> None:
    _look(engine, "ann")
    assert _kept(engine) == 1
    with direct(engine) as store:
        assert store.rows(_COUNT, {}) == [(1,)]


def test_after_an_error_connections_are_as_good_as_before(engine: Engine) -> None:
    with pytest.raises(StoreError):
        _look(engine, None)
    _look(engine, "ann")
    # The connection goes back to the pool: transactions on it must still be undone as a whole.
    with suppress(ZeroDivisionError), writing(engine) as conn:
        conn.execute(text(f"INSERT INTO access_log ({_OTHERS}) SELECT {_OTHERS} FROM access_log"))
        raise ZeroDivisionError
    assert _kept(engine) == 1


def test_a_database_that_is_not_set_up_says_so(empty_engine: Engine) -> None:
    with pytest.raises(NotMigratedError), direct(empty_engine) as store:
        store.rows(_COUNT, {})


def test_the_log_is_copied_beside_and_the_thread_ends(sqlite_url: str) -> None:
    path = Path(make_url(sqlite_url).database or "")
    engine = connect(sqlite_url)
    with checkpoints_beside(engine):
        _look(engine, "a-name-to-find")
        deadline = time.monotonic() + 10
        while b"a-name-to-find" not in path.read_bytes():
            assert time.monotonic() < deadline, "never copied from the log into the file"
            time.sleep(0.05)
    engine.dispose()


def test_nothing_to_copy_in_memory() -> None:
    with checkpoints_beside(connect("sqlite://")):
        pass
