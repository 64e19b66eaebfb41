"""``evaluate --save``: every figure of the leaderboard again in SQL; nobody is forgotten in it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, select

from recommender.cli import main
from recommender.evaluate import keep, replay_history
from recommender.knowledge import load_knowledge
from recommender.people import Asker, erase_person, export_person
from recommender.settings import Settings
from recommender.store.engine import connect, reading, writing
from recommender.store.evaluations import Heading, save_evaluation
from recommender.store.queries import run_query
from recommender.store.schema import EVALUATION_PARTS, evaluations

DOCUMENT = Path(__file__).parents[2] / "docs" / "evaluation.md"
NAMING = [table.name for table in EVALUATION_PARTS if "user_id" in table.c]


def save(url: str, *arguments: str) -> Any:
    done = CliRunner().invoke(
        main, ["--database-url", url, "evaluate", "--save", "--quick", "--json", *arguments]
    )
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def rows(url: str, query: str) -> list[dict[str, Any]]:
    engine = connect(url)
    with reading(engine) as connection:
        names, found = run_query(connection, query)
    engine.dispose()
    return [dict(zip(names, row, strict=True)) for row in found]


def documented_queries() -> list[str]:
    text = DOCUMENT.read_text(encoding="utf-8")
    return [found[1] for found in re.finditer(r"^```sql\n(.*?)^```", text, re.M | re.S)]


def test_every_figure_of_the_leaderboard_comes_out_of_the_documented_queries(
    trained_url: str,
) -> None:
    found = save(trained_url)
    assert found["evaluation_id"] == 1
    again: dict[tuple[str, str], float] = {}
    for query in documented_queries():
        for row in rows(trained_url, query):
            model = row.pop("model", None)
            if model is not None:
                again |= {(model, name): float(value) for name, value in row.items()}
    board = {
        (line["name"], name): figure["value"]
        for line in found["leaderboard"]
        for name, figure in line["figures"].items()
    }
    assert set(again) == set(board)
    for key, value in board.items():
        assert again[key] == pytest.approx(value, abs=1e-9, rel=1e-9), key
    check_against_events(trained_url, found["window"])
    check_popular_lists(trained_url)
    stored = rows(trained_url, "SELECT * FROM evaluation_figures")
    assert {(row["model"], row["figure"]): row["value"] for row in stored} == board
    minus = {
        (line["name"], name): (lead["value"], lead["low"], lead["high"])
        for line in found["leaderboard"]
        for name, lead in line["hybrid_minus"].items()
    }
    assert minus == {
        (row["model"], row["figure"]): (
            row["hybrid_minus"], row["hybrid_minus_low"], row["hybrid_minus_high"]
        )
        for row in stored
        if row["hybrid_minus"] is not None
    }  # fmt: skip


def check_popular_lists(trained_url: str) -> None:
    """The list of the most popular comes out of the events alone."""
    counted = rows(trained_url, documented_queries()[-1])
    listed = rows(
        trained_url,
        "SELECT DISTINCT rank, score FROM evaluation_lists "
        "WHERE model = 'popularity_count' AND rank <= 10 ORDER BY rank",
    )
    assert [row["completions"] for row in counted] == [row["score"] for row in listed]


def check_against_events(trained_url: str, window: Any) -> None:
    """What was shown and done is what the events say."""
    span = "occurred_at > split_at AND occurred_at <= end_at"
    done = rows(
        trained_url,
        "SELECT DISTINCT user_id, action_id FROM events, evaluations "
        f"WHERE type = 'complete' AND {span}",
    )
    relevant = rows(
        trained_url,
        "SELECT user_id, action_id FROM evaluation_relevant WHERE model = 'hybrid'",
    )
    assert {tuple(row.values()) for row in done} == {tuple(row.values()) for row in relevant}
    assert len(relevant) == window["completed_pairs"]
    same = rows(
        trained_url,
        "SELECT count(*) AS n FROM evaluation_impressions AS i JOIN events AS e "
        "ON e.user_id = i.user_id AND e.action_id = i.action_id AND e.occurred_at = i.shown_at "
        "AND e.propensity = i.propensity WHERE e.type = 'impression'",
    )[0]["n"]
    assert same == window["impressions"]
    assert rows(trained_url, "SELECT count(*) AS n FROM evaluation_impressions")[0]["n"] == same


def test_export_and_erasure_reach_saved_evaluations(trained_url: str) -> None:
    save(trained_url)
    person = rows(
        trained_url,
        "SELECT min(user_id) AS u FROM evaluation_impressions WHERE completed = 1",
    )[0]["u"]
    engine = connect(trained_url)
    held = export_person(engine, person, Asker(None, "cli"))
    assert all(held[name] for name in NAMING)
    assert json.dumps(held)
    receipt = erase_person(engine, person, Asker(None, "cli"))
    assert {name: receipt[name] for name in NAMING} == {name: len(held[name]) for name in NAMING}
    engine.dispose()
    for name in NAMING:
        left = f"SELECT count(*) AS n, count(DISTINCT user_id) AS u FROM {name}"
        assert rows(trained_url, f"{left} WHERE user_id = '{person}'")[0]["n"] == 0
        assert rows(trained_url, left)[0]["u"] > 0


def test_who_is_erased_while_it_runs_is_not_saved(trained_sqlite_url: str) -> None:
    trained_url = trained_sqlite_url
    known, settings = load_knowledge(), Settings()
    engine = connect(trained_url)
    found = replay_history(
        engine, rules=known.rules, metrics=known.metrics, settings=settings, quick=True
    )
    person = str(found.people.held.past.users.ids[found.people.held.users[0]])
    erase_person(engine, person, Asker(None, "cli"))
    keep(engine, found, 3)
    engine.dispose()
    for name in NAMING:
        count = f"SELECT count(*) AS n FROM {name} WHERE user_id = '{person}'"
        assert rows(trained_url, count)[0]["n"] == 0
        assert rows(trained_url, f"SELECT count(*) AS n FROM {name}")[0]["n"] > 0


def test_only_the_newest_are_kept(engine: Engine) -> None:
    now = datetime.now(UTC)
    heading = Heading(now, now, now, 0, 1, 1, 1, {}, "0")
    person = {"user_id": ["u"], "action_id": ["a"], "model": ["hybrid"]}
    made = {
        "evaluation_figures": {"model": ["hybrid"], "figure": ["map"], "value": [0.5]},
        "evaluation_relevant": {**person, "rank": [1]},
        "evaluation_lists": {**person, "rank": [1], "score": [0.5]},
    }
    parts = [(name, pa.table(columns)) for name, columns in made.items()]
    for _ in range(3):
        with writing(engine) as connection:
            number = save_evaluation(connection, heading, parts, read_at=now, keep=2)
    assert number == 3
    for table in (evaluations, *(t for t in EVALUATION_PARTS if t.name in made)):
        with reading(engine) as connection:
            kept = connection.execute(select(table.c.evaluation_id)).scalars().all()
        assert sorted(kept) == [2, 3], table.name


def test_without_being_asked_nothing_is_saved(trained_sqlite_url: str) -> None:
    done = CliRunner().invoke(
        main, ["--database-url", trained_sqlite_url, "evaluate", "--quick", "--json"]
    )
    assert json.loads(done.stdout)["evaluation_id"] is None
    assert rows(trained_sqlite_url, "SELECT count(*) AS n FROM evaluations")[0]["n"] == 0
