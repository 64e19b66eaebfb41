"""``recommender catalogue``: check a file, look at the database, compare, retire."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from recommender.cli import main
from recommender.resources import data_path

SHIPPED = data_path("actions.ndjson")


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["catalogue", *arguments])


@pytest.fixture
def stocked(sqlite_url: str, tmp_path: Path) -> tuple[str, Path]:
    """A database with three shipped actions, and their file."""
    lines = SHIPPED.read_text(encoding="utf-8").splitlines()[:3]
    path = tmp_path / "mine.ndjson"
    path.write_text("\n".join(lines), encoding="utf-8")
    options = ["--database-url", sqlite_url]
    assert CliRunner().invoke(main, ["ingest", "actions", str(path), *options]).exit_code == 0
    return sqlite_url, path


def test_the_shipped_file_passes() -> None:
    found = call("check")
    assert found.exit_code == 0, found.output
    assert "nothing wrong" in found.output


def test_each_problem_is_a_line_with_its_place(tmp_path: Path) -> None:
    first, second, *_ = SHIPPED.read_text(encoding="utf-8").splitlines()
    path = tmp_path / "mine.ndjson"
    wrong = json.loads(second) | {"tags": ["swim"], "description": "Treats hypertension."}
    path.write_text(f"{first}\n{json.dumps(wrong)}\n", encoding="utf-8")
    found = call("check", str(path))
    assert found.exit_code == 1
    assert f"{path}:2: error: airway-vaccine: unknown tag 'swim'" in found.output
    told = json.loads(call("check", str(path), "--json").output)
    assert (told["actions"], told["ok"]) == (2, False)
    assert {problem["place"] for problem in told["problems"]} == {2}
    assert any("'hypertension'" in problem["text"] for problem in told["problems"])


def test_an_overdue_review_fails_only_when_strict(tmp_path: Path) -> None:
    record = json.loads(SHIPPED.read_text(encoding="utf-8").splitlines()[0])
    path = tmp_path / "mine.ndjson"
    late = record | {"reviewed_on": "2020-01-01", "review_by": "2021-01-01"}
    path.write_text(json.dumps(late), encoding="utf-8")
    found = call("check", str(path))
    assert (found.exit_code, "warning" in found.output) == (0, True)
    assert call("check", str(path), "--strict").exit_code == 1


def test_looking_comparing_and_retiring(stocked: tuple[str, Path]) -> None:
    url, path = stocked

    def told(*arguments: str) -> Any:
        found = call(*arguments, "--database-url", url, "--json")
        assert found.exit_code == 0, found.output
        return json.loads(found.output)

    assert len(told("list")) == 3
    assert {one["domain"] for one in told("list", "--domain", "activity")} == {"activity"}
    shown = told("show", "airway-vaccine")
    assert shown["eligible"]["min_age"] == 60
    assert "vaccination_rsv_eligibility" in shown["contraindications"]["withhold"]
    assert told("diff", str(path)) == []
    assert told("retire", "active-housework") == {"action_id": "active-housework", "changed": True}
    assert told("diff", str(path)) == [
        {"action_id": "active-housework", "change": "changed", "fields": {"retired": [True, False]}}
    ]
    history = told("history", "active-housework")
    assert [(one["version"], one["changed_by"]) for one in history] == [
        (1, str(path)),
        (2, "catalogue retire"),
    ]
    words = call("history", "active-housework", "--database-url", url).output
    assert "first version" in words
    assert "retired" in words


def test_an_unknown_action_is_said_so(stocked: tuple[str, Path]) -> None:
    for command in ("show", "history", "retire"):
        found = call(command, "no-such-thing", "--database-url", stocked[0])
        assert found.exit_code == 1
