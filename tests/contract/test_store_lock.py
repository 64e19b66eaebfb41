"""One training at a time; a dead process holds nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine

from recommender.errors import LockHeldError
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


def test_lost_connection_is_noticed(postgres_url: str) -> None:
    engine = connect(postgres_url)
    with train_lock(engine) as check:
        with writing(engine) as conn:
            conn.exec_driver_sql(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks "
                "WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
            )
        with pytest.raises(LockHeldError, match="lost"):
            check()
    with train_lock(engine) as check:
        check()
    engine.dispose()


def test_removed_lock_file_is_noticed(sqlite_url: str) -> None:
    engine = connect(sqlite_url)
    path = Path(f"{engine.url.database}.train.lock")
    with train_lock(engine) as check:
        os.unlink(path)
        with pytest.raises(LockHeldError, match="lost"):
            check()
    engine.dispose()


def test_memory_database() -> None:
    engine = connect("sqlite://")
    with train_lock(engine) as check:
        check()
        with pytest.raises(LockHeldError), train_lock(engine):
            pass
    engine.dispose()
