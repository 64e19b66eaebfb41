"""What an operator sees of a training: lines in cron, stages in SQL, a page, the next night."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from recommender.cli import main
from recommender.stages.record import STAGES
from recommender.store.engine import connect, reading
from recommender.store.queries import run_query

COMMAND = (sys.executable, "-m", "recommender.cli")
TRAIN = (*COMMAND, "train", "--force", "--json", "--search-seconds", "0")
MAIN = [stage for stage in STAGES if stage != "pack"]


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    engine = connect(url)
    with reading(engine) as connection:
        found = [tuple(row) for row in run_query(connection, query)[1]]
    engine.dispose()
    return found


def read(url: str, *arguments: str) -> Any:
    done = CliRunner().invoke(main, ["--database-url", url, *arguments, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def without_pack(stages: list[str]) -> list[str]:
    return [stage for stage in stages if stage != "pack"]


def test_a_nightly_job_leaves_a_line_a_stage_and_one_document(trained_sqlite_url: str) -> None:
    done = CliRunner().invoke(main, [*TRAIN[3:], "--database-url", trained_sqlite_url])
    assert done.exit_code == 0, done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert without_pack([line["stage"] for line in lines]) == MAIN
    assert {line["event"] for line in lines} == {"stage"}
    shares = [line["share"] for line in lines]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    (document,) = done.stdout.splitlines()
    report = json.loads(document)
    run_id = report["run_id"]
    assert {line["run_id"] for line in lines} == {run_id}
    assert sum(line["seconds"] for line in lines) == pytest.approx(report["seconds"], rel=0.1)
    by_name = {line["stage"]: line for line in lines}
    assert by_name["score"]["rows"] == report["users"]
    total = report["users"] + report["events"] + report["observations"]
    assert by_name["read"]["rows"] == total
    shown = read(trained_sqlite_url, "runs", "show", run_id)
    assert shown["stages"] == report["stages"]
    steps = [stage for stage in shown["stages"] if stage["part_of"] == "fit"]
    fit = next(stage for stage in shown["stages"] if stage["stage"] == "fit")
    assert steps
    assert sum(step["seconds"] for step in steps) == pytest.approx(fit["seconds"], rel=0.1)
    peaks = [stage["peak_mb"] for stage in shown["stages"] if stage["part_of"] is None]
    assert peaks == sorted(peaks)
    (history,) = rows(
        trained_sqlite_url,
        "SELECT people, events, observations, fit_seconds, last_stage FROM run_history "
        f"WHERE run_id = '{run_id}'",
    )
    assert history == (
        report["users"], report["events"], report["observations"], fit["seconds"], "publish"
    )  # fmt: skip


def test_the_log_level_turns_the_lines_off(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECOMMENDER_LOG_LEVEL", "warning")
    done = CliRunner().invoke(main, ["--database-url", sqlite_url, "train"])
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 1


def test_a_killed_run_shows_how_far_it_came(trained_sqlite_url: str) -> None:
    process = subprocess.Popen(
        [*TRAIN, "--database-url", trained_sqlite_url],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    begun = (
        "SELECT s.run_id FROM run_stages s JOIN runs r ON r.run_id = s.run_id "
        "WHERE s.stage = 'fit' AND r.status = 'training'"
    )
    deadline = time.monotonic() + 60
    while not (found := rows(trained_sqlite_url, begun)) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.kill()
    process.wait()
    ((run_id,),) = found
    stages = {
        stage["stage"]: stage
        for stage in read(trained_sqlite_url, "runs", "show", run_id)["stages"]
    }
    assert stages["read"]["seconds"] > 0
    assert stages["fit"]["seconds"] is None
    shown = CliRunner().invoke(main, ["--database-url", trained_sqlite_url, "runs", "show", run_id])
    assert re.search(r"fit +not ended", shown.stdout)


def test_a_failed_run_shows_how_far_it_came(sqlite_url: str) -> None:
    done = CliRunner().invoke(main, ["--database-url", sqlite_url, "train"])
    assert done.exit_code == 1
    assert [json.loads(line)["stage"] for line in done.stderr.splitlines()[:-1]][-1] == "read"
    assert done.stderr.splitlines()[-1].startswith("error: there are no actions")
    ((status, last, seconds),) = rows(
        sqlite_url, "SELECT status, last_stage, read_seconds FROM run_history"
    )
    assert (status, last) == ("failed", "read")
    assert seconds > 0


def test_a_terminal_shows_a_bar_with_an_estimate_and_leaves_nothing_behind(
    trained_sqlite_url: str,
) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*TRAIN[:-3], "--search-seconds", "0", "--database-url", trained_sqlite_url],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(theirs)
    seen = b""
    try:
        while some := os.read(ours, 65536):
            seen += some
    except OSError:  # the other side has closed
        pass
    os.close(ours)
    assert process.stdout is not None
    printed = process.stdout.read()
    process.stdout.close()
    assert process.wait() == 0
    assert b"left" in seen
    assert b"fit" in seen
    assert b'"event"' not in seen
    assert printed.startswith(b"run ")


def test_the_last_trainings_on_a_page(trained_sqlite_url: str, tmp_path: Path) -> None:
    page = tmp_path / "trainings.html"
    assert read(trained_sqlite_url, "runs", "report", str(page)) == {"runs": 1, "out": str(page)}
    text = page.read_text()
    assert text.count("<svg") == 4
    assert "The only training so far." in text
    assert all(f">{stage}</text>" in text for stage in ("read", "fit"))
    assert "http" not in text.replace("http-equiv", "")


def test_a_page_without_any_training(sqlite_url: str, tmp_path: Path) -> None:
    page = tmp_path / "trainings.html"
    assert read(sqlite_url, "runs", "report", str(page))["runs"] == 0
    assert "There are no trainings yet." in page.read_text()


def age(url: str) -> None:
    """Make it look as if the only training had been two days ago."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute(
            "UPDATE runs SET started_at = strftime('%Y-%m-%dT%H:%M:%f000Z', started_at, '-2 days')"
        )


def schedule(url: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, "schedule", "--at", "02:15", "--database-url", url, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"RECOMMENDER_SEARCH_SECONDS": "0"},
    )


def test_schedule_catches_up_a_missed_night_once(trained_sqlite_url: str) -> None:
    age(trained_sqlite_url)
    process = schedule(trained_sqlite_url, "--once", "--json")
    out, err = process.communicate(timeout=120)
    lines = [json.loads(line) for line in err.splitlines()]
    ended = [line for line in lines if line["event"] == "training ended"]
    assert [line["exit_code"] for line in ended] == [process.returncode]
    assert process.returncode in (0, 4)
    (document,) = out.splitlines()
    assert json.loads(document)["run_id"]
    assert rows(trained_sqlite_url, "SELECT count(*) FROM runs") == [(2,)]


def test_schedule_waits_where_nothing_was_missed_and_ends_when_told(
    trained_sqlite_url: str,
) -> None:
    process = schedule(trained_sqlite_url)
    assert process.stderr is not None
    first = json.loads(process.stderr.readline())
    assert first["event"] == "schedule"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT02:15:00Z", first["next_at"])
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")
    assert rows(trained_sqlite_url, "SELECT count(*) FROM runs") == [(1,)]


def test_schedule_told_to_end_stops_the_training_safely(trained_sqlite_url: str) -> None:
    age(trained_sqlite_url)
    process = schedule(trained_sqlite_url)
    deadline = time.monotonic() + 60
    begun = (
        "SELECT 1 FROM run_stages s JOIN runs r ON r.run_id = s.run_id WHERE status = 'training'"
    )
    while not rows(trained_sqlite_url, begun) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert '"exit_code":130' in err
    found = rows(trained_sqlite_url, "SELECT status FROM runs ORDER BY started_at")
    assert found == [("trained",), ("failed",)]


@pytest.mark.parametrize(
    "wrong", [["--at", "25:00"], ["--at", "2 o'clock"], ["--at", "02:15", "--timezone", "Berlin"]]
)
def test_what_makes_no_sense_is_refused(wrong: list[str]) -> None:
    done = CliRunner().invoke(main, ["schedule", *wrong])
    assert done.exit_code == 2
    assert "such as" in done.stderr
