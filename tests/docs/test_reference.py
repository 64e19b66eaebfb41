"""The reference documents name everything there is."""

from __future__ import annotations

from pathlib import Path

import click

from api import errors
from api.app import create_app
from recommender.cli import main
from recommender.settings import Settings

DOCS = Path(__file__).parents[2] / "docs"


def commands(group: click.Group, path: str = "recommender") -> list[str]:
    context = click.Context(group)
    found = []
    for name in group.list_commands(context):
        inner = group.get_command(context, name)
        deeper = commands(inner, f"{path} {name}") if isinstance(inner, click.Group) else []
        found += deeper or [f"{path} {name}"]
    return found


def test_every_command_is_documented() -> None:
    text = (DOCS / "cli.md").read_text(encoding="utf-8")
    missing = [name for name in commands(main) if f"| `{name}" not in text]
    assert missing == []


def test_every_operation_is_documented(sqlite_url: str) -> None:
    document = create_app(Settings(database_url=sqlite_url)).openapi()
    text = (DOCS / "http.md").read_text(encoding="utf-8")
    missing = [
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method in methods
        if f"| `{method.upper()} {path}`" not in text
    ]
    assert missing == []


def test_every_kind_of_problem_is_documented() -> None:
    text = (DOCS / "http.md").read_text(encoding="utf-8")
    table = [line for line in text.splitlines() if line.startswith("| `")]
    for status, kinds in errors.known_kinds().items():
        for kind, _ in kinds:
            slug = kind.removeprefix(errors.TYPE_PREFIX)
            assert any(f"`{slug}`" in row and f"| {status} |" in row for row in table), slug
