"""``recommender upgrade``."""

from __future__ import annotations

import click

from recommender.cli.options import common_options, example
from recommender.cli.output import emit
from recommender.cli.session import database, settings
from recommender.store.upgrade import upgrade


@click.command("upgrade", epilog=example("recommender upgrade --database-url sqlite:///my.db"))
@common_options
def command() -> None:
    """Create the database, or bring it up to date.  Safe to run at any time."""
    with database(settings(), migrated=False) as engine:
        before, after = upgrade(engine)
    said = f"already up to date ({after})" if before == after else f"now at revision {after}"
    emit(
        {"before": before, "after": after},
        lambda console: console.print(f"The database is {said}.", highlight=False),
    )
