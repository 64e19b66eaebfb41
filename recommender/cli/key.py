"""``recommender key create|list|revoke``."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import click
from rich.console import Console

from recommender.cli.options import common_options, example
from recommender.cli.output import emit, table
from recommender.cli.session import database, settings
from recommender.errors import SettingsError
from recommender.intake.fields import is_kept_as_it_is
from recommender.store.engine import reading, writing
from recommender.store.keys import create_key, list_keys, revoke_key

SCOPES = ("read", "write", "admin")


@click.group("key", epilog=example("recommender key create --name app --scope read --scope write"))
@common_options
def command() -> None:
    """Create, list or revoke keys of the HTTP interface."""


@command.command(
    "create", epilog=example("recommender key create --name app --scope read --scope write")
)
@click.option("--name", required=True, help="What the key is for.")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    default=("read",),
    show_default=True,
    help="May be given several times; admin includes the others.",
)
@click.option("--user", "user_id", help="The only person the key may see.")
@click.option("--expires-days", type=click.IntRange(1, 36_500), help="Days it is good for.")
@common_options
def create_command(
    name: str, scopes: tuple[str, ...], user_id: str | None, expires_days: int | None
) -> None:
    """Create a key and print it, this once: only its hash is kept."""
    if user_id is not None and not is_kept_as_it_is(user_id):
        raise SettingsError(
            "--user must be an id as it is stored: 1 to 200 characters, none of them a control "
            "character, and no white space around them"
        )
    now = datetime.now(UTC)
    expires_at = now + timedelta(days=expires_days) if expires_days else None
    with database(settings()) as engine, writing(engine) as connection:
        key_id, secret = create_key(connection, name, scopes, user_id, expires_at, now)

    def show(console: Console) -> None:
        console.print(f"Key {key_id}. Keep it safe, it is not shown again:")
        console.print(secret, soft_wrap=True)

    emit({"key_id": key_id, "key": secret, "scopes": scopes, "expires_at": expires_at}, show)


@command.command("list", epilog=example("recommender key list"))
@common_options
def list_command() -> None:
    """List the keys, never their secrets."""
    with database(settings()) as engine, reading(engine) as connection:
        keys = list_keys(connection)
    rows = [
        (
            key.key_id,
            key.name,
            ", ".join(key.scopes),
            key.user_id,
            key.expires_at,
            key.revoked_at,
            key.last_used_at,
        )
        for key in keys
    ]
    headings = dict.fromkeys(
        ("key", "name", "scopes", "only for", "expires", "revoked", "last used"), ""
    )
    emit(
        [asdict(key) for key in keys],
        lambda console: console.print(table(headings, rows) if rows else "No keys yet."),
    )


@command.command("revoke", epilog=example("recommender key revoke k_1a2b3c4d"))
@click.argument("key_id")
@common_options
def revoke_command(key_id: str) -> None:
    """Revoke a key; servers refuse it from then on."""
    with database(settings()) as engine, writing(engine) as connection:
        revoke_key(connection, key_id, datetime.now(UTC))
    emit({"key_id": key_id}, lambda console: console.print(f"Key {key_id} is revoked."))
