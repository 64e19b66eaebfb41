"""``recommender simulate``."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click

from recommender.cli.options import Instant, common_options, example
from recommender.cli.output import emit
from recommender.cli.progress import stages
from recommender.simulate import SimulationReport, simulate


@click.command(
    "simulate",
    epilog=example("recommender simulate --users 1000 --actions 150 --days 90 --seed 1 --out made"),
)
@click.option("--users", type=click.IntRange(min=1), default=1000, show_default=True)
@click.option("--actions", type=click.IntRange(min=1), default=150, show_default=True)
@click.option("--days", type=click.IntRange(min=1), default=90, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder for users.csv, actions.csv, events.csv and observations.csv.",
)
@click.option("--truth", is_flag=True, help="Write the true probabilities too (truth.parquet).")
@click.option("--end-at", type=Instant(), help="When the log ends; last midnight UTC if absent.")
@common_options
def command(
    users: int,
    actions: int,
    days: int,
    seed: int,
    out: Path,
    truth: bool,
    end_at: datetime | None,
) -> None:
    """Write made-up people, what they measured and what they did.  Needs no database."""
    with stages() as tell:
        report = simulate(
            users,
            actions,
            days,
            seed,
            out,
            lambda n, total: tell("people", n / total),
            end_at,
            truth,
        )
    emit(asdict(report), lambda console: console.print(_in_words(report, out), soft_wrap=True))


def _in_words(report: SimulationReport, out: Path) -> str:
    return (
        f"{out}: {report.users:,} users, {report.actions:,} actions, {report.events:,} events, "
        f"{report.observations:,} observations up to {report.end_at:%Y-%m-%d %H:%M %Z}"
    )
