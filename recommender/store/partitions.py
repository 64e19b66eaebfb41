"""PostgreSQL: the nightly picture of each run as a table of its own, attached when published.

Until then nobody's query touches the table, so that writing it holds nobody up. Attaching takes
a lock that readers and erasures do not mind; taking a run away again lets whoever still reads
finish first. SQLite knows no such thing: ``retention`` deletes rows there.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from recommender.store.direct import Direct, direct
from recommender.store.engine import POSTGRESQL

PARENTS = ("scores", "nightly_withheld")
"""Tables with rows for everybody in every kept run; partitioned by ``run_id``."""

_MARK = "ck_of_run"
"""A check that says which run a table is for: the proof that spares a scan when attached."""
_COMMENT = "Run "
_USUAL_ID = re.compile(r"\d{8}T\d{6}-[0-9a-f]{6}")
_WAIT = "3s"
_LOCKED = "55P03"
_PENDING = "55000"
"""Another table of the same parent waits for its readers to finish."""


@dataclass(frozen=True, slots=True)
class RunTable:
    """A table of one run.

    Attributes
    ----------
    parent
        The table it is attached to; None if it is not.
    leaving
        Whether it is being taken away and waits for those who still read.
    """

    name: str
    run_id: str
    parent: str | None
    leaving: bool


def name_of(parent: str, run_id: str) -> str:
    """Name of a run's own table."""
    plain = re.sub(r"[^a-z0-9]", "_", run_id.lower())[:30]
    if not _USUAL_ID.fullmatch(run_id):
        plain += "_" + hashlib.sha256(run_id.encode()).hexdigest()[:8]
    return f"{parent}_{plain}"


def create(conn: Connection, run_id: str) -> None:
    """Make a run's empty tables, without indexes; what an earlier attempt left goes."""
    drop(conn, run_id)
    for parent in PARENTS:
        name = name_of(parent, run_id)
        _run(
            conn,
            f"CREATE TABLE {name} (LIKE {parent} INCLUDING ALL EXCLUDING INDEXES, "
            f"CONSTRAINT {_MARK} CHECK (run_id = {_quoted(run_id)}))",
        )
        _run(conn, f"COMMENT ON TABLE {name} IS {_quoted(_COMMENT + run_id)}")


def empty(conn: Connection, run_id: str) -> None:
    """Empty a run's tables, so that rows of this transaction can be written frozen."""
    _run(conn, f"TRUNCATE {', '.join(name_of(parent, run_id) for parent in PARENTS)}")


def index(conn: Connection, run_id: str) -> None:
    """Make the index that finds a person, and let the planner know the table."""
    _run(conn, "SET LOCAL maintenance_work_mem = '256MB'")
    for parent in PARENTS:
        name = name_of(parent, run_id)
        _run(conn, f"CREATE INDEX ON {name} (user_id)")
        _run(conn, f"ANALYZE {name}")


def attach(conn: Connection, run_id: str) -> None:
    """Let everybody see a run's rows once this transaction ends; nothing if they do already.

    It waits for nobody who reads or erases, and they do not wait for it. On SQLite the rows are
    in their table already.
    """
    if conn.dialect.name != POSTGRESQL:
        return
    waiting = {table.name for table in tables(conn) if table.parent is None}
    for parent in PARENTS:
        name = name_of(parent, run_id)
        if name in waiting:
            _grow(conn, parent, name)
            _run(
                conn,
                f"ALTER TABLE {parent} ATTACH PARTITION {name} FOR VALUES IN ({_quoted(run_id)})",
            )


def drop(conn: Connection, run_id: str) -> None:
    """Drop a run's tables that were never attached."""
    for table in tables(conn):
        if table.run_id == run_id and table.parent is None:
            _run(conn, f"DROP TABLE {table.name}")


def forget(conn: Connection, run_id: str) -> None:
    """Delete a run's rows of people who are not known any more."""
    present = {table.name for table in tables(conn)}
    for name in present & {name_of(parent, run_id) for parent in PARENTS}:
        # Each person once, along the index: there are many more rows than people.
        _run(
            conn,
            f"DELETE FROM {name} WHERE user_id IN (SELECT n.user_id FROM "
            f"(SELECT DISTINCT user_id FROM {name}) n "
            "WHERE NOT EXISTS (SELECT FROM users u WHERE u.user_id = n.user_id))",
        )


def erase_unattached(conn: Connection, user_id: str) -> None:
    """Delete a person's rows in tables that nobody sees yet, or no more.

    A table that a training is writing is passed over: publishing leaves the person out of it.
    """
    for table in tables(conn):
        if table.parent is None and _is_free(conn, table.name):
            statement = f"DELETE FROM {table.name} WHERE user_id = %(user_id)s"
            conn.exec_driver_sql(statement, {"user_id": user_id})


def drop_all_but(engine: Engine, kept: set[str]) -> None:
    """Drop the tables of other runs, waiting a little for those who still read them.

    What can't be had now is left for the next time; from the first try on no new query sees it.
    """
    with direct(engine) as store:
        store.run(f"SET lock_timeout = '{_WAIT}'", {})
        try:
            for table in _listed(store.rows(_TABLES, {})):
                if table.run_id not in kept:
                    _drop_if_free(store, table)
        finally:
            store.run("RESET lock_timeout", {})


def tables(conn: Connection) -> list[RunTable]:
    """Every table of a run, attached or not."""
    return list(_listed(conn.exec_driver_sql(_TABLES)))


_TABLES = f"""\
SELECT t.relname, obj_description(t.oid, 'pg_class'), p.relname, i.inhdetachpending
FROM pg_constraint c
JOIN pg_class t ON t.oid = c.conrelid
LEFT JOIN pg_inherits i ON i.inhrelid = t.oid
LEFT JOIN pg_class p ON p.oid = i.inhparent
WHERE c.conname = '{_MARK}'
    AND t.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = CAST('runs' AS regclass))
ORDER BY i.inhdetachpending DESC NULLS LAST, t.relname"""

_NEW_COLUMNS = """\
SELECT quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
    pg_get_expr(d.adbin, d.adrelid), a.attnotnull
FROM pg_attribute a
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = CAST(%(parent)s AS regclass) AND a.attnum > 0 AND NOT a.attisdropped
    AND a.attname NOT IN (
        SELECT attname FROM pg_attribute WHERE attrelid = CAST(%(name)s AS regclass)
    )
ORDER BY a.attnum"""


def _listed(rows: object) -> Iterator[RunTable]:
    for name, comment, parent, leaving in rows:  # type: ignore[attr-defined]
        yield RunTable(name, (comment or "").removeprefix(_COMMENT), parent, bool(leaving))


def _grow(conn: Connection, parent: str, name: str) -> None:
    """Add the columns that an upgrade has given the parent since the table was made."""
    found = conn.exec_driver_sql(_NEW_COLUMNS, {"parent": parent, "name": name}).all()
    for column, kind, default, required in found:
        words = [column, kind, f"DEFAULT {default}" if default else ""]
        _run(conn, f"ALTER TABLE {name} ADD COLUMN {' '.join(words)}{' NOT NULL' * required}")


def _drop_if_free(store: Direct, table: RunTable) -> None:
    try:
        if table.parent is not None:
            how = "FINALIZE" if table.leaving else "CONCURRENTLY"
            store.run(f"ALTER TABLE {table.parent} DETACH PARTITION {table.name} {how}", {})
        store.run(f"DROP TABLE {table.name}", {})
    except Exception as error:
        if getattr(error, "sqlstate", None) not in (_LOCKED, _PENDING):
            raise


def _is_free(conn: Connection, name: str) -> bool:
    """Take the lock of a writer at once, or not at all."""
    try:
        with conn.begin_nested():
            _run(conn, f"LOCK TABLE {name} IN ROW EXCLUSIVE MODE NOWAIT")
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCKED:
            raise
        return False
    return True


def _run(conn: Connection, statement: str) -> None:
    # The driver takes % for the beginning of a parameter.
    conn.exec_driver_sql(statement.replace("%", "%%"))


def _quoted(words: str) -> str:
    return "'" + words.replace("'", "''") + "'"
