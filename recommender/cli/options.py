"""Options that every command takes, before or after its name, and how they are read back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import click

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_DATABASE_URL = "recommender.database_url"
_AS_JSON = "recommender.as_json"


def common_options(command: Decorated) -> Decorated:
    """Add ``--database-url`` and ``--json``; what stands last on the line wins."""
    database = click.option(
        "--database-url",
        metavar="URL",
        expose_value=False,
        callback=_remember(_DATABASE_URL),
        help="SQLite file or PostgreSQL; else RECOMMENDER_DATABASE_URL, else recommender.db here.",
    )
    as_json = click.option(
        "--json",
        is_flag=True,
        expose_value=False,
        callback=_remember(_AS_JSON),
        help="Print one JSON document for machines.",
    )
    return database(as_json(command))


def _remember(key: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def keep(context: click.Context, _parameter: click.Parameter, value: Any) -> None:
        if value:
            context.meta[key] = value

    return keep


def database_url() -> str | None:
    """What ``--database-url`` said in the present call, or None."""
    url: str | None = click.get_current_context().meta.get(_DATABASE_URL)
    return url


def wants_json() -> bool:
    """Whether the present call asked for ``--json``."""
    return bool(click.get_current_context().meta.get(_AS_JSON))


class Instant(click.ParamType[datetime]):
    """An RFC 3339 time with its offset, such as ``2026-11-01T00:00:00Z``."""

    name = "TIME"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Read the time; refuse one without an offset."""
        if isinstance(value, datetime):
            return value
        try:
            instant = datetime.fromisoformat(value)
        except ValueError:
            self.fail("give a time such as 2026-11-01T00:00:00Z", param, ctx)
        if instant.utcoffset() is None:
            self.fail("the time needs an offset, such as Z or +01:00", param, ctx)
        return instant


def example(text: str) -> str:
    r"""Lay out examples for the end of a help page (``\b`` keeps click from re-wrapping them)."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in text.strip().splitlines())
