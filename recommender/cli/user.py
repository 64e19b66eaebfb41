"""``recommender user export|erase USER_ID``."""

from __future__ import annotations

from pathlib import Path

import click

from recommender.cli.failures import DONE, FAILED
from recommender.cli.options import common_options, example
from recommender.cli.output import as_json, emit, table
from recommender.cli.session import database, settings
from recommender.people import Asker, erase_person, export_person

OPERATOR = Asker(None, "cli")


@click.group("user", epilog=example("recommender user export u0000001 --out u0000001.json"))
@common_options
def command() -> None:
    """Export or erase what is held on a person."""


@command.command("export", epilog=example("recommender user export u0000001 --out u0000001.json"))
@click.argument("user_id")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write.")
@common_options
def export_command(user_id: str, out: Path | None) -> None:
    """Write everything held on a person as JSON, to a file or standard output."""
    with database(settings()) as engine:
        held = as_json(export_person(engine, user_id, OPERATOR))
    if out is None:
        click.echo(held)
    else:
        out.write_text(held + "\n", encoding="utf-8")
        emit({"path": str(out)}, lambda console: console.print(f"Written to {out}."))


@command.command("erase", epilog=example("recommender user erase u0000001 --yes"))
@click.argument("user_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common_options
def erase_command(user_id: str, yes: bool) -> int:
    """Erase a person from every table and show the receipt.  Can't be undone."""
    question = "Erase everything held on this person? It can't be undone."
    if not yes and not click.confirm(question, err=True):
        click.echo("nothing was erased", err=True)
        return FAILED
    with database(settings()) as engine:
        receipt = erase_person(engine, user_id, OPERATOR)
    emit(
        {"user_id": user_id, "deleted": receipt},
        lambda console: console.print(
            table({"table": "", "rows erased": "right"}, list(receipt.items()))
        ),
    )
    return DONE
