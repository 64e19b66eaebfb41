"""The migration that partitions the nightly picture moves rows, grants and views, and goes back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest
from alembic import command
from sqlalchemy import Engine, text
from store_rows import add_run, seed

from recommender.errors import StoreError
from recommender.store import partitions
from recommender.store.engine import connect, migrating, reading, writing
from recommender.store.retention import clean_up, make_room
from recommender.store.score_rows import begin_scores
from recommender.store.upgrade import migration_config

PICTURE = "SELECT * FROM scores ORDER BY run_id, user_id, rank"
HELD = "SELECT run_id, user_id, withheld FROM nightly_withheld ORDER BY 1, 2"
CURRENT = "SELECT * FROM current_scores ORDER BY user_id, rank"
ANALYST = "analyst_of_partitions"


def migrate(engine: Engine, revision: str) -> None:
    config = migration_config()
    with migrating(engine) as conn:
        config.attributes["connection"] = conn
        move = command.downgrade if revision == "0011" else command.upgrade
        move(config, revision)


def seen(engine: Engine) -> list[object]:
    with reading(engine) as conn:
        return [conn.execute(text(query)).all() for query in (PICTURE, HELD, CURRENT)]


@pytest.fixture
def older(postgres_url: str) -> Iterator[Engine]:
    """Engine of a database as it was before, with two runs, an analyst's grant and view."""
    engine = connect(postgres_url)
    seed(engine)
    add_run(engine, "r1", "ann", "bea")
    add_run(engine, "20261123T193016-abc123", "ann")
    migrate(engine, "0011")
    with writing(engine) as conn:
        with suppress(Exception), conn.begin_nested():
            conn.exec_driver_sql(f"CREATE ROLE {ANALYST}")
        conn.exec_driver_sql(f"GRANT SELECT ON scores, current_scores TO {ANALYST}")
        conn.exec_driver_sql(
            "CREATE VIEW best WITH (security_invoker=true) AS SELECT * FROM scores WHERE rank = 1"
        )
    yield engine
    with writing(engine) as conn:
        conn.exec_driver_sql(f"DROP OWNED BY {ANALYST}")
    engine.dispose()


def test_rows_grants_and_views_move(older: Engine) -> None:
    before = seen(older)
    migrate(older, "0012")
    assert seen(older) == before
    with reading(older) as conn:
        attached = [table for table in partitions.tables(conn) if table.parent]
        assert len(attached) == 4
        names = {
            partitions.name_of(parent, run_id)
            for parent in partitions.PARENTS
            for run_id in ("r1", "20261123T193016-abc123")
        }
        assert {table.name for table in attached} == names
        assert {table.run_id for table in attached} == {"r1", "20261123T193016-abc123"}
        assert len(conn.exec_driver_sql("SELECT * FROM best").all()) == 3
        options = "SELECT reloptions FROM pg_class WHERE relname = 'best'"
        assert conn.exec_driver_sql(options).scalar() == ["security_invoker=true"]
        for relation in ("scores", "current_scores", "best"):
            query = f"SELECT has_table_privilege('{ANALYST}', '{relation}', 'SELECT')"
            assert conn.exec_driver_sql(query).scalar() == (relation != "best")


def test_runs_without_a_model_are_left_behind(older: Engine) -> None:
    with writing(older) as conn:
        conn.exec_driver_sql("UPDATE runs SET artifact = NULL WHERE run_id = 'r1'")
    migrate(older, "0012")
    with reading(older) as conn:
        runs = conn.execute(text("SELECT DISTINCT run_id FROM scores")).scalars()
        assert list(runs) == ["20261123T193016-abc123"]


def test_life_goes_on_and_back(older: Engine) -> None:
    migrate(older, "0012")
    add_run(older, "r3", "ann")
    with writing(older) as conn:
        clean_up(conn, keep=1)
    make_room(older)
    before = seen(older)
    migrate(older, "0011")
    assert seen(older) == before
    migrate(older, "0012")
    assert seen(older) == before


def test_what_the_migration_calls_a_table_is_what_the_code_does(older: Engine) -> None:
    migrate(older, "0012")
    with pytest.raises(StoreError, match="exists"), writing(older) as conn:
        begin_scores(conn, "r1")
