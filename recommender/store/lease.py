"""The training lock on PostgreSQL: held by a session that has to give signs of life.

The server ends the lock's session when nothing was heard of it for the length of the lease
(``idle_session_timeout``, PostgreSQL 14), by its own clock. So a machine that has vanished, or
a process that is stopped, keeps nobody out for longer. Whoever takes the lock next ends the
sessions that the one before may have left, and marks its run as failed; what the one before
still does is refused by ``under_way.require_in_charge``.
"""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import SQLAlchemyError

TRAIN_LOCK = 7_164_000
"""Key of the advisory lock."""
_BEATS = 4
"""Signs of life in the length of a lease."""
_NAME = "recommender train"
_NAME_BYTES = 63
_GONE_MS = 10_000

_TAKE = text("SELECT pg_try_advisory_lock(:key)")
_RELEASE = text("SELECT pg_advisory_unlock(:key)")
_PREPARE = text(
    "SELECT set_config('idle_session_timeout', :idle, false), "
    "set_config('application_name', :name, false)"
)
_END_OTHERS = text(
    "SELECT pg_terminate_backend(pid, :wait) FROM pg_stat_activity "
    "WHERE datname = current_database() AND usename = current_user "
    "AND application_name LIKE :others AND application_name <> :name"
)
_HOLDER = text(
    "SELECT application_name FROM pg_stat_activity JOIN pg_locks USING (pid) "
    "WHERE locktype = 'advisory' AND granted AND classid = 0 AND objid = :key AND objsubid = 1 "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


class Lease:
    """The lock and the session that holds it; a session that was cut off is replaced.

    Parameters
    ----------
    seconds
        How long the server waits for a sign of life.
    """

    def __init__(self, engine: Engine, seconds: float) -> None:
        self._engine = engine
        self._seconds = seconds
        self._name = _session_name()
        self._conn: Connection | None = None
        self._one_at_a_time = threading.Lock()

    def take(self) -> bool:
        """Take the lock; False if another holds it. Ends what an earlier holder left."""
        conn = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            if not conn.execute(_TAKE, {"key": TRAIN_LOCK}).scalar():
                conn.close()
                return False
            idle_ms = str(max(round(self._seconds * 1000), 1))
            conn.execute(_PREPARE, {"idle": idle_ms, "name": self._name})
            others = {"others": f"{_NAME} %", "name": self._name, "wait": _GONE_MS}
            conn.execute(_END_OTHERS, others)
        except BaseException:
            _end(conn)
            raise
        self._conn = conn
        return True

    def renew(self) -> bool:
        """Give a sign of life, or take the lock again if its session has ended; False if lost."""
        with self._one_at_a_time:
            if self._conn is not None:
                try:
                    self._conn.execute(text("SELECT 1"))
                except SQLAlchemyError:
                    self._drop()
                else:
                    return True
            try:
                return self.take()
            except SQLAlchemyError:  # the server is away; it may be back at the next sign of life
                return False

    def let_go(self) -> None:
        """Let others have the lock at once: the server takes its time to end a session."""
        with self._one_at_a_time:
            if self._conn is not None:
                with suppress(SQLAlchemyError):
                    self._conn.execute(_RELEASE, {"key": TRAIN_LOCK})
            self._drop()

    def _drop(self) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            _end(conn)

    @contextmanager
    def kept_alive(self) -> Iterator[None]:
        """Give signs of life in a thread of its own, and name the sessions opened meanwhile."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(self._seconds / _BEATS):
                self.renew()

        heart = threading.Thread(target=beat, name="train-lease", daemon=True)
        with _named_sessions(self._engine, self._name):
            heart.start()
            try:
                yield
            finally:
                over.set()
                heart.join()


def _session_name() -> str:
    # As it stands in pg_stat_activity. Processes in containers may share their host and number.
    who = f":{os.getpid()} {uuid.uuid4().hex[:8]}"
    return f"{_NAME} {socket.gethostname()}"[: _NAME_BYTES - len(who)] + who


def holder_of(conn: Connection) -> str | None:
    """Machine and process that hold the lock, as ``host:pid``, where it can be told."""
    name = conn.execute(_HOLDER, {"key": TRAIN_LOCK}).scalar()
    return None if not name else str(name).removeprefix(f"{_NAME} ").rpartition(" ")[0] or None


def _end(conn: Connection) -> None:
    # Never back into the pool: the lock ends with the session.
    with suppress(SQLAlchemyError):
        conn.invalidate()
        conn.close()


@contextmanager
def _named_sessions(engine: Engine, own_name: str) -> Iterator[None]:
    def name(_dialect: Any, _record: Any, _arguments: Any, options: dict[str, Any]) -> None:
        options["application_name"] = own_name

    # What is open already has no name yet.
    engine.dispose()
    event.listen(engine, "do_connect", name)
    try:
        yield
    finally:
        event.remove(engine, "do_connect", name)
        engine.dispose()
