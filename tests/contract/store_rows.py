"""A few people, actions, events, readings and runs to put into a database."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, insert, inspect

from recommender.domain import Metric, MetricsList, RecommendationList
from recommender.store import schema
from recommender.store.access import Asker
from recommender.store.direct import Direct
from recommender.store.engine import writing
from recommender.store.runs import (
    ScoreBatch,
    finish_run,
    publish,
    start_run,
    write_scores,
)
from recommender.store.score_rows import begin_scores
from recommender.store.write import Asked, Logged, log_requests

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def metric(name: str) -> Metric:
    return Metric(name, name, (), "1", 0.0, 1000.0, 30.0)


METRICS = MetricsList((metric("steps"), metric("systolic_bp")))


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def action_row(action_id: str, **more: Any) -> dict[str, Any]:
    return {"action_id": action_id, "title": action_id.title(), "domain": "activity"} | {
        "updated_at": ago(days=100),
        **more,
    }


def user_row(user_id: str, **more: Any) -> dict[str, Any]:
    return {"user_id": user_id, "created_at": ago(days=90), "updated_at": ago(days=90), **more}


def event_row(event_id: str, user_id: str, action_id: str, at: datetime, **more: Any) -> Any:
    row = {"event_id": event_id, "user_id": user_id, "action_id": action_id, "occurred_at": at}
    return (
        row | {"type": "impression", "propensity": None, "request_id": None, "value": None} | more
    )


def observation_row(observation_id: str, user_id: str, name: str, value: float, at: Any) -> Any:
    raw = {"unit": "1", "raw_value": value, "raw_unit": "1"}
    row = {"observation_id": observation_id, "user_id": user_id, "metric": name, "value": value}
    return row | raw | {"observed_at": at}


def seed(engine: Engine) -> None:
    """Add three people (one without any record) and three actions."""
    with writing(engine) as conn:
        conn.execute(
            insert(schema.actions),
            [action_row("walk"), action_row("nap", domain="sleep"), action_row("Zumba")],
        )
        conn.execute(insert(schema.users), [user_row("bea"), user_row("Čeněk")])
        conn.execute(
            insert(schema.users),
            user_row(
                "ann",
                birth_date=date(1960, 2, 29),
                sex="female",
                conditions=["asthma", "knee pain"],
                attributes={"shift_work": True, "diet": "vegan"},
            ),
        )
        conn.execute(insert(schema.events), _events())
        conn.execute(insert(schema.observations), _observations())


def _events() -> list[Any]:
    together = ago(days=2, microseconds=1)
    return [
        event_row("e1", "ann", "walk", together, propensity=0.25, request_id="r1"),
        event_row("e2", "ann", "nap", together, propensity=0.5, request_id="r1"),
        event_row("e3", "ann", "walk", ago(days=1), type="complete", request_id="r2"),
        event_row("e4", "ann", "walk", ago(hours=1), type="rate", value=4.0),
        event_row("e5", "bea", "Zumba", ago(days=3), type="dismiss"),
        event_row("late", "ann", "walk", NOW + timedelta(microseconds=1), type="view"),
    ]


def _observations() -> list[Any]:
    return [
        observation_row("o1", "ann", "systolic_bp", 150.0, ago(days=9)),
        observation_row("o2", "ann", "systolic_bp", 128.5, ago(days=1)),
        observation_row("o3", "ann", "systolic_bp", 131.0, ago(days=1)),
        observation_row("o4", "ann", "steps", 700.0, NOW),
        observation_row("o5", "bea", "steps", 900.0, ago(days=4)),
        observation_row("o6", "bea", "weight", 80.0, ago(days=4)),
        observation_row("late", "ann", "steps", 1.0, NOW + timedelta(microseconds=1)),
    ]


def scores_for(*user_ids: str) -> ScoreBatch:
    """Two scores a person: walk allowed, nap cautioned; Zumba withheld."""
    count = 2 * len(user_ids)
    parts = np.linspace(-1.0, 0.7, count * 5).reshape(count, 5)
    p_complete = 1 / (1 + np.exp(-parts.sum(axis=1)))
    return ScoreBatch(
        user_id=np.repeat(np.array(user_ids, dtype=object), 2),
        rank=np.tile([1, 2], len(user_ids)),
        action_id=np.tile(np.array(["walk", "nap"], dtype=object), len(user_ids)),
        score=p_complete,
        p_complete=p_complete,
        benefit=np.full(count, 0.5),
        parts=parts,
        verdict=np.tile(np.array(["allow", "caution"], dtype=object), len(user_ids)),
        rule_id=np.tile(np.array([None, 'quote"d, rule'], dtype=object), len(user_ids)),
        standard_error=np.tile([0.5, 1.25], len(user_ids)),
        withheld=[(user_id, '[["Zumba","bp_high","2",null]]') for user_id in user_ids],
    )


def add_run(engine: Engine, run_id: str, *user_ids: str, published: bool = True) -> None:
    """Train a run that scores some people, and put it in force."""
    with writing(engine) as conn:
        start_run(conn, run_id, NOW, 7, "1.0", ago(minutes=5))
        if user_ids:
            begin_scores(conn, run_id)
            write_scores(conn, run_id, scores_for(*user_ids))
        finish_run(conn, run_id, "trained", "well", {"seed": 7}, b"\x00model", NOW)
        if published:
            publish(conn, run_id, "train", NOW)


def whole_tables(conn: Connection) -> list[str]:
    """Every table but those that another one shows as its own rows: partitions."""
    names = set(inspect(conn).get_table_names())
    if conn.dialect.name == "postgresql":
        parts = "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r'"
        names -= set(conn.exec_driver_sql(parts).scalars())
    return sorted(names)


def logged(
    answer: RecommendationList,
    asked: Asked,
    verdicts: str,
    asker: Asker,
    catalogue_revision: int | None = None,
    rules: str | None = None,
) -> Logged:
    """An answer as the log keeps it."""
    items = [
        (
            item.rank,
            item.action.action_id,
            item.score,
            item.p_complete,
            item.benefit,
            *item.parts,
            item.verdict,
            item.rule_id,
            item.propensity,
            item.standard_error,
        )
        for item in answer.items
    ]
    return Logged(answer, asked, items, verdicts, asker, catalogue_revision, rules)


def log_request(store: Direct, *given: Any) -> None:
    """Keep one answer; arguments as of ``logged``."""
    log_requests(store, [logged(*given)], (), list)
