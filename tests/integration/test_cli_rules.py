"""``recommender rules`` from outside, a team's own rules, and what is switched off."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asgi import TestClient
from click.testing import CliRunner, Result

from api.app import create_app
from recommender.cli import main
from recommender.settings import Settings

PERSON = "u0000001"
OWN = """
[[rule]]
rule_id = "our_quiet_week"
version = 3
verdict = "withhold"
severity = "info"
tags = ["light_exercise"]
when = "always"
text_user = "Rest."
text_clinician = "Rest."
source = "Our board"
date = "2026-01"
"""


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["rules", *arguments])


def observe(url: str, metric: str, value: float, minutes: float, source: str) -> None:
    record = {
        "observation_id": f"{metric}-{value}",
        "user_id": PERSON,
        "metric": metric,
        "value": value,
        "observed_at": (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat(),
        "source": source,
    }
    with TestClient(create_app(Settings(database_url=url)), client=("127.0.0.1", 1)) as client:
        assert client.post("/v1/observations", json=record).json()["accepted"] == 1


def test_check_and_list(tmp_path: Path) -> None:
    assert call("check").exit_code == 0
    own = tmp_path / "own.toml"
    own.write_text(OWN.replace('"always"', '"age > "'))
    wrong = call("check", str(own))
    assert wrong.exit_code == 1
    assert "own.toml:8: our_quiet_week: " in wrong.output
    assert json.loads(call("check", str(own), "--json").stdout)[0]["line"] == 8
    heat = json.loads(call("list", "--tag", "heat", "--severity", "critical", "--json").stdout)
    assert {"pregnancy"} <= {rule["rule_id"] for rule in heat}
    assert {rule["severity"] for rule in heat} == {"critical"}
    assert "unknown_person" in call("list", "--verdict", "withhold").output


def test_explain_shows_the_readings_and_is_logged(trained_sqlite_url: str) -> None:
    observe(trained_sqlite_url, "systolic_bp", 185, 6, "old cuff")
    observe(trained_sqlite_url, "systolic_bp", 118, 1, "new cuff")
    found = call("explain", PERSON, "--json", "--database-url", trained_sqlite_url)
    assert found.exit_code == 0, found.output
    told = json.loads(found.stdout)
    pressure = {r["part"]: r for r in told["readings"] if r["metric"] == "systolic_bp"}
    assert (pressure["stands"]["value"], pressure["stands"]["source"]) == (118, "new cuff")
    assert (pressure["disputes"]["value"], pressure["disputes"]["source"]) == (185, "old cuff")
    assert pressure["disputes"]["fresh"]
    assert 0.09 < pressure["disputes"]["age_hours"] < 0.2
    unsafe = [each for each in told["actions"] if each["rule_id"] == "pressure_unsafe"]
    assert unsafe
    assert {tuple(each["observation_ids"]) for each in unsafe} == {("systolic_bp-185",)}
    assert "pressure_crisis" in {alert["rule_id"] for alert in told["alerts"]}
    one = unsafe[0]["action_id"]
    words = call("explain", PERSON, "--action", one, "--database-url", trained_sqlite_url)
    for piece in ("old cuff", "the safer", "pressure_unsafe", "ALERT critical"):
        assert piece in words.output
    with sqlite3.connect(trained_sqlite_url.removeprefix("sqlite:///")) as connection:
        seen = connection.execute(
            "SELECT count(*) FROM access_log WHERE user_id = ? AND operation = 'read' "
            "AND channel = 'cli'",
            (PERSON,),
        ).fetchone()
    assert seen == (2,)
    missing = call("explain", PERSON, "--action", "nothing", "--database-url", trained_sqlite_url)
    assert missing.exit_code == 1


def answer(url: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    settings = Settings(database_url=url)
    with TestClient(create_app(settings), client=("127.0.0.1", 1)) as client:
        told = client.get(f"/v1/users/{PERSON}/recommendations?limit=1000").json()
        ready = client.get("/status/ready").json()
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        query = "SELECT rules FROM requests WHERE request_id = ?"
        (rules,) = connection.execute(query, (told["request_id"],)).fetchone()
    return told, ready["rules"], rules


def test_own_rules_reach_every_answer(
    trained_sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, _, label = answer(trained_sqlite_url)
    own = tmp_path / "own.toml"
    own.write_text(OWN)
    monkeypatch.setenv("RECOMMENDER_RULES", str(own))
    after, ready, own_label = answer(trained_sqlite_url)
    assert after["withheld"] > before["withheld"]
    assert ready["own"] == ["our_quiet_week"]
    assert ready["label"] == own_label != label
    listed = json.loads(call("list", "--tag", "light_exercise", "--json").stdout)
    assert [rule["rule_id"] for rule in listed if rule["own"]] == ["our_quiet_week"]
    assert call("check").exit_code == 0
    monkeypatch.setenv("RECOMMENDER_RULES", str(tmp_path / "gone.toml"))
    assert call("list").exit_code != 0


def test_a_rule_switched_off_is_seen_everywhere(
    trained_sqlite_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("RECOMMENDER_RULES_DISABLED", "stimulant_care, older_care")
    _, ready, label = answer(trained_sqlite_url)
    assert ready["disabled"] == ["older_care", "stimulant_care"]
    assert label.endswith("disabled:older_care,stimulant_care")
    assert "switched off: older_care, stimulant_care" in caplog.text
    doctor = CliRunner().invoke(main, ["doctor", "--json", "--database-url", trained_sqlite_url])
    rules = next(each for each in json.loads(doctor.stdout) if each["name"] == "rules")
    assert rules["status"] == "warn"
    assert "older_care, stimulant_care" in rules["found"]
    monkeypatch.setenv("RECOMMENDER_RULES_DISABLED", "no_such_rule")
    assert call("list").exit_code == 1
