"""One training at a time; a dead process holds nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import Engine

from recommender.errors import LockHeldError, LockLostError, StoreError
from recommender.store import lease
from recommender.store.engine import connect, writing
from recommender.store.lock import train_lock

_HOLDER = """
import sys, time
from recommender.store.engine import connect
from recommender.store.lock import train_lock
with train_lock(connect(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_second_train_is_told_at_once(engine: Engine) -> None:
    with train_lock(engine) as check:
        check()
        with pytest.raises(LockHeldError), train_lock(engine):
            pass
        check()
    with train_lock(engine):
        pass


def test_released_on_error(engine: Engine) -> None:
    def fail() -> None:
        with train_lock(engine):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with train_lock(engine):
        pass


def test_killed_process_holds_nothing(database_url: str) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, database_url], stdout=subprocess.PIPE, text=True
    )
    engine = connect(database_url)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LockHeldError), train_lock(engine):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        _take_soon(engine)
    finally:
        holder.kill()
        holder.communicate()
        engine.dispose()


def _take_soon(engine: Engine) -> None:
    # The server notices a closed connection within moments.
    for _ in range(100):
        try:
            with train_lock(engine):
                return
        except LockHeldError:
            signal.sigtimedwait([], 0.05)
    pytest.fail("the lock of a killed process was never released")


def test_a_lock_whose_connection_was_cut_is_taken_again(postgres_url: str) -> None:
    engine = connect(postgres_url)
    with train_lock(engine) as check:
        _cut(engine)
        check()
        with pytest.raises(LockHeldError), train_lock(connect(postgres_url)):
            pass
    engine.dispose()


def test_a_lock_that_another_took_meanwhile_is_lost(postgres_url: str) -> None:
    engine, other = connect(postgres_url), connect(postgres_url)
    with train_lock(engine) as check:
        _cut(engine)
        with train_lock(other), pytest.raises(LockLostError, match="lost"):
            check()
    engine.dispose()
    other.dispose()


def test_a_lock_without_signs_of_life_expires(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, other = connect(postgres_url), connect(postgres_url)
    with train_lock(engine, 0.4) as check:
        time.sleep(1)
        check()
        with pytest.raises(LockHeldError), train_lock(other):
            pass
    # As if the process stood still: the thread that gives signs of life does not come round.
    monkeypatch.setattr(lease, "_BEATS", 1e-3)
    with train_lock(engine, 0.4):
        time.sleep(0.6)
        with train_lock(other):
            pass
    engine.dispose()
    other.dispose()


def test_whoever_takes_over_ends_what_the_one_before_left(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "_BEATS", 1e-3)
    engine, other = connect(postgres_url), connect(postgres_url)
    free: list[str] = []
    with train_lock(engine, 0.2), suppress(StoreError), writing(engine) as conn:
        conn.exec_driver_sql("LOCK TABLE runs")
        time.sleep(0.5)
        with train_lock(other), writing(other) as mine:
            mine.exec_driver_sql("LOCK TABLE runs NOWAIT")
            free.append("runs")
    assert free == ["runs"]
    engine.dispose()
    other.dispose()


def _cut(engine: Engine) -> None:
    with writing(engine) as conn:
        conn.exec_driver_sql(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks "
            "WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
        )


def test_removed_lock_file_is_noticed(sqlite_url: str) -> None:
    engine = connect(sqlite_url)
    path = Path(f"{engine.url.database}.train.lock")
    with train_lock(engine) as check:
        os.unlink(path)
        with pytest.raises(LockLostError, match="lost"):
            check()
    engine.dispose()


def test_memory_database() -> None:
    engine = connect("sqlite://")
    with train_lock(engine) as check:
        check()
        with pytest.raises(LockHeldError), train_lock(engine):
            pass
    engine.dispose()
