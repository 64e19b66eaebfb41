"""Who types a command, for the access log, and why."""

from __future__ import annotations

import getpass
import os

import click

from recommender.store.access import Asker

purpose_option = click.option("--purpose", metavar="TEXT", help="Why; kept in the access log.")


def operator(purpose: str | None) -> Asker:
    """The account that runs this command, as the system knows it."""
    try:
        account = getpass.getuser()
    except (KeyError, OSError):  # a container's account may have a number and no name
        account = f"uid {os.getuid()}"
    return Asker(None, "cli", account, purpose)
