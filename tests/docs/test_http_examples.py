"""What docs/http.md shows as typed is typed here, and works."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Desk

HTTP = (Path(__file__).parents[2] / "docs" / "http.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", HTTP, re.MULTILINE | re.DOTALL)


@pytest.mark.xdist_group("documents")
def test_each_call_is_answered(desk: Desk) -> None:
    commands = [
        command
        for block in blocks("sh")
        for command in re.split(r"\n(?=curl )", block.strip().replace("\\\n", " "))
    ]
    methods = {re.search(r"-X (\w+)|$", command)[1] or "GET" for command in commands}  # type: ignore[index]
    assert methods == {"GET", "PATCH", "POST", "DELETE"}
    for command in commands:
        done = desk.run(command)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        answer = json.loads(done.stdout)
        assert not str(answer.get("type", "")).startswith("urn:"), answer
        assert not answer.get("rejected"), answer


@pytest.mark.xdist_group("documents")
def test_the_python_client_works_as_shown(desk: Desk) -> None:
    (shown,) = blocks("python")
    done = desk.run(f"python - <<'END'\n{shown}\nEND")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3, done.stdout
