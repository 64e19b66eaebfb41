"""``recommender user``: what is held on a person exported or erased, and erased again."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console

from recommender.cli.failures import DONE, FAILED
from recommender.cli.operator import operator, purpose_option
from recommender.cli.options import common_options, example
from recommender.cli.output import as_json, emit, table
from recommender.cli.progress import stages
from recommender.cli.session import database, settings
from recommender.erasures import all_receipts, as_document, erase_again, read_receipts
from recommender.people import erase_person, erasure_receipt, export_person


@click.group("user", epilog=example("recommender user export u0000001 --out u0000001.json"))
@common_options
def command() -> None:
    """Export or erase what is held on a person."""


@command.command("export", epilog=example("recommender user export u0000001 --out u0000001.json"))
@click.argument("user_id")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write.")
@purpose_option
@common_options
def export_command(user_id: str, out: Path | None, purpose: str | None) -> None:
    """Write everything held on a person as JSON, to a file or standard output."""
    with database(settings()) as engine:
        held = as_json(export_person(engine, user_id, operator(purpose)))
    if out is None:
        click.echo(held)
    else:
        out.write_text(held + "\n", encoding="utf-8")
        emit({"path": str(out)}, lambda console: console.print(f"Written to {out}."))


@command.command("erase", epilog=example("recommender user erase u0000001 --yes"))
@click.argument("user_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@purpose_option
@common_options
def erase_command(user_id: str, yes: bool, purpose: str | None) -> int:
    """Erase a person from every table and show the receipt.  Can't be undone."""
    question = "Erase everything held on this person? It can't be undone."
    if not yes and not click.confirm(question, err=True):
        click.echo("nothing was erased", err=True)
        return FAILED
    with database(settings()) as engine:
        deleted = erase_person(engine, user_id, operator(purpose))
        receipt, _ = erasure_receipt(engine, user_id)

    def show(console: Console) -> None:
        console.print(table({"table": "", "rows erased": "right"}, list(deleted.items())))
        console.print(f"Receipt {receipt}", soft_wrap=True)

    emit({"user_id": user_id, "deleted": deleted, "receipt": receipt}, show)
    return DONE


@command.command("erased", epilog=example("recommender user erased u0000001"))
@click.argument("user_id")
@common_options
def erased_command(user_id: str) -> int:
    """Tell whether and when a person was erased.  Ends with 1 if they never were."""
    with database(settings()) as engine:
        receipt, times = erasure_receipt(engine, user_id)

    def show(console: Console) -> None:
        for at in times:
            console.print(f"Erased {at:%Y-%m-%d %H:%M:%S} UTC")
        console.print(f"Receipt {receipt}" if times else "Never erased here.", soft_wrap=True)

    emit({"user_id": user_id, "receipt": receipt if times else None, "erased_at": times}, show)
    return DONE if times else FAILED


@command.command("receipts", epilog=example("recommender user receipts --out receipts.json"))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write.")
@common_options
def receipts_command(out: Path | None) -> None:
    """Write the receipts of all erasures as JSON, to keep outside the database.

    They name nobody. A backup that is restored holds people erased since it was made:
    erase-again finds them by these receipts.
    """
    with database(settings()) as engine:
        receipts = all_receipts(engine)
    written = as_json(as_document(receipts))
    if out is None:
        click.echo(written)
    else:
        _replace(out, written + "\n")
        many = len(receipts.erasures)
        emit(
            {"path": str(out), "receipts": many},
            lambda console: console.print(f"{many:,} receipts written to {out}."),
        )


def _replace(path: Path, text: str) -> None:
    """Write a file whole: cut off half way, the one before is still there."""
    beside = path.with_name(f"{path.name}.part")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


@command.command("erase-again", epilog=example("recommender user erase-again receipts.json"))
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say how many would be erased and erase nobody.")
@purpose_option
@common_options
def erase_again_command(file: Path, dry_run: bool, purpose: str | None) -> None:
    """Erase whom a restored backup brought back, by the receipts of their erasures.

    Who was erased before the backup was made and has come back since is left alone.
    """
    receipts = read_receipts(file)
    with database(settings()) as engine, stages() as progress:
        again = erase_again(engine, receipts, operator(purpose), dry_run=dry_run, progress=progress)

    def show(console: Console) -> None:
        done = "to be erased" if dry_run else "erased"
        console.print(
            f"{len(again.erased):,} people {done}; {again.known:,} receipts were known here,"
            f" of {again.absent:,} nothing is held."
        )

    emit(asdict(again) | {"dry_run": dry_run}, show)
