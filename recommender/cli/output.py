"""Printing: one JSON document for machines, or text and tables for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click
import orjson
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from recommender.cli.options import wants_json

WIDEST = 100
"""Columns beyond which lines read badly."""


def console() -> Console:
    """Standard output for people."""
    found = Console(highlight=False)
    return Console(highlight=False, width=min(found.width, WIDEST))


def emit(document: Any, show: Callable[[Console], None]) -> None:
    """Print ``document`` for machines, or call ``show`` for people."""
    if wants_json():
        click.echo(as_json(document))
    else:
        show(console())


def as_json(document: Any) -> str:
    """One line of JSON; numbers are not rounded, instants are RFC 3339 UTC."""
    return orjson.dumps(
        document, default=str, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS
    ).decode()


def table(
    headings: Mapping[str, str], rows: Sequence[Sequence[object]], title: str | None = None
) -> Table:
    """Lay out rows under headings; each heading comes with ``left`` or ``right``."""
    laid_out = Table(
        title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0)
    )
    for heading, side in headings.items():
        laid_out.add_column(
            heading, justify="right" if side == "right" else "left", overflow="fold"
        )
    for row in rows:
        laid_out.add_row(*(cell(value) for value in row))
    return laid_out


def cell(value: object) -> RenderableType:
    """One value for people: times to the minute, numbers to four digits, nothing for None."""
    if value is None:
        return Text("-", style="dim")
    if isinstance(value, datetime):
        return Text(f"{value:%Y-%m-%d %H:%M}")
    if isinstance(value, float):
        return Text(f"{value:.4g}")
    if isinstance(value, int) and not isinstance(value, bool):
        return Text(f"{value:,}")
    if isinstance(value, Text):
        return value
    return Text(str(value))
