"""``recommender runs report``: how the last trainings went, as a page."""

from __future__ import annotations

from pathlib import Path

import click

from recommender.cli.options import common_options, example
from recommender.cli.output import emit
from recommender.cli.session import database, settings
from recommender.report.runs import MOST_RUNS, runs_page
from recommender.store.engine import reading
from recommender.store.stages import run_history


@click.command("report", epilog=example("recommender runs report trainings.html"))
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--limit",
    type=click.IntRange(1, 365),
    default=MOST_RUNS,
    show_default=True,
    help="How many runs, from the newest back.",
)
@common_options
def command(file: Path, limit: int) -> None:
    """Write one HTML page on the last trainings: time by stage, quality, memory."""
    with database(settings()) as engine, reading(engine) as connection:
        runs = run_history(connection, limit)
    file.write_text(runs_page(runs), encoding="utf-8")
    emit(
        {"runs": len(runs), "out": str(file)},
        lambda console: console.print(f"{len(runs)} runs written to {file}.", soft_wrap=True),
    )
