"""``recommender purge``: delete what is older than the retention settings say."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

import click
from rich.console import Console

from recommender.cli.options import common_options, example
from recommender.cli.output import emit, table
from recommender.cli.progress import stages
from recommender.cli.session import database, settings
from recommender.purge import purge


@click.command(
    "purge", epilog=example("RECOMMENDER_RETAIN_REQUESTS_DAYS=365 recommender purge --dry-run")
)
@click.option("--dry-run", is_flag=True, help="Say what would go and delete nothing.")
@common_options
def command(dry_run: bool) -> None:
    """Delete what is older than RECOMMENDER_RETAIN_…_DAYS say; without them, nothing."""
    chosen = settings()
    with database(chosen) as engine, stages() as progress:
        found = purge(engine, chosen, datetime.now(UTC), dry_run=dry_run, progress=progress)

    def show(console: Console) -> None:
        if not found:
            console.print("No retention is set (RECOMMENDER_RETAIN_EVENTS_DAYS and the like).")
            return
        rows = [(one.table, f"{one.before:%Y-%m-%d %H:%M} UTC", f"{one.rows:,}") for one in found]
        deleted = "rows to go" if dry_run else "rows deleted"
        console.print(table({"table": "", "older than": "", deleted: "right"}, rows))

    emit({"dry_run": dry_run, "tables": [asdict(one) for one in found]}, show)
