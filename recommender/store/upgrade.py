"""Brings the database's schema to what this code needs, and says when it is not."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from recommender.errors import NotMigratedError
from recommender.resources import migrations_path
from recommender.store.engine import MIGRATION_LOCK, POSTGRESQL, migrating, reading


class SchemaState(StrEnum):
    """How a database's schema stands to this code."""

    CURRENT = "current"
    MISSING = "missing"
    OLDER = "older"
    NEWER = "newer"


_WORDS = {
    SchemaState.MISSING: "the database is not set up; run `recommender upgrade`",
    SchemaState.OLDER: "the database has an older schema; run `recommender upgrade`",
    SchemaState.NEWER: "the database has a newer schema; install a newer recommender",
}


def upgrade(engine: Engine) -> tuple[str | None, str]:
    """Run the migrations that are missing, all in one transaction.

    Returns
    -------
    tuple
        Revision before (None for an empty database) and after. Two upgrades at once
        wait for each other; the second finds nothing to do.

    Raises
    ------
    NotMigratedError
        The database was migrated by a newer version of the product.
    """
    config = migration_config()
    newest, _ = _revisions()
    with migrating(engine) as conn:
        before = revision(conn)
        _refuse_newer(before)
        if before != newest:
            config.attributes["connection"] = conn
            command.upgrade(config, "head")
    return before, newest


def schema_state(engine: Engine) -> tuple[SchemaState, str | None]:
    """How the database's schema stands to this code, and its revision."""
    newest, known = _revisions()
    with reading(engine) as conn:
        present = revision(conn)
    if present is None:
        return SchemaState.MISSING, None
    if present == newest:
        return SchemaState.CURRENT, present
    return (SchemaState.OLDER if present in known else SchemaState.NEWER), present


def require_current(engine: Engine, *, newer: bool = False) -> None:
    """Raise NotMigratedError unless the database's schema is the one of this code.

    Parameters
    ----------
    newer
        Whether a newer schema will do: each leaves what the version before it needs, so that a
        server goes on answering while another version is put in its place (docs/deployment.md).
    """
    state, _ = schema_state(engine)
    if state is SchemaState.CURRENT or (newer and state is SchemaState.NEWER):
        return
    raise not_migrated(state)


def not_migrated(state: SchemaState) -> NotMigratedError:
    """The error that says what to do about a schema that is not the one of this code."""
    return NotMigratedError(_WORDS[state])


def hold_off_migrations(conn: Connection) -> None:
    """Let migrations wait until the transaction's end; SQLite has a single writer anyway."""
    if conn.dialect.name == POSTGRESQL:
        conn.exec_driver_sql(f"SELECT pg_advisory_xact_lock_shared({MIGRATION_LOCK})")


def revision(conn: Connection) -> str | None:
    """Revision of the database's schema, or None if it holds none."""
    return MigrationContext.configure(conn).get_current_revision()


def migration_config() -> Config:
    """Alembic's settings, without any file."""
    config = Config()
    config.set_main_option("script_location", str(migrations_path()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


@lru_cache
def _revisions() -> tuple[str, frozenset[str]]:
    """The newest revision of this code, and all of them; they don't change while it runs."""
    script = ScriptDirectory.from_config(migration_config())
    newest = script.get_current_head()
    assert newest is not None
    return newest, frozenset(known.revision for known in script.walk_revisions())


def _refuse_newer(present: str | None) -> None:
    if present is not None and present not in _revisions()[1]:
        raise not_migrated(SchemaState.NEWER)
