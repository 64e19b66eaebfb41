"""Documents can't lie: what they show as typed is typed here, and does what they say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Desk

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def _blocks(text: str, language: str) -> Iterator[str]:
    for found in re.finditer(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield found[1]


def _typed(text: str) -> list[tuple[str, list[str]]]:
    """Commands of the console blocks, each with the output that the document shows."""
    found: list[tuple[str, list[str]]] = []
    for block in _blocks(text, "console"):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif line.strip() and line.strip() != "...":
                found[-1][1].append(line)
    return found


def _bare(line: str) -> str:
    """A line without what changes from day to day: numbers, ids, colours of the frame."""
    return re.sub(
        r"\d{8}T\d{6}-[0-9a-f]{6}|[0-9a-f]{16,}|[\d.,+%-]+", "#", re.sub(r"[\s─-╿]+", " ", line)
    ).strip()


@pytest.mark.xdist_group("documents")
def test_readme_commands_do_what_it_shows(desk: Desk) -> None:
    typed = _typed(README)
    assert len(typed) >= 8
    for command, shown in typed:
        done = desk.run(command)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        if shown:
            printed = {_bare(line) for line in done.stdout.splitlines()}
            assert _bare(shown[0]) in printed, f"{command}\n{done.stdout}"


@pytest.mark.xdist_group("documents")
def test_readme_queries_return_rows(desk: Desk) -> None:
    queries = list(_blocks(README, "sql"))
    assert len(queries) >= 3
    for query in queries:
        done = desk.run(f"python -c \"{_SELECT}\" <<'END'\n{query}\nEND")
        assert done.returncode == 0, done.stderr
        assert int(done.stdout) > 0, query


_SELECT = (
    "import sqlite3, sys; "
    "print(len(sqlite3.connect('recommender.db').execute(sys.stdin.read()).fetchall()))"
)


@pytest.mark.xdist_group("documents")
def test_the_demo_shows_reasons_alerts_evidence_and_sql(desk: Desk) -> None:
    for piece in ("ALERT", "Evidence:", "withheld by the guardrails", "SELECT", "What next"):
        assert piece in desk.printed
    assert "rejected" in desk.printed


def test_links_between_documents_lead_somewhere() -> None:
    for document in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} -> {target}"
