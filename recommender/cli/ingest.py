"""``recommender ingest users|actions|events|observations PATH…``."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import click
from rich.console import Console

from recommender.cli.failures import DONE, SOME_REJECTED
from recommender.cli.operator import operator, purpose_option
from recommender.cli.options import common_options, example
from recommender.cli.output import emit, table
from recommender.cli.progress import rows_taken
from recommender.cli.session import database, settings
from recommender.ingest import IngestReport, ingest_files
from recommender.metrics_list import load_metrics
from recommender.resources import data_path

_MOST_REASONS = 10


@click.group("ingest", epilog=example("recommender ingest events events.csv more.parquet"))
@common_options
def command() -> None:
    """Take in CSV, NDJSON or Parquet files; ``-`` is NDJSON on standard input.

    Taking the same file twice changes nothing. Ends with 3 if some records were rejected.
    """


def _ingest_command(kind: str) -> click.Command:
    """Make the command for one kind of record."""

    @click.argument(
        "paths",
        nargs=-1,
        required=True,
        type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    )
    @purpose_option
    @common_options
    def take(paths: tuple[str, ...], purpose: str | None) -> int:
        metrics = load_metrics(data_path("metrics.toml"))
        with database(settings()) as engine, rows_taken() as progress:
            report = ingest_files(
                engine,
                kind,
                paths,
                metrics=metrics,
                now=datetime.now(UTC),
                progress=progress,
                asker=operator(purpose),
            )
        emit(report_document(report), lambda console: show_report(console, kind, report))
        return SOME_REJECTED if report.rejected_count else DONE

    words = f"Take in {kind} from files, or from standard input with a dash."
    return click.command(kind, help=words, epilog=example(f"recommender ingest {kind} {kind}.csv"))(
        take
    )


for _kind in ("users", "actions", "events", "observations"):
    command.add_command(_ingest_command(_kind))


def report_document(report: IngestReport) -> dict[str, object]:
    """What became of the records, for machines."""
    return {
        "accepted": report.accepted,
        "duplicates": report.duplicates,
        "corrected": report.corrected,
        "created_users": report.created_users,
        "rejected": report.rejected_count,
        "reasons": _reasons(report),
        "ignored_columns": report.ignored_columns,
    }


def show_report(console: Console, kind: str, report: IngestReport) -> None:
    """What became of the records, for people, with the reasons of what was rejected."""
    console.print(in_words(kind, report), soft_wrap=True)
    if report.ignored_columns:
        console.print(f"Not kept, having no meaning here: {', '.join(report.ignored_columns)}")
    if report.rejected_count:
        rows = [(code, many) for code, many in _reasons(report).items()]
        console.print(table({"rejected because": "", "records": "right"}, rows))
        console.print("Mend the cause, then run `recommender retry-rejected`.")


def in_words(kind: str, report: IngestReport) -> str:
    """One line on what became of the records."""
    created = f", {report.created_users:,} users created" if report.created_users else ""
    return (
        f"{kind}: {report.accepted:,} taken, {report.duplicates:,} known already, "
        f"{report.corrected:,} corrected, {report.rejected_count:,} rejected{created}"
    )


def _reasons(report: IngestReport) -> dict[str, int]:
    """Reasons by how many of the listed rejections have them, most first."""
    return dict(Counter(r.reason for r in report.rejected).most_common(_MOST_REASONS))
