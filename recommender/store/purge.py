"""Deleting what is older than it may be: in one pass along each table's key, a batch a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Table, delete, func, select, true

from recommender.store import schema
from recommender.store.access import forgetting


@dataclass(frozen=True)
class Kept:
    """A table of which old rows may go.

    Attributes
    ----------
    at
        The column that tells a row's age.
    may_go
        Which rows may go at all.
    """

    table: Table
    at: Column[Any]
    may_go: ColumnElement[bool]


PURGED = {
    "events": Kept(schema.events, schema.events.c.occurred_at, true()),
    "observations": Kept(schema.observations, schema.observations.c.observed_at, true()),
    "requests": Kept(schema.requests, schema.requests.c.generated_at, true()),
    # Receipts of erasures name no one and stay.
    "access_log": Kept(
        schema.access_log, schema.access_log.c.at, schema.access_log.c.operation != "erase"
    ),
    "rejected_records": Kept(
        schema.rejected_records, schema.rejected_records.c.rejected_at, true()
    ),
}
"""Tables that can be purged, by name."""


def count_older(conn: Connection, name: str, before: datetime) -> int:
    """How many rows of a table a purge would delete."""
    query = select(func.count()).select_from(PURGED[name].table)
    return int(conn.execute(query.where(_old(PURGED[name], before))).scalar_one())


def count_rows(conn: Connection, name: str) -> int:
    """How many rows a table has."""
    return int(conn.execute(select(func.count()).select_from(PURGED[name].table)).scalar_one())


def delete_older(
    conn: Connection, name: str, before: datetime, after: Any, rows: int
) -> tuple[int, int, Any]:
    """Look at the next rows past a key and delete the old ones among them.

    A pass along the key looks at every row once, where a search for old rows, which no index
    knows, would start over with each batch.

    Returns
    -------
    tuple
        Rows deleted, rows looked at, and the key to go on from (None at the end).
    """
    kept = PURGED[name]
    (key,) = kept.table.primary_key.columns
    query = select(key).order_by(key).limit(rows)
    looked_at = conn.execute(query if after is None else query.where(key > after)).scalars().all()
    if not looked_at:
        return 0, 0, None
    within = key <= looked_at[-1] if after is None else (key > after) & (key <= looked_at[-1])
    with forgetting(conn):
        deleted = conn.execute(delete(kept.table).where(within, _old(kept, before))).rowcount
    return deleted, len(looked_at), looked_at[-1]


def _old(kept: Kept, before: datetime) -> ColumnElement[bool]:
    return (kept.at < before) & kept.may_go
