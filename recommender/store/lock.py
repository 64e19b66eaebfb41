"""One training at a time, on all machines that share a database.

The lock belongs to the process: the server or the kernel releases it when the process
dies in whatever way, so that nothing has to be mended by hand. On PostgreSQL it is a lease
too: a machine that has vanished, or a process that is stopped, loses it to the next train.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import Engine, text

from recommender.errors import LockHeldError, LockLostError, StoreError
from recommender.store.engine import POSTGRESQL, in_plain_words, is_memory, reading
from recommender.store.lease import TRAIN_LOCK, Lease, holder_of
from recommender.store.under_way import training_since

LEASE_SECONDS = 120.0
_in_memory = threading.Lock()

Check = Callable[[], None]


@contextmanager
def train_lock(engine: Engine, lease_seconds: float = LEASE_SECONDS) -> Iterator[Check]:
    """Hold the training lock of a database.

    Parameters
    ----------
    lease_seconds
        PostgreSQL: how long a machine that has vanished keeps others out.

    Yields
    ------
    Callable
        Raises LockLostError if the lock was lost meanwhile; to be called before publishing.

    Raises
    ------
    LockHeldError
        Another train holds it; told at once, with which and since when where that is known.
    """
    if engine.dialect.name == POSTGRESQL:
        holder = _held_by_session(engine, lease_seconds)
    elif is_memory(engine.url):
        holder = _held_in_memory(engine)
    else:
        holder = _held_by_file(engine)
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
        with in_plain_words(engine), engine.connect() as conn:
            return bool(conn.execute(query, {"key": TRAIN_LOCK}).scalar())
    try:
        with train_lock(engine):
            return False
    except LockHeldError:
        return True


@contextmanager
def _held_by_session(engine: Engine, lease_seconds: float) -> Iterator[Check]:
    lease = Lease(engine, lease_seconds)
    with in_plain_words(engine):
        taken = lease.take()
    if not taken:
        raise _busy(engine)
    try:
        with lease.kept_alive():
            yield lambda: _still_holds(lease)
    finally:
        lease.let_go()


def _still_holds(lease: Lease) -> None:
    if not lease.renew():
        raise LockLostError(
            "the training lock was lost: its connection has ended, and could not be had again"
        )


@contextmanager
def _held_by_file(engine: Engine) -> Iterator[Check]:
    path = _lock_path(engine)
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise _busy(engine) from None
    try:
        yield lambda: _still_there(path)
    finally:
        lock.release()


def _still_there(path: Path) -> None:
    if not path.exists():
        raise LockLostError(f"the training lock was lost: {path.name} was removed")


@contextmanager
def _held_in_memory(engine: Engine) -> Iterator[Check]:
    if not _in_memory.acquire(blocking=False):
        raise _busy(engine)
    try:
        yield lambda: None
    finally:
        _in_memory.release()


def _lock_path(engine: Engine) -> Path:
    name = (engine.url.database or "").removeprefix("file:")
    path = Path(name).resolve()
    return path.with_name(path.name + ".train.lock")


def _busy(engine: Engine) -> LockHeldError:
    known = where = ""
    with suppress(StoreError), reading(engine) as conn:
        if conn.dialect.name == POSTGRESQL:
            holder = holder_of(conn)
            where = f", process {holder}" if holder else ""
        run = training_since(conn)
        known = f": run {run[0]}, since {run[1]:%Y-%m-%d %H:%M:%S} UTC{where}" if run else where
    return LockHeldError(f"another train holds the lock{known}; it will be free when that one ends")
