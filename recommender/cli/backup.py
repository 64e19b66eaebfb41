"""``recommender backup``."""

from __future__ import annotations

from pathlib import Path

import click

from recommender.cli.options import common_options, example
from recommender.cli.output import emit
from recommender.cli.session import database, settings
from recommender.store.backup import back_up


@click.command("backup", epilog=example("recommender backup /var/backups/recommender.db"))
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@common_options
def command(file: Path) -> None:
    """Copy a SQLite database while it is in use.  PostgreSQL has pg_dump for that."""
    with database(settings(), migrated=False) as engine:
        size = back_up(engine, file)
    emit(
        {"file": str(file), "bytes": size},
        lambda console: console.print(f"Wrote {file}, {size:,} bytes, checked.", highlight=False),
    )
