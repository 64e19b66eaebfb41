"""One record, one run, one instant: SQL, the flows and the command line give the same figures."""

from __future__ import annotations

import json
import math

import pytest
from click.testing import CliRunner

from recommender.cli.root import main
from recommender.columns import PART_COLUMNS
from recommender.domain import Verdict
from recommender.knowledge import load_knowledge
from recommender.published import Published
from recommender.recommend import Ask, rank_for, recommend_for
from recommender.settings import Settings
from recommender.store.engine import Connection, connect, reading
from recommender.store.queries import run_query
from recommender.store.runs import published_run

PEOPLE = 25


def _rows(connection: Connection, query: str) -> list[dict[str, object]]:
    names, rows = run_query(connection, query)
    return [dict(zip(names, row, strict=True)) for row in rows]


def test_sql_rank_and_command_line_agree_for_the_same_instant(trained_url: str) -> None:
    known = load_knowledge()
    engine = connect(trained_url)
    with reading(engine) as connection:
        run = published_run(connection)
        assert run is not None
        people = _rows(connection, f"SELECT user_id FROM users ORDER BY user_id LIMIT {PEOPLE}")
        compared = 0
        published = Published(engine, known.rules, known.metrics)
        for person in people:
            user_id = str(person["user_id"])
            nightly = _rows(
                connection,
                f"SELECT * FROM current_scores WHERE user_id = '{user_id}' ORDER BY rank",
            )
            _, live = rank_for(published, user_id, None, Ask(as_of=run.as_of))
            by_id = {one.action.action_id: one for one in live}
            allowed = [one for one in live if one.verdict is not Verdict.WITHHOLD]
            for row, expected in zip(nightly, allowed, strict=False):
                one = by_id[str(row["action_id"])]
                # equal scores may stand in either order, so it is the scores that are compared
                assert row["score"] == pytest.approx(expected.score, abs=1e-6)
                assert row["p_complete"] == pytest.approx(one.p_complete, abs=1e-6)
                assert row["benefit"] == pytest.approx(one.benefit, abs=1e-6)
                assert [row[name] for name in PART_COLUMNS] == pytest.approx(
                    list(one.parts), abs=1e-6
                )
                assert row["standard_error"] == pytest.approx(one.standard_error, abs=1e-6)
                assert (row["verdict"], row["rule_id"]) == (one.verdict, one.rule_id)
                compared += 1
            printed = CliRunner().invoke(
                main,
                ["recommend", user_id, "--as-of", run.as_of.isoformat(), "--json",
                 "--database-url", trained_url],
            )  # fmt: skip
            for item in json.loads(printed.stdout)["items"]:
                assert item["p_complete"] == pytest.approx(
                    by_id[item["action_id"]].p_complete, abs=1e-6
                )
                assert item["standard_error"] == pytest.approx(
                    by_id[item["action_id"]].standard_error, abs=1e-6
                )
    assert compared >= 10 * PEOPLE
    engine.dispose()


def test_the_law_of_parts_holds_in_every_table(trained_url: str) -> None:
    known = load_knowledge()
    engine = connect(trained_url)
    published = Published(engine, known.rules, known.metrics)
    recommend_for(published, "u0000002", Ask(), Settings(database_url=trained_url))
    with reading(engine) as connection:
        for view in ("current_scores", "served_recommendations"):
            rows = _rows(connection, f"SELECT * FROM {view}")
            assert rows
            for row in rows:
                p = float(str(row["p_complete"]))
                total = sum(float(str(row[name])) for name in PART_COLUMNS)
                assert math.log(p / (1 - p)) == pytest.approx(total, abs=1e-6)
    engine.dispose()


def test_nothing_withheld_stands_in_the_nightly_picture(trained_url: str) -> None:
    engine = connect(trained_url)
    with reading(engine) as connection:
        both = _rows(
            connection,
            "SELECT s.user_id, s.action_id FROM current_scores s JOIN withheld_actions w "
            "ON w.user_id = s.user_id AND w.action_id = s.action_id WHERE w.request_id IS NULL",
        )
        withheld = _rows(connection, "SELECT count(*) AS n FROM withheld_actions")
    assert both == []
    assert int(str(withheld[0]["n"])) > 100
    engine.dispose()
