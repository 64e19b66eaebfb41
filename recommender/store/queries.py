"""Plain SQL for reading, as an analyst would write it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, text


def run_query(connection: Connection, statement: str) -> tuple[list[str], list[Sequence[Any]]]:
    """Run one statement and return its column names and rows.

    Parameters
    ----------
    statement
        Written by the program, never by a caller from outside.
    """
    result = connection.execute(text(statement.replace(":", "\\:")))
    return list(result.keys()), [tuple(row) for row in result]
