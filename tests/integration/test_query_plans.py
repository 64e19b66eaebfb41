"""Nothing that a person waits for reads a whole big table, nor do the documented questions.

Questions that are over everybody may: they are listed here, each with the tables it is over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from asgi import TestClient
from many_rows import add_many
from sqlalchemy import Connection, Engine, event, text

from api.app import create_app
from recommender.settings import Settings
from recommender.store.engine import connect, reading
from recommender.store.views import VIEWS

ROOT = Path(__file__).parents[2]
PERSON = "u0000001"
BIG = {
    "users", "events", "observations", "requests", "scores", "nightly_withheld", "access_log",
    "alerts",
}  # fmt: skip
OVER_EVERYBODY = {
    "SELECT rule_id, count(DISTINCT user_id) AS people": {"requests", "nightly_withheld"},
    "SELECT s.action_id, count(*) AS shown, avg(s.p_complete) AS expected,": {"requests", "events"},
    "SELECT action_id, count(*) AS completions FROM events, evaluations": {"events"},
    "SELECT model, avg(ln(1.0 + users) - ln(1.0 + coalesce(people, 0))) / ln(2.0) AS novelty": {
        "events"
    },
}
"""First line of a documented question -> tables that it is over."""


@pytest.fixture
def many(trained_url: str) -> Iterator[Engine]:
    engine = connect(trained_url)
    add_many(engine)
    yield engine
    engine.dispose()


def documented() -> list[str]:
    """Every question in the documents."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    found = (
        re.findall(r"^```sql\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
        for page in pages
    )
    return [
        each.strip()
        for blocks in found
        for block in blocks
        for each in block.split(";\n")
        if each.strip()
    ]


def scanned(conn: Connection, query: str) -> set[str]:
    """Big tables of which a statement reads every row."""
    if conn.dialect.name == "sqlite":
        plan = [row.detail for row in conn.execute(text(f"EXPLAIN QUERY PLAN {_bare(query)}"))]
        return {_table(step.split()[1], query) for step in plan if step.startswith("SCAN ")} & BIG
    plan = conn.execute(text(f"EXPLAIN (FORMAT JSON) {_bare(query)}")).scalar_one()
    nodes = _nodes(plan[0]["Plan"])
    names = {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"}
    return {re.sub(r"^(scores|nightly_withheld)_.*", r"\1", name) for name in names} & BIG


def _bare(query: str) -> str:
    return query.replace(":", "\\:").rstrip(";")


def _table(name: str, query: str) -> str:
    """The table behind a name of SQLite's plan."""
    views = "\n".join(view.sqlite for view in VIEWS)
    aliases = {
        alias: table
        for table, alias in re.findall(r"(?:FROM|JOIN) (\w+)(?: AS)? (\w+)", f"{query}\n{views}")
    }
    return aliases.get(name, name)


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for each in node.get("Plans", []):
        yield from _nodes(each)


def test_documented_questions_do_not_scan(many: Engine) -> None:
    queries = documented()
    assert len(queries) > 20
    firsts = {query.splitlines()[0] for query in queries}
    assert OVER_EVERYBODY.keys() <= firsts
    found = {}
    with reading(many) as conn:
        for table in BIG:
            assert scanned(conn, f"SELECT 1 FROM {table} WHERE user_id || 'x' = ''") == {table}
        for view in (each for each in VIEWS if "user_id" in each.columns):
            assert scanned(conn, f"SELECT * FROM {view.name} WHERE user_id = '{PERSON}'") == set()
        for query in queries:
            first = query.splitlines()[0]
            over = scanned(conn, query) - OVER_EVERYBODY.get(first, set())
            if over:
                found[first] = over
    assert found == {}


def live(client: TestClient) -> None:
    """Everything that the app around this does while somebody waits."""
    now = datetime.now(UTC).isoformat()
    person = f"/v1/users/{PERSON}"
    items = client.get(f"{person}/recommendations").json()["items"]
    occurred = {"action_id": items[0]["action_id"], "type": "complete", "occurred_at": now}
    measured = {"metric": "steps", "value": 4000, "observed_at": now}
    for answer in (
        client.get(f"{person}/recommendations?objective=completion&limit=5"),
        client.get("/v1/users/nobody/recommendations"),
        client.post(f"{person}/rank", json={}),
        client.post("/v1/events", json={"event_id": "plan-1", "user_id": PERSON, **occurred}),
        client.post("/v1/events", json={"event_id": "plan-1", "user_id": PERSON, **occurred}),
        client.post(
            "/v1/observations", json={"observation_id": "plan-1", "user_id": PERSON, **measured}
        ),
        client.post("/v1/users", json={"user_id": "plan-2", "sex": "male"}),
        client.get(person),
        client.patch(person, json={"sex": "female"}),
        client.get(f"{person}/export"),
        client.get(f"{person}/recommendations"),
        client.get("/status/ready"),
        client.delete(person),
    ):
        assert answer.status_code == 200, answer.text


def test_live_answers_do_not_scan(many: Engine) -> None:
    url = many.url
    if many.dialect.name == "postgresql":
        # A record sent twice is looked up beside a table that the planner knows nothing of, and
        # takes for a thousand rows: against these few that is worth a scan, against millions not.
        url = url.update_query_dict({"options": "-c enable_seqscan=off"})
    app = create_app(Settings(database_url=url.render_as_string(hide_password=False)))
    seen: set[str] = set()
    with TestClient(app, client=("127.0.0.1", 50000)) as client:
        if many.dialect.name == "sqlite":
            event.listen(
                app.state.recommender.engine,
                "checkout",
                lambda driver, *_: driver.set_trace_callback(seen.add),
            )
        before = rows_scanned(many)
        live(client)
    assert rows_scanned(many) == before
    found = {
        statement: over
        for statement in seen
        if re.match(r"(SELECT|INSERT|UPDATE|DELETE|WITH)\b", statement)
        for over in [scanned_by(many, statement)]
        if over
    }
    assert found == {}
    assert bool(seen) == (many.dialect.name == "sqlite")


def scanned_by(engine: Engine, statement: str) -> set[str]:
    with reading(engine) as conn:
        return scanned(conn, statement)


def rows_scanned(engine: Engine) -> dict[str, int]:
    """PostgreSQL: rows read so far by scans of whole big tables, by table."""
    if engine.dialect.name == "sqlite":
        return {}
    with engine.connect() as conn:
        found = conn.exec_driver_sql("SELECT s.relname, s.seq_tup_read FROM pg_stat_user_tables s")
        return {
            name: count
            for name, count in found
            if re.sub(r"^(scores|nightly_withheld)_.*", r"\1", name) in BIG
        }
