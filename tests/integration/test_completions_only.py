"""A log of completions only, from files to answers: SQL, ranking and reasons give the same."""

from __future__ import annotations

import csv
import math
import shutil
from pathlib import Path

import pytest

from recommender.columns import PART_COLUMNS
from recommender.domain import Exploration
from recommender.knowledge import load_knowledge
from recommender.published import Published
from recommender.recommend import Ask, rank_for, recommend_for
from recommender.settings import Settings
from recommender.store.engine import connect, reading
from recommender.store.queries import run_query
from recommender.store.runs import published_run
from tests.trained import fill

PEOPLE = 15


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, simulated: Path) -> str:
    """Database trained on the simulated people's completions and nothing else they did."""
    folder = tmp_path_factory.mktemp("completions")
    for kind in ("actions", "users", "observations"):
        shutil.copy(simulated / f"{kind}.csv", folder)
    with (simulated / "events.csv").open(newline="") as source:
        rows = list(csv.DictReader(source))
    with (folder / "events.csv").open("w", newline="") as target:
        writer = csv.DictWriter(target, list(rows[0]))
        writer.writeheader()
        writer.writerows(row for row in rows if row["type"] == "complete")
    address = f"sqlite:///{folder / 'completions.db'}"
    fill(address, folder)
    return address


def test_the_run_keeps_its_settings_and_figures(url: str) -> None:
    engine = connect(url)
    with reading(engine) as connection:
        names, rows = run_query(connection, "SELECT name, value FROM run_metrics")
    figures = {row[names.index("name")]: float(row[names.index("value")]) for row in rows}
    engine.dispose()
    assert figures["search_chosen"] >= 0.99 * max(
        figures["search_popularity"], figures["search_factors"], figures["search_base"]
    )
    assert figures["hybrid_log_loss"] <= figures["popularity_log_loss"] * 1.02


def test_nightly_scores_are_the_live_ones(url: str) -> None:
    known = load_knowledge()
    engine = connect(url)
    published = Published(engine, known.rules, known.metrics)
    with reading(engine) as connection:
        run = published_run(connection)
        assert run is not None
        names, rows = run_query(connection, "SELECT * FROM current_scores ORDER BY user_id, rank")
        nightly = [dict(zip(names, row, strict=True)) for row in rows]
        people = sorted({str(row["user_id"]) for row in nightly})[:PEOPLE]
        for user_id in people:
            _, live = rank_for(published, user_id, None, Ask(as_of=run.as_of))
            by_id = {one.action.action_id: one for one in live}
            for row in (row for row in nightly if row["user_id"] == user_id):
                one = by_id[str(row["action_id"])]
                assert row["p_complete"] == pytest.approx(one.p_complete, abs=1e-6)
                parts = [float(row[name]) for name in PART_COLUMNS]
                assert parts == pytest.approx(list(one.parts), abs=1e-6)
                assert row["standard_error"] == pytest.approx(one.standard_error, abs=1e-6)
                p = float(row["p_complete"])
                assert math.log(p / (1 - p)) == pytest.approx(sum(parts), abs=1e-6)
    engine.dispose()


def test_answers_are_varied_by_how_unsure_they_are(url: str) -> None:
    known = load_knowledge()
    engine = connect(url)
    published = Published(engine, known.rules, known.metrics)
    answers = {}
    for kind in (Exploration.EPSILON, Exploration.THOMPSON):
        chance = Settings(exploration=kind, exploration_rate=0.1)
        answers[kind] = recommend_for(published, "u0000001", Ask(limit=5), chance)
    engine.dispose()
    even, likely = (
        {item.propensity for item in answers[kind].items}
        for kind in (Exploration.EPSILON, Exploration.THOMPSON)
    )
    assert len(even) <= 2
    assert len(likely) > 2
    assert all(item.standard_error for kind in answers for item in answers[kind].items)


def test_reasons_name_what_was_done_before(url: str) -> None:
    known = load_knowledge()
    engine = connect(url)
    published = Published(engine, known.rules, known.metrics)
    settings = Settings(database_url=url)
    with reading(engine) as connection:
        names, rows = run_query(
            connection, "SELECT user_id, count(*) AS n FROM events GROUP BY user_id ORDER BY n DESC"
        )
    cited = set()
    for row in rows[:PEOPLE]:
        answer = recommend_for(published, str(row[names.index("user_id")]), Ask(), settings)
        assert answer.items
        cited |= {reason.part for item in answer.items for reason in item.reasons}
    assert "factor" in cited or "behaviour" in cited
    engine.dispose()
