"""``recommender catalogue check|list|show|history|diff|retire``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console

from recommender.catalogue_tables import contraindications
from recommender.cli.failures import DONE, FAILED
from recommender.cli.options import common_options, example
from recommender.cli.output import emit, table
from recommender.cli.session import database, settings
from recommender.curate import (
    Difference,
    Flaw,
    check_file,
    compare_file,
    find_action,
    place_word,
    retire_action,
    versions_of,
)
from recommender.documents import action_document
from recommender.knowledge import load_knowledge
from recommender.metrics_list import load_metrics
from recommender.resources import data_path
from recommender.store.engine import reading
from recommender.store.read import load_catalogue
from recommender.store.versions import ActionVersion

_FILE = click.Path(exists=True, dir_okay=False)


@click.group("catalogue", epilog=example("recommender catalogue check actions.ndjson"))
@common_options
def command() -> None:
    """Check a catalogue file; list, show, compare and retire actions."""


@command.command("check", epilog=example("recommender catalogue check actions.ndjson --strict"))
@click.argument("file", required=False, type=_FILE)
@click.option("--strict", is_flag=True, help="Let an overdue review fail as well.")
@common_options
def check_command(file: str | None, strict: bool) -> int:
    """Check a catalogue file, the shipped one if none is named; one line a problem."""
    path = file or str(data_path("actions.ndjson"))
    metrics = load_metrics(data_path("metrics.toml"))
    entries, flaws = check_file(path, metrics, datetime.now(UTC).date())
    failed = [flaw for flaw in flaws if strict or flaw.level == "error"]
    document = {"file": path, "actions": entries, "ok": not failed, "place": place_word(path)}
    emit(
        document | {"problems": [asdict(flaw) for flaw in flaws]},
        lambda console: _show_flaws(console, path, entries, flaws),
    )
    return FAILED if failed else DONE


def _show_flaws(console: Console, path: str, entries: int, flaws: Sequence[Flaw]) -> None:
    before = ":" if place_word(path) == "line" else f", {place_word(path)} "
    for flaw in flaws:
        line = f"{path}{before}{flaw.place}: {flaw.level}: {flaw.action_id}: {flaw.text}"
        console.print(line, soft_wrap=True, markup=False)
    console.print(f"{entries:,} actions, {len(flaws):,} problems" if flaws else _fine(entries))


def _fine(entries: int) -> str:
    return f"{entries:,} actions, nothing wrong"


@command.command("list", epilog=example("recommender catalogue list --domain sleep"))
@click.option("--domain", help="Only this domain.")
@common_options
def list_command(domain: str | None) -> None:
    """List the actions of the database."""
    with database(settings()) as engine, reading(engine) as connection:
        actions = load_catalogue(connection).actions
    found = [action for action in actions if domain in (None, action.domain)]
    headings = dict.fromkeys(("action", "domain", "title", "intensity", "review by"), "left")
    rows = [
        (a.action_id, a.domain, a.title, "retired" if a.retired else a.intensity, a.review_by)
        for a in found
    ]
    emit(
        [action_document(action) for action in found],
        lambda console: console.print(table(headings, rows) if rows else "No actions."),
    )


@command.command("show", epilog=example("recommender catalogue show walk-brisk-30"))
@click.argument("action_id")
@common_options
def show_command(action_id: str) -> None:
    """Show one action in full, with the rules that can stop it."""
    with database(settings()) as engine, reading(engine) as connection:
        action = find_action(load_catalogue(connection), action_id)
    stopped = contraindications(action.tags, load_knowledge().rules.rules)
    document = action_document(action) | {"contraindications": stopped}
    emit(document, lambda console: _show_action(console, document))


def _show_action(console: Console, document: dict[str, Any]) -> None:
    rows = [(name, _cell(value)) for name, value in document.items()]
    console.print(table({"": "left", " ": "left"}, rows))


def _cell(value: Any) -> object:
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str) if value else None
    return value


@command.command("history", epilog=example("recommender catalogue history walk-brisk-30"))
@click.argument("action_id")
@common_options
def history_command(action_id: str) -> None:
    """Show every version of an action, and what changed with each."""
    with database(settings()) as engine:
        versions = versions_of(engine, action_id)
    headings = {"version": "right", "since": "left", "by": "left", "changed": "left"}
    rows = [
        (one.version, one.valid_from, one.changed_by, _changes(before, one))
        for before, one in zip([None, *versions], versions, strict=False)
    ]
    emit(
        [asdict(version) for version in versions],
        lambda console: console.print(table(headings, rows)),
    )


def _changes(before: ActionVersion | None, after: ActionVersion) -> str:
    if before is None:
        return "first version"
    names = before.content.keys() | after.content.keys()
    return ", ".join(
        sorted(name for name in names if before.content.get(name) != after.content.get(name))
    )


@command.command("diff", epilog=example("recommender catalogue diff actions.ndjson"))
@click.argument("file", type=_FILE)
@common_options
def diff_command(file: str) -> None:
    """Show how a file differs from the database, before it is ingested."""
    with database(settings()) as engine:
        found = compare_file(engine, file)
    emit(
        [asdict(difference) for difference in found],
        lambda console: _show_differences(console, found),
    )


def _show_differences(console: Console, found: Sequence[Difference]) -> None:
    rows = [
        (one.change, one.action_id, name, _cell(before), _cell(after))
        for one in found
        for name, (before, after) in (one.fields or {"": (None, None)}).items()
    ]
    headings = dict.fromkeys(("", "action", "field", "database", "file"), "left")
    console.print(table(headings, rows) if rows else "The file and the database agree.")


@command.command("retire", epilog=example("recommender catalogue retire yoga-hot"))
@click.argument("action_id")
@common_options
def retire_command(action_id: str) -> None:
    """Stop recommending an action; everything that was ever shown of it stays."""
    metrics = load_metrics(data_path("metrics.toml"))
    with database(settings()) as engine:
        changed = retire_action(engine, action_id, metrics, datetime.now(UTC), "catalogue retire")
    words = "is retired" if changed else "was retired already"
    emit(
        {"action_id": action_id, "changed": changed},
        lambda console: console.print(f"{action_id} {words}."),
    )
