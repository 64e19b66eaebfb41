"""Small questions about the state of the database, for operators."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, func, select, text, true

from recommender.store.engine import POSTGRESQL, is_memory
from recommender.store.schema import actions, rejected_records, runs, users


def count_active_actions(conn: Connection) -> int:
    """How many actions are in the catalogue and not retired."""
    query = select(func.count()).where(actions.c.retired_at.is_(None))
    return int(conn.execute(query).scalar_one())


def rejected_by_reason(conn: Connection) -> list[tuple[str, str, int]]:
    """What waits in quarantine: (kind, reason code, records), most first."""
    many = func.count()
    kind, code = rejected_records.c.kind, rejected_records.c.reason_code
    query = select(kind, code, many).group_by(kind, code).order_by(many.desc(), kind, code)
    return [(str(kind), str(code), int(many)) for kind, code, many in conn.execute(query)]


def people_by_condition(conn: Connection) -> dict[str, int]:
    """Condition -> how many people have it; reads every user, so not for the path of an answer."""
    unfold = func.jsonb_array_elements_text if conn.dialect.name == "postgresql" else func.json_each
    each = unfold(users.c.conditions).table_valued("value")
    query = select(each.c.value, func.count()).join_from(users, each, true()).group_by(each.c.value)
    return {str(name): int(many) for name, many in conn.execute(query)}


def clock(conn: Connection) -> datetime:
    """What time the database has; SQLite has that of this machine."""
    if conn.dialect.name == POSTGRESQL:
        theirs: datetime = conn.execute(select(func.clock_timestamp())).scalar_one()
        return theirs
    seconds = conn.exec_driver_sql("SELECT (julianday('now') - 2440587.5) * 86400.0").scalar_one()
    return datetime.fromtimestamp(seconds, UTC)


def database_bytes(conn: Connection) -> int:
    """How much room the database takes."""
    if conn.dialect.name == POSTGRESQL:
        query = "SELECT pg_database_size(current_database())"
    else:
        query = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
    return int(conn.execute(text(query)).scalar_one())


def database_file(engine: Engine) -> Path | None:
    """SQLite's file, None for PostgreSQL and for databases in memory."""
    if engine.dialect.name == POSTGRESQL or is_memory(engine.url):
        return None
    return Path((engine.url.database or "").removeprefix("file:")).resolve()


def unfinished_runs(conn: Connection) -> list[str]:
    """Runs that are marked as training, oldest first; at most one of them really is."""
    query = select(runs.c.run_id).where(runs.c.status == "training").order_by(runs.c.started_at)
    return list(conn.execute(query).scalars())
