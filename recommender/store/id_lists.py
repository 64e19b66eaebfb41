"""Any number of ids in one statement, the same way for both databases."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from sqlalchemy import Connection

from recommender.store.engine import POSTGRESQL


def ids_value(conn: Connection, ids: Sequence[str]) -> str | list[str]:
    """Value of the parameter ``:ids`` that the other two functions speak of."""
    return list(ids) if conn.dialect.name == POSTGRESQL else orjson.dumps(ids).decode()


def is_among_ids(conn: Connection, column: str) -> str:
    """Condition that a column holds one of the ids."""
    if conn.dialect.name == POSTGRESQL:
        return f"{column} = ANY(CAST(:ids AS text[]))"
    return f"{column} IN (SELECT value FROM json_each(:ids))"


def pairs_value(
    conn: Connection, left: Sequence[str], right: Sequence[str]
) -> dict[str, str | list[str]]:
    """Values of the parameters of ``is_among_pairs``."""
    if conn.dialect.name == POSTGRESQL:
        return {"left": list(left), "right": list(right)}
    return {"pairs": orjson.dumps(list(zip(left, right, strict=True))).decode()}


def is_among_pairs(conn: Connection, left: str, right: str) -> str:
    """Condition that two columns together hold one of the pairs."""
    if conn.dialect.name == POSTGRESQL:
        pairs = "SELECT * FROM unnest(CAST(:left AS text[]), CAST(:right AS text[]))"
    else:
        pairs = (
            "SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(:pairs)"
        )
    return f"({left}, {right}) IN ({pairs})"


def ids_as_rows(conn: Connection) -> str:
    """Table ``ids`` with the single column ``value``, for a FROM clause."""
    if conn.dialect.name == POSTGRESQL:
        return "unnest(CAST(:ids AS text[])) AS ids (value)"
    return "json_each(:ids) AS ids"
