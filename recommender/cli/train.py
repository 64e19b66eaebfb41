"""``recommender train``: the nightly job, for cron."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

import click

from recommender.cli.after_train import failures_told, tell_hooks
from recommender.cli.failures import DONE, HELD_BACK
from recommender.cli.interrupts import terminated_as_interrupted
from recommender.cli.log_lines import logging_to_stderr
from recommender.cli.options import Instant, common_options, example
from recommender.cli.output import emit
from recommender.cli.session import database, settings
from recommender.cli.stages import training_watchers
from recommender.knowledge import load_knowledge
from recommender.train import TrainReport, train_and_publish


@click.command(
    "train",
    epilog=example("recommender train\n15 2 * * * recommender train --json  # in a crontab"),
)
@click.option("--as-of", type=Instant(), help="Use the records up to here; now if absent.")
@click.option("--seed", type=int, help="Seed of everything random.")
@click.option(
    "--search-seconds", type=float, help="Time for trying settings; 0 keeps the usual ones."
)
@click.option("--force", is_flag=True, help="Publish whatever the gate says.")
@click.option(
    "--rebuild", is_flag=True, help="Read everybody's records anew, not only those that changed."
)
@click.option(
    "--warm", is_flag=True, help="Begin from the run in force: faster; settings are not tried anew."
)
@common_options
def command(
    as_of: datetime | None,
    seed: int | None,
    search_seconds: float | None,
    force: bool,
    rebuild: bool,
    warm: bool,
) -> int:
    """Train on all records, score everyone, and publish unless it is worse.

    Ends with 4 if the gate kept the old run, with 5 if another train is at work.
    """
    chosen = settings(seed=seed, search_seconds=search_seconds)
    with logging_to_stderr(chosen):
        with (
            failures_told(chosen),
            terminated_as_interrupted(),
            database(chosen) as engine,
            training_watchers(engine) as watchers,
        ):
            known = load_knowledge(chosen)
            report = train_and_publish(
                engine,
                rules=known.rules,
                metrics=known.metrics,
                settings=chosen,
                as_of=as_of,
                force=force,
                rebuild=rebuild,
                warm=warm,
                watchers=watchers,
            )
        emit(asdict(report), lambda console: console.print(train_in_words(report), soft_wrap=True))
        code = DONE if report.published else HELD_BACK
        tell_hooks(chosen, report, code)
    return code


def train_in_words(report: TrainReport) -> str:
    """One line on what a training came to."""
    done = "published" if report.published else "held back, what was in force before stays so:"
    read = (
        f"{report.users:,} users, {report.actions:,} actions, {report.events:,} events, "
        f"{report.observations:,} observations, {report.seconds:.1f} s"
    )
    why = f"; the gate said: {'; '.join(report.held_back)}" if report.held_back else ""
    full = "" if report.warm in (None, "warm") else f"; a full training: {report.warm}"
    return f"run {report.run_id} {done} {read}{full}{why}"
