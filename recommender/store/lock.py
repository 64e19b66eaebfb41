"""One training at a time, on all machines that share a database.

The lock belongs to the process: the server or the kernel releases it when the process
dies in whatever way, so that nothing has to be mended by hand.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from recommender.errors import LockHeldError
from recommender.store.engine import POSTGRESQL, is_memory

_TRAIN_LOCK = 7_164_000
_in_memory = threading.Lock()

Check = Callable[[], None]


@contextmanager
def train_lock(engine: Engine) -> Iterator[Check]:
    """Hold the training lock of a database.

    Yields
    ------
    Callable
        Raises LockHeldError if the lock was lost meanwhile; to be called before publishing.

    Raises
    ------
    LockHeldError
        Another train holds it; told at once.
    """
    if engine.dialect.name == POSTGRESQL:
        holder = _held_by_session(engine)
    elif is_memory(engine.url):
        holder = _held_in_memory()
    else:
        holder = _held_by_file(_lock_path(engine))
    with holder as check:
        yield check


def train_is_under_way(engine: Engine) -> bool:
    """Tell whether some training holds the lock, without standing in the way of one."""
    if engine.dialect.name == POSTGRESQL:
        # A single key of 64 bits is shown as its two halves; objsubid tells it from two keys.
        query = text(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted "
            "AND classid = 0 AND objid = :key AND objsubid = 1 "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        with engine.connect() as conn:
            return bool(conn.execute(query, {"key": _TRAIN_LOCK}).scalar())
    try:
        with train_lock(engine):
            return False
    except LockHeldError:
        return True


@contextmanager
def _held_by_session(engine: Engine) -> Iterator[Check]:
    # An own connection without transaction: it only stands there and keeps the lock.
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        taken = conn.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _TRAIN_LOCK})
        if not taken.scalar():
            raise _busy()
        try:
            yield lambda: _still_holds(conn)
        finally:
            # Never back into the pool: the lock ends with the session.
            conn.invalidate()


def _still_holds(conn: Connection) -> None:
    try:
        conn.execute(text("SELECT 1"))
    except DBAPIError:
        raise LockHeldError("the training lock was lost: its connection has ended") from None


@contextmanager
def _held_by_file(path: Path) -> Iterator[Check]:
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise _busy() from None
    try:
        yield lambda: _still_there(path)
    finally:
        lock.release()


def _still_there(path: Path) -> None:
    if not path.exists():
        raise LockHeldError(f"the training lock was lost: {path.name} was removed")


@contextmanager
def _held_in_memory() -> Iterator[Check]:
    if not _in_memory.acquire(blocking=False):
        raise _busy()
    try:
        yield lambda: None
    finally:
        _in_memory.release()


def _lock_path(engine: Engine) -> Path:
    name = (engine.url.database or "").removeprefix("file:")
    path = Path(name).resolve()
    return path.with_name(path.name + ".train.lock")


def _busy() -> LockHeldError:
    return LockHeldError("another train holds the lock; it will be free when that one ends")
