"""What the hooks are told of a training, and that they can't change how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text
from week_old import NOW

from recommender.cli import main
from recommender.store.engine import Engine, connect, reading, writing
from recommender.store.lock import train_lock


def train(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--database-url", url, "train", *arguments])


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder where the hooks leave what they were told."""
    for name in ("success", "failure"):
        monkeypatch.setenv(f"RECOMMENDER_ON_{name.upper()}", f"tee '{tmp_path / name}'")
    return tmp_path


def summary(told: Path, name: str) -> dict[str, Any]:
    other = {"success": "failure", "failure": "success"}[name]
    assert not (told / other).exists()
    document: dict[str, Any] = json.loads((told / name).read_text())
    return document


def newest_run(engine: Engine) -> tuple[str, str]:
    with reading(engine) as connection:
        row = connection.execute(text("SELECT run_id, status FROM runs ORDER BY started_at DESC"))
        run_id, status = row.first() or ("", "")
    return run_id, status


def test_a_published_run_is_told_and_a_hook_that_fails_changes_nothing(
    week_old_url: str, told: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = f"sh -c 'cat > \"{told / 'success'}\"; echo no mail server; exit 9'"
    monkeypatch.setenv("RECOMMENDER_ON_SUCCESS", command)
    done = train(week_old_url, "--as-of", NOW.isoformat(), "--search-seconds", "0", "--json")
    assert done.exit_code == 0
    report, summed = json.loads(done.stdout), summary(told, "success")
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["message"] for line in lines if line["logger"] == "recommender.hooks"] == [
        "the hook on_success went wrong, the training is as it is: it ended with 9: no mail server"
    ]
    engine = connect(week_old_url)
    assert newest_run(engine) == (report["run_id"], "trained")
    engine.dispose()
    assert (summed["status"], summed["exit_code"], summed["forced"]) == ("published", 0, False)
    for name in ("run_id", "published", "held_back", "figures", "seconds", "users"):
        assert summed[name] == report[name], name
    assert report["run_id"] in summed["text"]
    assert "simulated:" not in json.dumps(summed | {"held_back": []})


def test_a_run_held_back_is_told_with_its_reasons(week_old_url: str, told: Path) -> None:
    engine = connect(week_old_url)
    with writing(engine) as connection:
        connection.execute(text("UPDATE observations SET value = value * 3"))
    engine.dispose()
    held = train(week_old_url, "--as-of", NOW.isoformat(), "--search-seconds", "0")
    assert held.exit_code == 4
    summed = summary(told, "failure")
    assert (summed["status"], summed["exit_code"]) == ("held_back", 4)
    assert any("people look unlike" in reason for reason in summed["held_back"])


def test_a_training_that_fails_is_told_with_its_run(database_url: str, told: Path) -> None:
    failed = train(database_url)
    assert failed.exit_code == 1
    summed = summary(told, "failure")
    engine = connect(database_url)
    assert newest_run(engine) == (summed["run_id"], "failed")
    engine.dispose()
    assert (summed["status"], summed["exit_code"]) == ("failed", 1)
    assert summed["error"]["kind"] == "NothingToLearnError"
    assert summed["error"]["message"] in failed.stderr


def test_a_training_that_finds_another_at_work_is_told(database_url: str, told: Path) -> None:
    engine = connect(database_url)
    with train_lock(engine):
        assert train(database_url).exit_code == 5
    engine.dispose()
    summed = summary(told, "failure")
    assert (summed["status"], summed["exit_code"], summed["run_id"]) == ("locked", 5, None)


def test_a_hook_that_can_never_be_called_stops_the_training_before_it_begins(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value, said in (
        ("no-such-program", "RECOMMENDER_ON_FAILURE: there is no command no-such-program"),
        ("gopher://x", "RECOMMENDER_ON_FAILURE: Value error, an address must begin with http"),
    ):
        monkeypatch.setenv("RECOMMENDER_ON_FAILURE", value)
        refused = train(sqlite_url)
        assert refused.exit_code == 2
        assert said in refused.stderr
    engine = connect(sqlite_url)
    assert newest_run(engine) == ("", "")
    engine.dispose()
