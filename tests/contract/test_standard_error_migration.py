"""Scores and answers kept by the version before stay readable, and so does the way back."""

from __future__ import annotations

from typing import Any

import pytest
from alembic import command
from sqlalchemy import Engine, inspect, text
from store_rows import NOW, ago

from recommender.store.column_types import UtcInstant
from recommender.store.engine import migrating, reading, writing
from recommender.store.upgrade import migration_config, upgrade

VIEWS = ("current_scores", "recommendations", "served_recommendations")


def go(engine: Engine, revision: str, down: bool = False) -> None:
    config = migration_config()
    with migrating(engine) as conn:
        config.attributes["connection"] = conn
        (command.downgrade if down else command.upgrade)(config, revision)


def definitions(engine: Engine) -> dict[str, Any]:
    with reading(engine) as conn:
        found = {name: inspect(conn).get_view_definition(name) for name in VIEWS}
        if engine.dialect.name == "postgresql":
            words = conn.execute(
                text(
                    "SELECT c.relname, a.attname, col_description(c.oid, a.attnum), "
                    "obj_description(c.oid) FROM pg_class c JOIN pg_attribute a "
                    "ON a.attrelid = c.oid WHERE c.relname IN ('current_scores', "
                    "'recommendations', 'served_recommendations', 'scores', 'requests') "
                    "AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1, a.attnum"
                )
            )
            found["comments"] = [tuple(row) for row in words]
    return found


@pytest.fixture
def before(empty_engine: Engine) -> Engine:
    """Database of the version before, with one nightly score and one answer."""
    go(empty_engine, "0004")
    at = UtcInstant().process_bind_param(NOW, empty_engine.dialect)
    early = UtcInstant().process_bind_param(ago(days=1), empty_engine.dialect)
    item = '[[1,"walk",0.5,0.25,1.0,-1.0,-0.09,0,0,0,"allow",null,1.0]]'
    with writing(empty_engine) as conn:
        for statement in (
            "INSERT INTO actions (action_id, title, domain, updated_at) "
            f"VALUES ('walk', 'Walk', 'activity', '{early}')",
            "INSERT INTO runs (run_id, status, as_of, started_at, seed, code_version) "
            f"VALUES ('r1', 'trained', '{at}', '{early}', 1, '0')",
            "INSERT INTO publications (run_id, published_at, reason) "
            f"VALUES ('r1', '{at}', 'train')",
            "INSERT INTO scores VALUES "
            "('r1', 'ann', 1, 'walk', 0.5, 0.25, 1, -1, -0.09, 0, 0, 0, 'allow', NULL)",
            "INSERT INTO requests VALUES ('q1', 'ann', 'r1', "
            f"'{at}', '{at}', 'http', 'benefit', 'user', NULL, 10, false, 0, "
            f"'{item}', '[]', '[]')",
        ):
            conn.exec_driver_sql(statement)
    return empty_engine


def test_old_rows_have_no_standard_error(before: Engine) -> None:
    upgrade(before)
    with reading(before) as conn:
        for view in VIEWS:
            row = conn.execute(text(f"SELECT * FROM {view}")).one()
            assert row.standard_error is None
            later = ["action_version"] if view == "served_recommendations" else []
            assert list(row._fields)[-1 - len(later) :] == ["standard_error", *later]
            assert (row.action_id, row.p_complete) == ("walk", 0.25)


def test_the_way_back_leaves_what_was_there(before: Engine) -> None:
    stood = definitions(before)
    upgrade(before)
    assert definitions(before) != stood
    go(before, "0004", down=True)
    assert definitions(before) == stood
    with reading(before) as conn:
        assert conn.execute(text("SELECT count(*) FROM current_scores")).scalar() == 1
        names = [column["name"] for column in inspect(conn).get_columns("scores")]
    assert "standard_error" not in names


def test_grants_and_views_upon_the_views_stay(before: Engine) -> None:
    with writing(before) as conn:
        conn.exec_driver_sql("CREATE VIEW mine AS SELECT user_id, score FROM current_scores")
    upgrade(before)
    with reading(before) as conn:
        assert conn.execute(text("SELECT score FROM mine")).scalar() == 0.5
