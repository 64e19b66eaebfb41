"""The commands one after the other on a real database, as an operator types them."""

from __future__ import annotations

import csv
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from api.schemas import AnswerOut
from recommender.cli import main
from recommender.cli.demo import QUERIES
from recommender.store.engine import connect, reading
from recommender.store.lock import train_lock
from recommender.store.queries import run_query


class Operator:
    """Types commands against one database."""

    def __init__(self, url: str) -> None:
        self.url = url

    def type(self, *arguments: str, given: str | None = None) -> Result:
        return CliRunner().invoke(main, ["--database-url", self.url, *arguments], input=given)

    def read(self, *arguments: str) -> Any:
        done = self.type(*arguments, "--json")
        assert done.exit_code == 0, done.output
        assert len(done.stdout.strip().splitlines()) == 1
        return json.loads(done.stdout)


@pytest.fixture
def operator(trained_url: str) -> Operator:
    return Operator(trained_url)


@pytest.fixture
def beginner(database_url: str) -> Operator:
    return Operator(database_url)


def test_from_files_to_an_answer(beginner: Operator, simulated: Path) -> None:
    for kind in ("actions", "users", "events", "observations"):
        done = beginner.type("ingest", kind, str(simulated / f"{kind}.csv"))
        assert done.exit_code in (0, 3), done.output
        assert done.output.startswith(f"{kind}: ")
    again = beginner.read("ingest", "events", str(simulated / "events.csv"))
    assert (again["accepted"], again["corrected"], again["rejected"]) == (0, 0, 0)
    assert again["duplicates"] > 1000
    report = beginner.read("train", "--force")
    assert report["published"]
    answer = beginner.read("recommend", "u0000001", "--limit", "3")
    AnswerOut.model_validate(answer)
    assert (len(answer["items"]), answer["run_id"]) == (3, report["run_id"])


def test_rejected_records_end_with_3_and_can_be_retried(operator: Operator, tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    event = {
        "event_id": "late", "user_id": "u0000001", "action_id": "not-yet", "type": "view",
        "occurred_at": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    path.write_text(json.dumps(event))
    done = operator.type("ingest", "events", str(path))
    assert done.exit_code == 3
    assert "1 rejected" in done.output
    assert "retry-rejected" in done.output
    assert operator.type("retry-rejected").exit_code == 3
    assert "1 waiting: events unknown_action (1)" in operator.type("doctor").output
    action = {
        "action_id": "not-yet", "title": "Now it is", "domain": "sleep",
        "evidence": [{"source": "A trial", "grade": "trial"}],
    }  # fmt: skip
    taken = operator.type("ingest", "actions", "-", given=json.dumps(action))
    assert taken.exit_code == 0, taken.output
    assert operator.read("retry-rejected", "--kind", "events")["accepted"] == 1


def test_a_malformed_file_names_line_and_column(operator: Operator, tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_text('{"event_id": "a"}\n{"event_id": \n')
    done = operator.type("ingest", "events", str(path))
    assert done.exit_code == 1
    assert "line 2, column" in done.stderr


def test_recommend_reads_well(operator: Operator) -> None:
    done = operator.type("recommend", "u0000001", "--limit", "4", "--audience", "clinician")
    assert done.exit_code == 0
    assert all(len(line) <= 100 for line in done.output.splitlines())
    for expected in ("  1  ", "  4  ", "likely to do it", "benefit", "withheld by the guardrails"):
        assert expected in done.output


def test_alerts_come_first(operator: Operator, tmp_path: Path) -> None:
    path = tmp_path / "crisis.csv"
    path.write_text(
        "observation_id,user_id,metric,value,observed_at\n"
        "crisis,u0000001,systolic_bp,200,2026-06-01T08:00:00Z\n"
    )
    assert operator.type("ingest", "observations", str(path)).exit_code == 0
    as_of = ("--as-of", "2026-06-01T09:00:00Z")
    done = operator.type("recommend", "u0000001", *as_of)
    assert done.output.splitlines()[0].startswith("╭─ ALERT")
    assert operator.read("recommend", "u0000001", *as_of)["alerts"]


def test_the_gate_and_the_lock_have_their_exit_codes(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = connect(operator.url)
    with train_lock(engine):
        assert operator.type("train").exit_code == 5
    engine.dispose()
    before = operator.read("recommend", "u0000001")["run_id"]
    monkeypatch.setenv("RECOMMENDER_GATE_CALIBRATION_ERROR", "0")
    held = operator.type("train", "--json")
    assert held.exit_code == 4
    assert json.loads(held.stdout)["held_back"]
    assert operator.read("recommend", "u0000001")["run_id"] == before


def test_runs_can_be_listed_shown_published_and_rolled_back(operator: Operator) -> None:
    first = operator.read("runs", "list")[0]["run_id"]
    second = operator.read("train", "--force", "--seed", "5")["run_id"]
    assert {run["run_id"]: run["published"] for run in operator.read("runs", "list")} == {
        first: False,
        second: True,
    }
    assert second in operator.type("runs", "list").output
    shown = operator.read("runs", "show", second)
    assert shown["seed"] == 5
    assert shown["figures"]
    assert shown["manifest"]["features"]
    assert operator.type("runs", "show", second).exit_code == 0
    assert operator.read("runs", "rollback") == {"run_id": first, "instead_of": second}
    assert operator.read("recommend", "u0000002")["run_id"] == first
    assert operator.type("runs", "rollback").exit_code == 1
    operator.read("runs", "publish", second)
    assert operator.read("recommend", "u0000002")["run_id"] == second
    assert operator.type("runs", "publish", "no-such-run").exit_code == 1


def test_a_run_has_a_card(operator: Operator, simulated: Path, tmp_path: Path) -> None:
    run_id = operator.read("runs", "list")[0]["run_id"]
    card = operator.read("runs", "card", run_id)
    assert card["data"]["users"] == 120
    not_forced = {"forced": False, "forced_by": None, "forced_at": None}
    assert card["gate"] == {"passed": True, "reasons": []} | not_forced
    assert {"age"} <= set(card["features"]["profile"])
    everybody = card["groups"][0]
    assert everybody["family"] == "all"
    assert everybody["figures"]["hybrid_log_loss"]["standard_error"] > 0
    assert all(group["people"] >= card["least_people"] for group in card["groups"])
    out = tmp_path / "card.md"
    assert operator.type("runs", "card", run_id, "--out", str(out)).exit_code == 0
    written = out.read_text()
    assert written == operator.type("runs", "card").stdout
    assert "| sex: female |" in written
    assert "Not a medical device" in written
    as_file = operator.type("runs", "card", run_id, "--format", "json").stdout
    assert json.loads(as_file) == card
    with (simulated / "users.csv").open() as lines:
        people = [row["user_id"] for row in csv.DictReader(lines)]
    everything = written + as_file + operator.type("runs", "show", run_id, "--json").stdout
    assert not [person for person in people if person in everything]
    assert operator.type("runs", "card", "no-such-run").exit_code == 1


def test_a_run_that_failed_has_no_card_and_cant_be_forced(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr("recommender.train.judge", fail)
    assert operator.type("train").exit_code == 1
    failed = operator.read("runs", "list")[0]
    assert failed["status"] == "failed"
    for command in (("card",), ("publish",), ("publish", "--force")):
        done = operator.type("runs", *command, failed["run_id"])
        assert done.exit_code == 1
        assert "failed" in done.stderr


def test_a_person_can_be_exported_and_erased(operator: Operator, tmp_path: Path) -> None:
    operator.read("recommend", "u0000003")
    held = json.loads(operator.type("user", "export", "u0000003").stdout)
    assert held["users"]
    assert held["events"]
    assert held["requests"]
    out = tmp_path / "held.json"
    assert operator.type("user", "export", "u0000003", "--out", str(out)).exit_code == 0
    log = json.loads(out.read_text())["access_log"]
    assert [(entry["operation"], entry["channel"]) for entry in log] == [
        ("read", "cli"),
        ("export", "cli"),
    ]
    assert operator.type("user", "erase", "u0000003", given="n\n").exit_code == 1
    assert operator.type("user", "erase", "u0000003", given="").exit_code == 2
    done = operator.type(
        "user",
        "erase",
        "u0000003",
        given="y\n",
    )
    assert done.exit_code == 0, done.output
    assert operator.type("user", "export", "u0000003").exit_code == 1
    assert operator.read("recommend", "u0000003")["cold_start"]
    assert operator.read("user", "erase", "u0000003", "--yes")["deleted"] == {
        "requests": 1,
        "access_log": 1,
    }


def test_keys_show_their_secret_once(operator: Operator) -> None:
    made = operator.read("key", "create", "--name", "app", "--scope", "write", "--user", "u1")
    assert made["key"].startswith("rk_")
    listed = operator.read("key", "list")
    assert [(key["name"], key["scopes"], key["user_id"]) for key in listed] == [
        ("app", ["write"], "u1")
    ]
    assert made["key"] not in operator.type("key", "list").output
    assert operator.type("key", "revoke", made["key_id"]).exit_code == 0
    assert operator.read("key", "list")[0]["revoked_at"]
    assert operator.type("key", "revoke", "nothing").exit_code == 1


def test_doctor_finds_what_is_missing_and_says_what_to_do(
    beginner: Operator, empty_database_url: str
) -> None:
    bare = Operator(empty_database_url).type("doctor")
    assert bare.exit_code == 1
    assert "recommender upgrade" in bare.output
    empty = beginner.type("doctor")
    assert empty.exit_code == 1
    assert "recommender ingest actions" in empty.output
    assert "recommender train" in empty.output


def test_doctor_is_content_with_a_trained_database(operator: Operator) -> None:
    findings = {each["name"]: each for each in operator.read("doctor")}
    assert all(each["status"] != "fail" for each in findings.values())
    user = '{"user_id": "u-x", "conditions": ["left-handedness"]}'
    assert operator.type("ingest", "users", "-", given=user).exit_code == 0
    conditions = next(f for f in operator.read("doctor") if f["name"] == "conditions")
    assert conditions["status"] == "warn"
    assert "left_handedness (1)" in conditions["found"]


def test_simulate_writes_the_four_files(tmp_path: Path) -> None:
    out = tmp_path / "made"
    numbers = ("--users", "20", "--actions", "10", "--days", "5", "--seed", "3")
    done = CliRunner().invoke(main, ["simulate", *numbers, "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["users"] == 20
    names = {path.name for path in out.iterdir()}
    assert {"users.csv", "actions.csv", "events.csv", "observations.csv"} <= names


def test_serve_refuses_an_open_door(operator: Operator) -> None:
    done = operator.type("serve", "--host", "0.0.0.0", "--port", "0")
    assert done.exit_code == 2
    assert "recommender key create" in done.stderr


def test_serve_on_a_taken_port_fails_with_1(operator: Operator) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        done = operator.type("serve", "--port", str(other.getsockname()[1]))
    assert done.exit_code == 1
    assert "can't listen" in done.stderr


def test_training_in_the_future_is_wrong_usage(operator: Operator) -> None:
    done = operator.type("train", "--as-of", "2099-01-01T00:00:00Z")
    assert done.exit_code == 2
    assert "future" in done.stderr


def test_the_queries_of_the_demo_run_on_either_database(trained_url: str) -> None:
    engine = connect(trained_url)
    with reading(engine) as connection:
        for _, query in QUERIES:
            run_query(connection, query.format(person="u0000001"))
    engine.dispose()
