"""What the gate makes of a night on which something upstream went wrong."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text
from week_old import NOW, THEN, train

from recommender.cli import main
from recommender.knowledge import load_knowledge
from recommender.settings import GateLimits, Settings
from recommender.store.column_types import UtcInstant
from recommender.store.engine import connect, reading, writing
from recommender.store.runs import all_figures, published_run, run_detail

STEPS_STOP = (
    "DELETE FROM observations WHERE metric = 'step_count' AND source = 'simulated:wearable'"
    " AND observed_at > :then"
)
WEIGHTS_IN_POUNDS = "UPDATE observations SET value = value * 2.2 WHERE metric = 'body_weight'"
NEW_STEPS_TENFOLD = (
    "UPDATE observations SET value = value * 10 WHERE metric = 'step_count' AND observed_at > :then"
)
NO_COMPLETIONS = "DELETE FROM events WHERE type = 'complete' AND occurred_at > :then"
NOTHING_SHOWN_TODAY = "DELETE FROM events WHERE type = 'impression' AND occurred_at > :yesterday"
NO_BIRTH_DATES = "UPDATE users SET birth_date = NULL"
WITHHELD_COMPLETED = (
    "UPDATE events SET type = 'complete' WHERE type IN ('view', 'dismiss') AND action_id IN "
    "(SELECT action_id FROM actions WHERE CAST(tags AS text) LIKE '%tobacco%')"
)
NO_TAGS = "UPDATE actions SET tags = '[]'"
SMOKING_RENAMED = {
    "sqlite": "UPDATE users SET attributes = json_remove(attributes, '$.smoking_status')",
    "postgresql": "UPDATE users SET attributes = attributes - 'smoking_status'",
}


def change(url: str, statement: str) -> None:
    """Let something happen to the records since the published run."""
    engine = connect(url)
    instants = {"then": THEN, "yesterday": NOW - timedelta(days=1)}
    given = {
        name: UtcInstant().process_bind_param(at, engine.dialect)
        for name, at in instants.items()
        if f":{name}" in statement
    }
    with writing(engine) as connection:
        done = connection.execute(text(statement), given)
        assert done.rowcount >= 24
    engine.dispose()


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    engine = connect(url)
    with reading(engine) as connection:
        rows = [tuple(row) for row in connection.execute(text(statement))]
    engine.dispose()
    return rows


def in_force(url: str) -> str:
    engine = connect(url)
    with reading(engine) as connection:
        run = published_run(connection)
    engine.dispose()
    assert run is not None
    return run.run_id


def operate(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--database-url", url, *arguments])


def test_an_ordinary_week_is_published_and_leaves_its_figures(week_old_url: str) -> None:
    before = in_force(week_old_url)
    report = train(week_old_url)
    assert report.held_back == ()
    assert in_force(week_old_url) == report.run_id != before
    engine = connect(week_old_url)
    with reading(engine) as connection:
        figures = all_figures(connection, report.run_id)
        first = all_figures(connection, before)
    engine.dispose()
    assert abs(figures["drift_psi", "biometrics:body_weight:level"]) < 0.25
    assert figures["drift_present_now", "profile:age"] == 1.0
    assert 0.5 < figures["feed_ratio", "step_count/simulated:wearable"] < 2
    assert 0.5 < figures["feed_ratio", "event/impression"] < 2
    for name in ("calibration_shift", "calibration_slope", "published_calibration_shift"):
        assert (name, "all") in figures
    assert abs(figures["published_calibration_shift", "all"]) < 0.7
    assert ("log_loss_change_late", "all") in figures
    assert figures["offers_people", "all"] == first["offers_people", "all"] == 130
    assert 0 < figures["near_miss", "all"] < 1
    assert figures["offers_unscored", "all"] == figures["offers_empty", "all"] == 0
    assert figures["rule_version", "unknown_pressure"] == 1
    shown = operate(week_old_url, "runs", "show", before)
    assert "offers_top_share" in shown.stdout
    card = operate(week_old_url, "runs", "card", report.run_id).stdout
    assert "| tobacco_not_used | 75.4% |" in card
    # The first run had nothing to be compared with, but says how its feeds were.
    assert not any(name.startswith("drift_") for name, _ in first)
    assert ("feed_ratio", "event/complete") in first


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (STEPS_STOP, "feeds stopped, records of the last 7 days against a usual week: step_count"),
        (WEIGHTS_IN_POUNDS, "stability index above 0.25: biometrics:body_weight:level"),
        (NEW_STEPS_TENFOLD, "new readings are unlike those before: step_count"),
        (NO_COMPLETIONS, "event/complete (0%)"),
        (NO_BIRTH_DATES, "the 10 most listed actions take 91% of all places"),
        (WITHHELD_COMPLETED, "of people, it was 0.0%, mostly by tobacco_not_used"),
        (NO_TAGS, "guardrail rules hardly withhold any more: "),
    ],
    ids=[
        "a feed stops",
        "all weights in pounds",
        "new steps tenfold",
        "no completions",
        "birth dates gone",
        "completions of what is withheld",
        "tags of actions gone",
    ],
)
def test_a_fault_upstream_holds_the_run_back(week_old_url: str, what: str, said: str) -> None:
    before = in_force(week_old_url)
    change(week_old_url, what)
    report = train(week_old_url)
    assert not report.published
    assert any(said in reason for reason in report.held_back), report.held_back
    assert in_force(week_old_url) == before
    [(status, message)] = query(
        week_old_url, f"SELECT status, message FROM runs WHERE run_id = '{report.run_id}'"
    )
    assert status == "held_back"
    assert said in message
    assert "recommender train --force" in message


def test_fewer_completions_than_expected_hold_the_run_back(week_old_url: str) -> None:
    engine = connect(week_old_url)
    with writing(engine) as connection:
        rows = connection.execute(
            text("SELECT event_id FROM events WHERE type = 'complete' ORDER BY event_id")
        ).scalars()
        # Two in three never arrive, which is still more than a feed that stopped.
        lost = [event_id for place, event_id in enumerate(rows) if place % 3]
        then = UtcInstant().process_bind_param(THEN, engine.dialect)
        connection.execute(
            text("DELETE FROM events WHERE event_id = :lost AND occurred_at > :then"),
            [{"lost": event_id, "then": then} for event_id in lost],
        )
    engine.dispose()
    report = train(week_old_url)
    assert any("far less than expected" in reason for reason in report.held_back)


def test_a_column_that_vanishes_holds_the_run_back(week_old_url: str) -> None:
    change(week_old_url, SMOKING_RENAMED["sqlite" if "sqlite" in week_old_url else "postgresql"])
    report = train(week_old_url)
    assert any("values have vanished: profile:smoking" in reason for reason in report.held_back)


def test_a_feed_that_fell_silent_today_holds_the_run_back(week_old_url: str) -> None:
    yesterday = NOW - timedelta(days=1)
    assert train(week_old_url, yesterday).held_back == ()
    change(week_old_url, NOTHING_SHOWN_TODAY)
    [reason] = train(week_old_url).held_back
    assert reason.startswith("feeds fell silent, records of the last day against the same day")
    assert "event/impression (0%)" in reason


def test_a_feed_that_is_meant_to_stop_holds_nothing_back(week_old_url: str) -> None:
    change(week_old_url, STEPS_STOP)
    assert train(week_old_url, expected_stops="step_count/*").held_back == ()


def test_rules_that_got_lost_hold_the_run_back_and_rules_switched_off_do_not(
    week_old_url: str,
) -> None:
    chosen = Settings(rules_disabled="unknown_pressure,tobacco_not_used")
    without = load_knowledge(chosen).rules
    lost = train(week_old_url, rules=replace(without, disabled=()))
    said = "no longer in force: tobacco_not_used, unknown_pressure"
    assert any(said in reason for reason in lost.held_back)
    assert train(week_old_url, rules=without).held_back == ()


def test_force_publishes_says_so_and_is_the_new_normal(
    week_old_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    change(week_old_url, STEPS_STOP)
    forced = train(week_old_url, force=True)
    assert forced.published
    assert forced.held_back
    assert in_force(week_old_url) == forced.run_id
    [(message,)] = query(week_old_url, f"SELECT message FROM runs WHERE run_id = '{forced.run_id}'")
    assert message.startswith("published by force: feeds stopped")
    [line] = [record.getMessage() for record in caplog.records if record.name.endswith("gate")]
    assert line == f"gate overruled by `train --force`, run {forced.run_id}: {message}"
    card = json.loads(operate(week_old_url, "runs", "card", forced.run_id, "--json").stdout)
    assert (card["gate"]["forced"], card["gate"]["forced_by"]) == (True, "train --force")
    # What an operator has accepted is not brought up every night.
    assert train(week_old_url).held_back == ()


def test_a_run_held_back_can_be_published_on_an_operators_word(
    week_old_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = in_force(week_old_url)
    change(week_old_url, NEW_STEPS_TENFOLD)
    held = operate(week_old_url, "train", "--as-of", NOW.isoformat(), "--json")
    assert held.exit_code == 4
    run_id = json.loads(held.stdout)["run_id"]
    refused = operate(week_old_url, "runs", "publish", run_id)
    assert refused.exit_code == 1
    assert "runs publish --force" in refused.stderr
    assert in_force(week_old_url) == before
    done = operate(week_old_url, "runs", "publish", run_id, "--force")
    assert done.exit_code == 0, done.output
    assert in_force(week_old_url) == run_id
    [(people,)] = query(week_old_url, "SELECT count(DISTINCT user_id) FROM current_scores")
    assert people == 130
    engine = connect(week_old_url)
    with reading(engine) as connection:
        message = run_detail(connection, run_id).summary.message or ""
    engine.dispose()
    assert message.startswith("published by force: ")
    assert "train --force" not in message
    card = json.loads(operate(week_old_url, "runs", "card", run_id, "--json").stdout)
    assert (card["gate"]["forced"], card["gate"]["forced_by"]) == (True, "runs publish --force")
    [line] = [record.getMessage() for record in caplog.records if record.name.endswith("gate")]
    assert line == f"gate overruled by `runs publish --force`, run {run_id}: {message}"
    assert operate(week_old_url, "runs", "publish", run_id, "--force").exit_code == 0
    back = json.loads(operate(week_old_url, "runs", "rollback", "--json").stdout)
    assert back == {"run_id": before, "instead_of": run_id}


def test_a_published_model_that_cant_be_read_stops_no_training(week_old_url: str) -> None:
    engine = connect(week_old_url)
    with writing(engine) as connection:
        connection.execute(text("UPDATE runs SET artifact = NULL"))
    engine.dispose()
    assert train(week_old_url).published


def test_documented_queries_answer(week_old_url: str) -> None:
    train(week_old_url)
    page = (Path(__file__).parents[2] / "docs" / "runs.md").read_text(encoding="utf-8")
    queries = re.findall(r"^```sql\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(queries) >= 5
    for statement in queries:
        rows = query(week_old_url, statement.replace(":", "\\:"))
        assert rows, statement
        assert all(value is not None for value in rows[0]), statement


def test_every_limit_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "runs.md").read_text(encoding="utf-8")
    for name, limit in GateLimits.model_fields.items():
        default = f" {limit.default:g}" if limit.default else ""
        assert re.search(rf"`{name.upper()}`{default}", page), name
