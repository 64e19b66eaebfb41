"""Everything held on one person, found by the schema itself so that no table is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, LargeBinary, Table, select

from recommender.columns import USER_ID
from recommender.store import schema
from recommender.store.engine import POSTGRESQL
from recommender.store.retention import nightly_tables, runs_in

_SECRET = "key_hash"


def tables_that_name_users() -> list[Table]:
    """Return every table with a ``user_id``, those that are referred to first, users before all.

    What goes with a person by trigger (packed records) refers to nobody.
    """
    named = [table for table in schema.metadata.sorted_tables if USER_ID in table.c]
    return sorted(named, key=lambda table: table is not schema.users)


def naming(conn: Connection, table: Table, user_id: str) -> ColumnElement[bool]:
    """Condition for the rows of a table that name a person, such that an index finds them."""
    condition: ColumnElement[bool] = table.c[USER_ID] == user_id
    if table in nightly_tables() and conn.dialect.name != POSTGRESQL:
        # Their key begins with the run.
        return condition & table.c.run_id.in_(list(runs_in(conn, table)))
    if table in schema.EVALUATION_PARTS:
        # Their key begins with the evaluation.
        return condition & table.c.evaluation_id.in_(select(schema.evaluations.c.evaluation_id))
    return condition


def ids_held(conn: Connection, table: Table) -> Iterator[str]:
    """Give the id of everyone a table names, once each, a few thousand at a time in memory."""
    query = select(table.c[USER_ID]).where(table.c[USER_ID].is_not(None)).distinct()
    yield from conn.execution_options(yield_per=5_000).execute(query).scalars()


def export_user(conn: Connection, user_id: str) -> dict[str, Any]:
    """Return everything held on a person, ready for JSON: table -> rows, oldest key first.

    Every table that names users is there, empty if it holds nothing on this one. Left out are
    the hash of a key, which is a secret of the system's, not data on the person, and the packed
    bytes of events and observations, which stand in their own tables.
    """
    return {
        USER_ID: user_id,
        **{table.name: _rows(conn, table, user_id) for table in tables_that_name_users()},
    }


def _rows(conn: Connection, table: Table, user_id: str) -> list[dict[str, Any]]:
    columns = [
        column
        for column in table.columns
        if column.name != _SECRET and not isinstance(column.type, LargeBinary)
    ]
    query = (
        select(*columns).where(naming(conn, table, user_id)).order_by(*table.primary_key.columns)
    )
    return [
        {name: _plain(value) for name, value in row.items()}
        for row in conn.execute(query).mappings()
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return value
