"""``recommender runs publish``."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from recommender.cli.options import common_options, example
from recommender.cli.output import emit
from recommender.cli.progress import stages
from recommender.cli.session import database, settings
from recommender.knowledge import load_knowledge
from recommender.overrule import publish_held_back
from recommender.store.engine import Engine, reading, writing
from recommender.store.runs import publish, run_detail


@click.command(
    "publish",
    epilog=example(
        "recommender runs publish 20261101T021500-a1b2c3\n"
        "recommender runs publish 20261101T021500-a1b2c3 --force  # the gate held it back"
    ),
)
@click.argument("run_id")
@click.option(
    "--force", is_flag=True, help="Publish a run that the gate held back; its record says so."
)
@common_options
def command(run_id: str, force: bool) -> None:
    """Put a trained run in force.

    With --force also one that the gate held back, as long as no later train has cleaned it up:
    everyone is scored first.
    """
    with database(settings()) as engine:
        with reading(engine) as connection:
            status = run_detail(connection, run_id).summary.status
        if force and status == "held_back":
            publication_id = _overrule(engine, run_id)
        else:
            with writing(engine) as connection:
                publication_id = publish(connection, run_id, "publish", datetime.now(UTC))
    emit(
        {"run_id": run_id, "publication_id": publication_id},
        lambda console: console.print(f"Run {run_id} is in force."),
    )


def _overrule(engine: Engine, run_id: str) -> int:
    known = load_knowledge()
    with stages() as progress:
        return publish_held_back(
            engine,
            run_id,
            rules=known.rules,
            metrics=known.metrics,
            settings=settings(),
            progress=progress,
        )
