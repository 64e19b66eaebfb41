"""``recommender serve``."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import click

from recommender.cli.options import common_options, example
from recommender.cli.session import database, settings
from recommender.errors import SettingsError


@click.command("serve", epilog=example("recommender serve --host 127.0.0.1 --port 8000"))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True)
@click.option(
    "--log-format", type=click.Choice(["json", "console"]), help="Else RECOMMENDER_LOG_FORMAT."
)
@common_options
def command(host: str, port: int, workers: int, log_format: str | None) -> None:
    """Answer over HTTP.  Without a key configured only on a loopback address."""
    chosen = settings(log_format=log_format)
    serving = _serving()
    # After an upgrade the version before must still start: it may be needed again.
    with database(chosen, newer=True) as engine:
        serving.refuse_open_door(engine, host, tokens=chosen.tokens_taken)
    serving.serve(chosen, host, port, workers)


def _serving() -> ModuleType:
    """The HTTP part: inside the package in a wheel, beside it in a checkout."""
    for package in ("recommender.api", "api"):
        if find_spec(package) is not None:
            return import_module(f"{package}.serving")
    raise SettingsError("the HTTP part is not installed; install the product again")
