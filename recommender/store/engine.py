"""Connections and transactions: the only place of the product that commits.

``reading`` is one consistent snapshot, ``writing`` one transaction that is kept as a
whole or not at all, whatever happens to the process. Database errors leave here as
:class:`~recommender.errors.StoreError` with words that hold no one's data.
"""

from __future__ import annotations

import selectors
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import orjson
from sqlalchemy import Connection as Connection
from sqlalchemy import Engine as Engine
from sqlalchemy import StaticPool, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from recommender.errors import NotMigratedError, RefusedError, SettingsError, StoreError
from recommender.store.patience import Patience as Patience
from recommender.store.patience import pool_options, timeout_options

SQLITE = "sqlite"
POSTGRESQL = "postgresql"

_BUSY_TIMEOUT_S = 30
_CONNECT_TIMEOUT_S = 10
_LOG_PAGES = 10_000
"""Length of SQLite's log at which a commit has to copy it; ``checkpoints`` does so before."""
_WRITES = "recommender_writes"
MIGRATION_LOCK = 7_164_001
_SQLITE_NO_TABLE = "no such table"
_POSTGRESQL_NO_TABLE = "42P01"
_POSTGRESQL_BAD_VALUE = "22"  # a class of errors: their words quote the value


def connect(url: str, patience: Patience | None = None) -> Engine:
    """Open a database and make sure that it answers.

    Parameters
    ----------
    url
        ``sqlite:///file.db``, ``sqlite://`` (in memory), ``postgresql://…`` or
        ``postgresql+psycopg://…``.
    patience
        None for work that may take as long as it takes, such as a training.

    Raises
    ------
    SettingsError
        The URL is malformed or names another kind of database.
    StoreError
        The database can't be reached.
    """
    parsed = _parse(url)
    make = _sqlite if parsed.get_backend_name() == SQLITE else _postgresql
    engine = make(parsed, patience)
    try:
        with in_plain_words(engine), engine.connect():
            pass
    except StoreError:
        engine.dispose()
        raise
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Give a connection that sees one snapshot and changes nothing."""
    with in_plain_words(engine), engine.connect() as conn:
        if engine.dialect.name == POSTGRESQL:
            conn = conn.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        yield conn


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Give a connection in a transaction: kept at the end, undone on any error."""
    with (
        in_plain_words(engine),
        engine.connect().execution_options(**{_WRITES: True}) as conn,
        conn.begin(),
    ):
        yield conn


@contextmanager
def migrating(engine: Engine) -> Iterator[Connection]:
    """Give a connection in a transaction that no other migration runs beside.

    SQLite rebuilds a table by dropping the old one, which must not cascade: foreign
    keys are off meanwhile and checked before the end.
    """
    with in_plain_words(engine), engine.connect() as conn:
        if engine.dialect.name == POSTGRESQL:
            with conn.begin():
                conn.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
                yield conn
            return
        driver = conn.connection.dbapi_connection
        assert driver is not None
        driver.execute("PRAGMA foreign_keys = OFF")
        try:
            with conn.execution_options(**{_WRITES: True}).begin():
                yield conn
                if conn.exec_driver_sql("PRAGMA foreign_key_check").first():
                    raise StoreError("the migration would leave rows that refer to nothing")
        finally:
            driver.execute("PRAGMA foreign_keys = ON")


def json_text(value: Any) -> str:
    """Write JSON compactly; what is not a number becomes null."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY).decode()


_COMMON: dict[str, Any] = {
    "hide_parameters": True,
    "json_serializer": json_text,
    "json_deserializer": orjson.loads,
}


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is not None and parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        return parsed
    if parsed is not None and parsed.drivername in ("postgresql", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    # The URL is not repeated: it may hold a password.
    raise SettingsError("the database URL must look like sqlite:///file.db or postgresql://…")


def _sqlite(url: URL, patience: Patience | None) -> Engine:
    options: dict[str, Any] = pool_options(patience)
    if is_memory(url):
        options = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
    engine = create_engine(url, **_COMMON, **options)
    wait_s = patience.seconds if patience else _BUSY_TIMEOUT_S
    event.listen(engine, "connect", partial(_prepare_sqlite, wait_s))
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def is_memory(url: URL) -> bool:
    """Tell whether a SQLite URL names a database that lives in this process only."""
    return url.database in (None, "", ":memory:") or url.query.get("mode") == "memory"


def _prepare_sqlite(wait_s: float, connection: Any, _record: Any) -> None:
    # The driver must not begin transactions by itself: `_begin_sqlite` does.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {round(wait_s * 1000)}")
    _use_wal(connection)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
    connection.execute("PRAGMA foreign_keys = ON")


def _use_wal(connection: Any) -> None:
    # Changing the journal does not wait for locks, so two processes that open a new
    # file at once would disturb each other without this patience.
    deadline = time.monotonic() + _BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
        except Exception as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _begin_sqlite(conn: Connection) -> None:
    # A writer takes its place at once: one that starts as a reader could be refused later.
    writes = conn.get_execution_options().get(_WRITES, False)
    conn.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgresql(url: URL, patience: Patience | None) -> Engine:
    engine = create_engine(
        url,
        **_COMMON,
        **pool_options(patience),
        pool_use_lifo=True,
        connect_args={"connect_timeout": _CONNECT_TIMEOUT_S, **timeout_options(url, patience)},
    )
    event.listen(engine, "checkout", _refuse_closed)
    return engine


# The default one asks the system four times, this one once; Windows has none.
_Selector: type[selectors.BaseSelector] = getattr(
    selectors, "PollSelector", selectors.DefaultSelector
)


def _refuse_closed(connection: Any, _record: Any, _proxy: Any) -> None:
    # An idle connection has something to read only if the server ended it: asking the
    # socket costs microseconds where a ping would cost a round trip.
    if connection.closed:
        raise DisconnectionError("closed")
    with _Selector() as selector:
        selector.register(connection.fileno(), selectors.EVENT_READ)
        if selector.select(timeout=0):
            raise DisconnectionError("ended by the server")


@contextmanager
def in_plain_words(engine: Engine) -> Iterator[None]:
    """Turn the database's errors into a StoreError that quotes no row."""
    driver_error = engine.dialect.loaded_dbapi.Error
    try:
        yield
    except (DBAPIError, driver_error) as error:
        # The original may quote a row in its details, so that it isn't chained.
        raise _store_error(engine, error) from None
    except NoConnectionError:
        raise StoreError("every connection to the database is in use") from None


def _store_error(engine: Engine, error: Exception) -> StoreError:
    original = error.orig if isinstance(error, DBAPIError) and error.orig else error
    kind = type(original).__name__
    reason = next(iter(str(original).splitlines()), "") or kind
    code = getattr(original, "sqlstate", None)
    if code == _POSTGRESQL_NO_TABLE or reason.startswith(_SQLITE_NO_TABLE):
        return NotMigratedError("the database is not set up; run `recommender upgrade`")
    if kind == "OperationalError":
        where = engine.url.render_as_string(hide_password=True)
        hint = " (is the disk full?)" if "disk" in reason or "No space" in reason else ""
        return StoreError(f"the database {where} can't be used: {reason}{hint}")
    if str(code).startswith(_POSTGRESQL_BAD_VALUE):
        return RefusedError(f"the database refused ({kind}): a value of a kind it can't hold")
    driver = engine.dialect.loaded_dbapi
    if isinstance(original, driver.DataError | driver.IntegrityError):
        return RefusedError(f"the database refused ({kind}): {reason}")
    return StoreError(f"the database refused ({kind}): {reason}")
