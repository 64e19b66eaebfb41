"""The views say what analysts are promised, and the migrated ones are the ones stated."""

from __future__ import annotations

import math
from typing import Any

import pytest
from sqlalchemy import Engine, inspect, text
from store_rows import NOW, add_run, ago, log_request, scores_for
from test_store_write import Ask, answer

from recommender.columns import PART_COLUMNS
from recommender.store.access import Asker
from recommender.store.column_types import UtcInstant
from recommender.store.direct import direct
from recommender.store.engine import connect, migrating, reading
from recommender.store.views import VIEWS, create_statements

_LAW = " + ".join(PART_COLUMNS)

APP = Asker(None, "http")


def _rows(engine: Engine, query: str) -> list[Any]:
    with reading(engine) as conn:
        return list(conn.execute(text(query)))


def _when(engine: Engine, moment: Any) -> Any:
    return UtcInstant().process_bind_param(moment, engine.dialect)


@pytest.fixture
def answered(seeded: Engine) -> Engine:
    """Engine of a database with two nights and one answer."""
    add_run(seeded, "r0", "ann")
    add_run(seeded, "r1", "ann", "bea")
    verdicts = '[["walk","caution","knee","2",null],["nap","withhold","bp","1","o1"]]'
    with direct(seeded) as store:
        log_request(store, answer("q1", "ann"), Ask(as_of=ago(days=1)), verdicts, APP)
        log_request(store, answer("q2", "stranger"), Ask(), "[]", APP)
    return seeded


def _definitions(engine: Engine) -> dict[str, str | None]:
    with reading(engine) as conn:
        found = inspect(conn)
        return {view.name: found.get_view_definition(view.name) for view in VIEWS}


def _comments(engine: Engine) -> Any:
    return _rows(
        engine,
        "SELECT c.relname, a.attname, col_description(c.oid, a.attnum) AS meaning, "
        "obj_description(c.oid) AS comment FROM pg_class c "
        "JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relkind = 'v' "
        "AND c.relnamespace = 'public'::regnamespace ORDER BY 1, a.attnum".replace(":", "\\:"),
    )


def test_migrated_views_are_the_ones_stated(engine: Engine) -> None:
    migrated = _definitions(engine)
    comments = _comments(engine) if engine.dialect.name == "postgresql" else None
    with migrating(engine) as conn:
        for view in reversed(VIEWS):
            conn.exec_driver_sql(f"DROP VIEW {view.name}")
        for statement in create_statements(engine.dialect.name):
            conn.exec_driver_sql(statement)
    assert _definitions(engine) == migrated
    assert comments is None or _comments(engine) == comments


def test_columns_are_the_ones_described(engine: Engine) -> None:
    with reading(engine) as conn:
        for view in VIEWS:
            found = conn.execute(text(f"SELECT * FROM {view.name}"))
            assert list(found.keys()) == list(view.columns), view.name


def test_comments_reach_postgresql(postgres_url: str) -> None:
    engine = connect(postgres_url)
    found = _comments(engine)
    engine.dispose()
    assert {(row.relname, row.attname): row.meaning for row in found} == {
        (view.name, column): meaning for view in VIEWS for column, meaning in view.columns.items()
    }
    assert {(row.relname, row.comment) for row in found} == {
        (view.name, view.comment) for view in VIEWS
    }


def test_current_scores_are_those_of_the_published_run(answered: Engine) -> None:
    rows = _rows(answered, "SELECT * FROM current_scores ORDER BY user_id, rank")
    assert [(row.user_id, row.rank, row.action_id, row.run_id) for row in rows] == [
        ("ann", 1, "walk", "r1"),
        ("ann", 2, "nap", "r1"),
        ("bea", 1, "walk", "r1"),
        ("bea", 2, "nap", "r1"),
    ]
    assert (rows[1].title, rows[1].domain, rows[1].verdict) == ("Nap", "sleep", "caution")
    assert rows[1].rule_id == 'quote"d, rule'
    assert rows[0].rule_id is None
    assert rows[0].scored_at == _when(answered, NOW)
    assert [row.p_complete for row in rows] == list(scores_for("ann", "bea").p_complete)
    assert [row.standard_error for row in rows] == [0.5, 1.25, 0.5, 1.25]


def test_parts_add_up_in_sql(answered: Engine) -> None:
    law = f"SELECT abs(ln(p_complete / (1 - p_complete)) - ({_LAW})) AS off FROM current_scores"
    off = [row.off for row in _rows(answered, law)]
    assert len(off) == 4
    assert max(off) < 1e-12


def test_served(answered: Engine) -> None:
    rows = _rows(answered, "SELECT * FROM served_recommendations ORDER BY request_id")
    assert [row.user_id for row in rows] == ["ann", "stranger"]
    first = rows[0]
    assert (first.rank, first.action_id, first.title, first.domain) == (
        1,
        "walk",
        "Walk",
        "activity",
    )
    assert (first.score, first.p_complete, first.benefit) == (0.5, 0.25, 1.0)
    assert [getattr(first, name) for name in PART_COLUMNS] == [
        -1.0,
        -0.25,
        0.125,
        0.0,
        0.026387711331890,
    ]
    assert (first.verdict, first.rule_id, first.propensity) == ("caution", "knee", 1.0)
    assert (first.channel, first.objective, first.audience) == ("http", "benefit", "user")
    assert (first.run_id, first.generated_at) == ("r1", _when(answered, NOW))
    assert first.as_of == _when(answered, ago(days=1))
    assert math.isclose(
        sum(getattr(first, name) for name in PART_COLUMNS), math.log(0.25 / 0.75), abs_tol=1e-6
    )
    items = _rows(answered, "SELECT * FROM recommendations ORDER BY request_id")
    assert [
        {name: getattr(row, name) for name in row_of._fields}
        for row, row_of in zip(rows, items, strict=True)
    ] == [row._asdict() for row in items]


def test_verdicts_and_what_was_withheld(answered: Engine) -> None:
    verdicts = _rows(answered, "SELECT * FROM verdicts ORDER BY action_id")
    assert [tuple(row)[:7] for row in verdicts] == [
        ("q1", "ann", "nap", "withhold", "bp", "1", "o1"),
        ("q1", "ann", "walk", "caution", "knee", "2", None),
    ]
    query = "SELECT * FROM withheld_actions ORDER BY user_id, action_id DESC"
    rows = _rows(answered, query)
    found = [(row.user_id, row.action_id, row.rule_id, row.request_id) for row in rows]
    assert sorted(found, key=str) == [
        ("ann", "Zumba", "bp_high", None),
        ("ann", "nap", "bp", "q1"),
        ("bea", "Zumba", "bp_high", None),
    ]
    live = next(row for row in rows if row.request_id)
    assert (live.title, live.domain, live.rule_version, live.observation_id) == (
        "Nap", "sleep", "1", "o1",
    )  # fmt: skip
    assert {row.run_id for row in rows} == {"r1"}
    assert {row.decided_at for row in rows} == {_when(answered, NOW)}


def test_latest_observations(answered: Engine) -> None:
    rows = _rows(answered, "SELECT * FROM latest_observations ORDER BY user_id, metric")
    assert [(row.user_id, row.metric, row.value, row.observation_id) for row in rows] == [
        ("ann", "steps", 1.0, "late"),
        ("ann", "systolic_bp", 131.0, "o3"),
        ("bea", "steps", 900.0, "o5"),
        ("bea", "weight", 80.0, "o6"),
    ]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM current_scores WHERE user_id = 'ann'",
        "SELECT * FROM served_recommendations WHERE user_id = 'ann'",
        "SELECT * FROM verdicts WHERE user_id = 'ann'",
        "SELECT * FROM withheld_actions WHERE user_id = 'ann'",
        "SELECT * FROM latest_observations WHERE user_id = 'ann'",
    ],
)
def test_questions_about_one_person_do_not_scan(answered: Engine, query: str) -> None:
    big = ("scores", "requests", "observations", "nightly_withheld")
    with reading(answered) as conn:
        if answered.dialect.name == "sqlite":
            plan = [row.detail for row in conn.execute(text(f"EXPLAIN QUERY PLAN {query}"))]
            # Aliases of the big tables: scores s, requests q, observations o, nightly_withheld n.
            scans = [
                step for step in plan if step.startswith(("SCAN s", "SCAN q", "SCAN o", "SCAN n"))
            ]
        else:
            # A few rows would be scanned whatever the index.
            conn.exec_driver_sql("SET LOCAL enable_seqscan = off")
            plan = [str(row[0]) for row in conn.execute(text(f"EXPLAIN {query}"))]
            scans = [step for step in plan if any(f"Seq Scan on {name}" in step for name in big)]
    assert scans == [], "\n".join(plan)
