"""Brings the database's schema to what this code needs, and says when it is not."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from recommender.errors import NotMigratedError
from recommender.resources import migrations_path
from recommender.store.engine import migrating, reading


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
    script = ScriptDirectory.from_config(config)
    newest = _newest(script)
    with migrating(engine) as conn:
        before = revision(conn)
        _refuse_newer(script, before)
        if before != newest:
            config.attributes["connection"] = conn
            command.upgrade(config, "head")
    return before, newest


def require_current(engine: Engine) -> None:
    """Raise NotMigratedError unless the database's schema is the one of this code."""
    script = ScriptDirectory.from_config(migration_config())
    with reading(engine) as conn:
        present = revision(conn)
    if present == _newest(script):
        return
    _refuse_newer(script, present)
    state = "is not set up" if present is None else "has an older schema"
    raise NotMigratedError(f"the database {state}; run `recommender upgrade`")


def revision(conn: Connection) -> str | None:
    """Revision of the database's schema, or None if it holds none."""
    return MigrationContext.configure(conn).get_current_revision()


def migration_config() -> Config:
    """Alembic's settings, without any file."""
    config = Config()
    config.set_main_option("script_location", str(migrations_path()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _newest(script: ScriptDirectory) -> str:
    head = script.get_current_head()
    assert head is not None
    return head


def _refuse_newer(script: ScriptDirectory, present: str | None) -> None:
    known = {known.revision for known in script.walk_revisions()}
    if present is not None and present not in known:
        raise NotMigratedError("the database has a newer schema; install a newer recommender")
