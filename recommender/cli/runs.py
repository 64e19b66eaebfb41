"""``recommender runs list|show|publish|rollback``."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console

from recommender.cli.options import common_options, example
from recommender.cli.output import emit, table
from recommender.cli.session import database, settings
from recommender.store.engine import reading, writing
from recommender.store.runs import RunDetail, list_runs, publish, rollback, run_detail


@click.group("runs", epilog=example("recommender runs list"))
@common_options
def command() -> None:
    """List, show, publish or roll back runs."""


@command.command("list", epilog=example("recommender runs list --json"))
@common_options
def list_command() -> None:
    """List the runs, newest first; the published one is marked."""
    with database(settings()) as engine, reading(engine) as connection:
        found = list_runs(connection)
    headings = dict.fromkeys(("run", "status", "as of", "finished", "in force"), "left")
    rows = [
        (run.run_id, run.status, run.as_of, run.finished_at, "yes" if run.published else "")
        for run in found
    ]
    emit(
        [asdict(run) for run in found],
        lambda console: console.print(table(headings, rows) if rows else "No runs yet."),
    )


@command.command("show", epilog=example("recommender runs show 20261101T021500-a1b2c3"))
@click.argument("run_id")
@common_options
def show_command(run_id: str) -> None:
    """Show one run with its figures; with --json also its manifest."""
    with database(settings()) as engine, reading(engine) as connection:
        detail = run_detail(connection, run_id)
    emit(run_document(detail), lambda console: _show(console, detail))


def run_document(detail: RunDetail) -> dict[str, Any]:
    """One run in full, for machines."""
    return asdict(detail.summary) | {
        "seed": detail.seed,
        "code_version": detail.code_version,
        "published_at": detail.published_at,
        "figures": [
            {"name": name, "segment": segment, "value": value}
            for (name, segment), value in sorted(detail.figures.items())
        ],
        "manifest": detail.manifest,
    }


def _show(console: Console, detail: RunDetail) -> None:
    about = asdict(detail.summary) | {"seed": detail.seed, "code_version": detail.code_version}
    console.print(table({"": "left", " ": "left"}, list(about.items())))
    figures = [(name, segment, value) for (name, segment), value in sorted(detail.figures.items())]
    if figures:
        headings = {"figure": "left", "segment": "left", "value": "right"}
        console.print("", table(headings, figures), sep="\n")


@command.command("publish", epilog=example("recommender runs publish 20261101T021500-a1b2c3"))
@click.argument("run_id")
@common_options
def publish_command(run_id: str) -> None:
    """Put a trained run in force."""
    with database(settings()) as engine, writing(engine) as connection:
        publication_id = publish(connection, run_id, "publish", datetime.now(UTC))
    emit(
        {"run_id": run_id, "publication_id": publication_id},
        lambda console: console.print(f"Run {run_id} is in force."),
    )


@command.command("rollback", epilog=example("recommender runs rollback"))
@common_options
def rollback_command() -> None:
    """Put the run in force before the present one back."""
    with database(settings()) as engine, writing(engine) as connection:
        run_id = rollback(connection, datetime.now(UTC))
    emit({"run_id": run_id}, lambda console: console.print(f"Run {run_id} is in force again."))
