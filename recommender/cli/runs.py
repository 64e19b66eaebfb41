"""``recommender runs list|show|card|publish|rollback``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click
import orjson
from rich.console import Console

from recommender.cli.lazy import LazyGroup
from recommender.cli.options import common_options, example, wants_json
from recommender.cli.output import emit, table
from recommender.cli.session import database, settings
from recommender.cli.stages_table import stages_table
from recommender.cli.withholding_table import WITHHOLDING_HEADINGS, withholding_rows
from recommender.documents import run_document
from recommender.errors import NoPublishedRunError
from recommender.model_card.markdown import card_markdown
from recommender.stages.record import StageRecord
from recommender.store.cards import load_card
from recommender.store.engine import Connection, reading, writing
from recommender.store.runs import RunDetail, list_runs, published_run, rollback, run_detail
from recommender.store.stages import load_stages

_LAZY = {
    "publish": ("recommender.cli.publish", "Put a trained run in force."),
    "report": ("recommender.cli.runs_report", "How the last trainings went, as a page."),
}


@click.group("runs", cls=LazyGroup, table=_LAZY, epilog=example("recommender runs list"))
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
@click.argument("run_id", required=False)
@common_options
def show_command(run_id: str | None) -> None:
    """Show one run (the published one if none is named): figures, time and memory by stage.

    With --json also every group of people.
    """
    with database(settings()) as engine, reading(engine) as connection:
        detail = run_detail(connection, run_id or _in_force(connection))
        stages = load_stages(connection, detail.summary.run_id)
    emit(run_document(detail, stages), lambda console: _show(console, detail, stages))


def _show(console: Console, detail: RunDetail, stages: Sequence[StageRecord]) -> None:
    about = asdict(detail.summary) | {"seed": detail.seed, "code_version": detail.code_version}
    about["came into force"] = ", ".join(f"{at:%Y-%m-%d %H:%M}" for at in detail.published_at)
    console.print(table({"": "left", " ": "left"}, list(about.items())))
    if stages:
        console.print("", stages_table(stages), sep="\n")
    figures = [(name, v) for (name, group), v in sorted(detail.figures.items()) if group == "all"]
    if figures:
        console.print("", table({"figure": "left", "value": "right"}, figures), sep="\n")
    moved = [
        (feature, psi, detail.figures["drift_present_now", feature])
        for (name, feature), psi in detail.figures.items()
        if name == "drift_psi" and detail.figures["drift_beyond_chance", feature]
    ]
    if moved:
        headings = {"feature that moved": "left", "stability index": "right", "known": "right"}
        rows = sorted(moved, key=lambda row: -row[1])
        console.print("", table(headings, rows), sep="\n")
    if withheld := withholding_rows(detail.figures):
        console.print("", table(WITHHOLDING_HEADINGS, withheld), sep="\n")
    console.print(f"\nMore: recommender runs card {detail.summary.run_id}", soft_wrap=True)


def _in_force(connection: Connection) -> str:
    run = published_run(connection)
    if run is None:
        raise NoPublishedRunError("no run is published yet: run `recommender train`")
    return run.run_id


@command.command(
    "card",
    epilog=example(
        "recommender runs card 20261101T021500-a1b2c3\n"
        "recommender runs card 20261101T021500-a1b2c3 --format json --out card.json"
    ),
)
@click.argument("run_id", required=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(["md", "json"]),
    default="md",
    help="Markdown or JSON.",
    show_default=True,
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
@common_options
def card_command(run_id: str | None, form: str, out: Path | None) -> None:
    """Print the model card of a run (the published one if none is named).

    What it learned from, how well it does for whom, its limits.
    """
    with database(settings()) as engine, reading(engine) as connection:
        card = load_card(connection, run_id or _in_force(connection))
    if out is None and wants_json():
        emit(card, lambda _console: None)
        return
    indented = orjson.dumps(card, option=orjson.OPT_INDENT_2).decode() + "\n"
    text = card_markdown(card) if form == "md" else indented
    if out is None:
        click.echo(text, nl=False)
        return
    out.write_text(text, encoding="utf-8")
    written = {"run_id": card["run_id"], "format": form, "out": str(out)}
    emit(written, lambda console: console.print(f"Written to {out}."))


@command.command("rollback", epilog=example("recommender runs rollback"))
@common_options
def rollback_command() -> None:
    """Put the run in force before the present one back."""
    with database(settings()) as engine, writing(engine) as connection:
        present = published_run(connection)
        run_id = rollback(connection, datetime.now(UTC))
    before = present.run_id if present else None
    emit(
        {"run_id": run_id, "instead_of": before},
        lambda console: console.print(
            f"Run {run_id} is in force again instead of {before}.", soft_wrap=True
        ),
    )
