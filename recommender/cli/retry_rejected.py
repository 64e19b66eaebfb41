"""``recommender retry-rejected``."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from recommender.cli.failures import DONE, SOME_REJECTED
from recommender.cli.ingest import report_document, show_report
from recommender.cli.operator import operator, purpose_option
from recommender.cli.options import common_options, example
from recommender.cli.output import emit
from recommender.cli.session import database, settings
from recommender.ingest import retry_rejected
from recommender.metrics_list import load_metrics
from recommender.resources import data_path


@click.command("retry-rejected", epilog=example("recommender retry-rejected --kind events"))
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(("users", "actions", "events", "observations")),
    help="Only this kind; may be given several times.",
)
@purpose_option
@common_options
def command(kinds: tuple[str, ...], purpose: str | None) -> int:
    """Put every rejected record through again.  Ends with 3 if some are rejected still."""
    metrics = load_metrics(data_path("metrics.toml"))
    with database(settings()) as engine:
        report = retry_rejected(
            engine,
            metrics=metrics,
            now=datetime.now(UTC),
            kinds=kinds or None,
            asker=operator(purpose),
        )
    emit(report_document(report), lambda console: show_report(console, "retried", report))
    return SOME_REJECTED if report.rejected_count else DONE
