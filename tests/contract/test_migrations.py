"""The migrations make exactly the schema that the code states, up and down, on both databases."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect

from recommender.errors import NotMigratedError
from recommender.store.engine import connect, migrating, reading, writing
from recommender.store.retention import nightly_tables
from recommender.store.schema import metadata
from recommender.store.upgrade import migration_config, require_current, upgrade
from recommender.store.views import VIEWS


def _downgrade(engine: Engine) -> None:
    config = migration_config()
    with migrating(engine) as conn:
        config.attributes["connection"] = conn
        command.downgrade(config, "base")


def _names(engine: Engine) -> set[str]:
    with reading(engine) as conn:
        found = inspect(conn)
        return {*found.get_table_names(), *found.get_view_names()} - {"alembic_version"}


def test_up_down_up(empty_engine: Engine) -> None:
    expected = {*metadata.tables, *(view.name for view in VIEWS)}
    before, after = upgrade(empty_engine)
    assert before is None
    assert _names(empty_engine) == expected
    _downgrade(empty_engine)
    assert _names(empty_engine) == set()
    assert upgrade(empty_engine) == (None, after)
    assert _names(empty_engine) == expected
    assert upgrade(empty_engine) == (after, after)


def test_schema_is_what_the_code_states(engine: Engine) -> None:
    with reading(engine) as conn:
        differences = compare_metadata(MigrationContext.configure(conn), metadata)
    # SQLite reports no comments; the views are compared in test_views.
    kept = [change for change in differences if "comment" not in str(_kind(change))]
    if engine.dialect.name == "sqlite":
        # Where there are no partitions, the key finds a person.
        kept = [change for change in kept if _name(change) not in _OF_PARTITIONS]
    assert kept == []


_OF_PARTITIONS = ("ix_scores_user_id", "ix_nightly_withheld_user_id")


def _name(change: Any) -> str:
    return str(getattr(change[1], "name", ""))


def _kind(change: Any) -> Any:
    return change[0][0] if isinstance(change, list) else change[0]


def test_comments_and_defaults_reach_postgresql(postgres_url: str) -> None:
    engine = connect(postgres_url)
    with reading(engine) as conn:
        context = MigrationContext.configure(conn, opts={"compare_server_default": True})
        found = compare_metadata(context, metadata)
    engine.dispose()
    assert found == []


def test_constraints_are_the_ones_stated(engine: Engine) -> None:
    with reading(engine) as conn:
        found = inspect(conn)
        for table in metadata.sorted_tables:
            present = {check["name"] for check in found.get_check_constraints(table.name)}
            stated = {
                str(constraint.name)
                for constraint in table.constraints
                if str(constraint.name).startswith("ck_")
            }
            assert present == stated, table.name
            if engine.dialect.name == "postgresql" and table in nightly_tables():
                continue
            assert found.get_pk_constraint(table.name)["name"] == f"pk_{table.name}"


def test_every_table_and_column_says_what_it_means() -> None:
    for table in metadata.sorted_tables:
        assert table.comment, table.name
        for column in table.columns:
            assert column.comment, f"{table.name}.{column.name}"


def test_concurrent_upgrades_agree(empty_database_url: str) -> None:
    results: list[tuple[str | None, str]] = []

    def run() -> None:
        engine = connect(empty_database_url)
        results.append(upgrade(engine))
        engine.dispose()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(before or "" for before, _ in results) == ["", *[results[0][1]] * 3]


def test_failed_migration_leaves_nothing(
    empty_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def upgrade_then_fail(*args: Any, **kwargs: Any) -> None:
        real(*args, **kwargs)
        raise RuntimeError("power cut")

    real = command.upgrade
    monkeypatch.setattr(command, "upgrade", upgrade_then_fail)
    with pytest.raises(RuntimeError):
        upgrade(empty_engine)
    assert _names(empty_engine) == set()


def test_unmigrated_database_is_refused(empty_engine: Engine) -> None:
    with pytest.raises(NotMigratedError, match="recommender upgrade"):
        require_current(empty_engine)
    with pytest.raises(NotMigratedError, match="recommender upgrade"), reading(empty_engine) as c:
        c.exec_driver_sql("SELECT * FROM users")


def test_newer_database_is_refused(engine: Engine) -> None:
    require_current(engine)
    with writing(engine) as conn:
        conn.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(NotMigratedError, match="newer"):
        require_current(engine)
    with pytest.raises(NotMigratedError, match="newer"):
        upgrade(engine)
