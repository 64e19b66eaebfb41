"""Everybody's records out of the tables that they are taken into."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from recommender.dataset import Int32Array, Records
from recommender.domain import EVENT_CODES, Catalogue, MetricsList
from recommender.store.column_types import UtcInstant
from recommender.store.columnar import blocks
from recommender.store.engine import POSTGRESQL
from recommender.store.id_lists import ids_value, is_among_ids
from recommender.store.record_arrays import (
    instant_sql,
    ordered_events,
    ordered_observations,
    profile_sql,
    user_arrays,
)

_TEXT, _REAL, _WHOLE = pa.string(), pa.float64(), pa.int64()
_AT = {"sqlite": _TEXT, "postgresql": _REAL}
# Only equality of request numbers matters, so that PostgreSQL may send short hashes.
_REQUEST = {"sqlite": "request_id", "postgresql": "hashtextextended(request_id, 0)"}


def load_records(
    conn: Connection,
    as_of: datetime,
    catalogue: Catalogue,
    metrics: MetricsList,
    users: tuple[str, str] | None = None,
) -> Records:
    """Return everybody's record up to an instant, or that of an id range (ends included).

    Memory: 41 bytes an event and 24 a reading, twice that while they are put into order,
    beside one block of 32 MB. Observation ids are left out, and so is what refers to an
    action or metric that the caller does not have yet.
    """
    within = Chosen() if users is None else Chosen(between=users)
    until = replace(within, until=as_of)
    people = user_arrays(*user_columns(conn, within))
    ids = pa.array(people.ids, _TEXT)
    events = event_columns(conn, until, ids, _known(catalogue.ids))
    readings = observation_columns(conn, until, ids, _known(metrics.names))
    return Records(people, ordered_events(*events), ordered_observations(*readings))


@dataclass(frozen=True)
class Chosen:
    """Which rows are read.

    Attributes
    ----------
    between
        First and last id of the people; None for everybody.
    among
        Ids of the people; None for no such limit.
    until
        Only records up to here; None for all.
    """

    between: tuple[str, str] | None = None
    among: Sequence[str] | None = None
    until: datetime | None = None

    def where(self, conn: Connection, instant: str | None = None) -> str:
        """Return the condition, with names of ``parameters``; ``instant`` is a column or None."""
        terms = [] if self.between is None else ["user_id >= :low AND user_id <= :high"]
        if self.among is not None:
            terms.append(is_among_ids(conn, "user_id"))
        if instant is not None and self.until is not None:
            bound = ":as_of" if conn.dialect.name != POSTGRESQL else "CAST(:as_of AS timestamptz)"
            terms.append(f"{instant} <= {bound}")
        return f"WHERE {' AND '.join(terms)}" if terms else ""

    def parameters(self, conn: Connection, *, instant: bool = True) -> dict[str, Any]:
        """Return the values that ``where`` speaks of."""
        values: dict[str, Any] = {}
        if self.between is not None:
            values["low"], values["high"] = self.between
        if self.among is not None:
            values["ids"] = ids_value(conn, self.among)
        if instant and self.until is not None:
            values["as_of"] = _written(conn, self.until)
        return values


Coder = Callable[[pa.ChunkedArray], Int32Array]
"""Numbers of names, -1 for those that are to be left out."""


def user_id_chunks(conn: Connection, size: int) -> list[tuple[str, str]]:
    """Return the first and last id of every ``size`` people, in the database's order of ids."""
    query = text(
        "SELECT min(user_id), max(user_id) FROM ("
        " SELECT user_id, (row_number() OVER (ORDER BY user_id) - 1) / :size AS chunk FROM users"
        ") numbered GROUP BY chunk ORDER BY chunk"
    )
    return [(first, last) for first, last in conn.execute(query, {"size": size})]


def _written(conn: Connection, instant: datetime) -> str:
    bound = UtcInstant().process_bind_param(instant, conn.dialect)
    return bound if isinstance(bound, str) else instant.isoformat()


def user_columns(
    conn: Connection, chosen: Chosen
) -> tuple[list[str], NDArray[np.float64], list[str], list[str], list[str]]:
    """Return what ``user_arrays`` takes, ids ascending as Python's texts do."""
    query = f"SELECT user_id, {profile_sql(conn.dialect.name)} FROM users {chosen.where(conn)}"
    columns = {"ids": _TEXT, "born": _REAL, "sex": _TEXT, "conditions": _TEXT, "attributes": _TEXT}
    parts = list(blocks(conn, query, chosen.parameters(conn, instant=False), columns))
    table = pa.concat_tables(parts) if parts else pa.schema(columns.items()).empty_table()
    # Arrow compares bytes of UTF-8, which is the order of Python's texts.
    table = table.sort_by("ids")
    return (
        table["ids"].to_pylist(),
        table["born"].to_numpy(),
        table["sex"].to_pylist(),
        table["conditions"].to_pylist(),
        table["attributes"].to_pylist(),
    )


def event_columns(
    conn: Connection, chosen: Chosen, ids: pa.Array, actions: Coder
) -> list[NDArray[Any]]:
    """Return what ``ordered_events`` takes, unordered, of the people ``ids``."""
    dialect = conn.dialect.name
    query = (
        f"SELECT user_id, action_id, type, {instant_sql(dialect, 'occurred_at')}, "
        f"{_REQUEST[dialect]}, propensity, value FROM events {chosen.where(conn, 'occurred_at')}"
    )
    request = _TEXT if dialect == "sqlite" else _WHOLE
    columns = {
        "user": _TEXT, "action": _TEXT, "kind": _TEXT, "at": _AT[dialect],
        "request": request, "propensity": _REAL, "value": _REAL,
    }  # fmt: skip
    kinds = pa.array(list(EVENT_CODES), _TEXT)
    parts = [
        (
            _places(block["user"], ids),
            actions(block["action"]),
            _places(block["kind"], kinds).astype(np.int8),
            _seconds(block["at"]),
            _request_numbers(block["request"]),
            block["propensity"].to_numpy(),
            block["value"].to_numpy(),
        )
        for block in blocks(conn, query, chosen.parameters(conn), columns)
    ]
    dtypes = (np.int32, np.int32, np.int8, np.float64, np.int64, np.float64, np.float64)
    return _not_left_out(_columns(parts, dtypes))


def observation_columns(
    conn: Connection, chosen: Chosen, ids: pa.Array, metrics: Coder
) -> list[NDArray[Any]]:
    """Return what ``ordered_observations`` takes, unordered, of the people ``ids``."""
    dialect = conn.dialect.name
    query = (
        f"SELECT user_id, metric, value, {instant_sql(dialect, 'observed_at')} "
        f"FROM observations {chosen.where(conn, 'observed_at')}"
    )
    columns = {"user": _TEXT, "metric": _TEXT, "value": _REAL, "at": _AT[dialect]}
    parts = [
        (
            _places(block["user"], ids),
            metrics(block["metric"]),
            block["value"].to_numpy(),
            _seconds(block["at"]),
        )
        for block in blocks(conn, query, chosen.parameters(conn), columns)
    ]
    return _not_left_out(_columns(parts, (np.int32, np.int32, np.float64, np.float64)))


def _known(names: Sequence[str]) -> Coder:
    """Places among known names."""
    return partial(_places, values=pa.array(names, _TEXT))


def _places(column: pa.ChunkedArray, values: pa.Array) -> Int32Array:
    found = pc.index_in(column, value_set=values).fill_null(-1).to_numpy()
    return np.asarray(found, dtype=np.int32)


def _seconds(column: pa.ChunkedArray) -> NDArray[np.float64]:
    if pa.types.is_floating(column.type):
        return np.asarray(column.to_numpy())
    microseconds = column.cast(pa.timestamp("us", "UTC")).cast(_WHOLE).to_numpy()
    return np.asarray(microseconds / 1e6)


def _request_numbers(column: pa.ChunkedArray) -> NDArray[np.int64]:
    missing = column.is_null().to_numpy()
    if pa.types.is_integer(column.type):
        numbers = column.fill_null(0).to_numpy()
    else:
        texts = column.fill_null("").to_numpy(zero_copy_only=False)
        numbers = pd.util.hash_array(texts, categorize=False).view(np.int64)
    return np.where(missing, -1, numbers & np.iinfo(np.int64).max)


def _columns(
    parts: Sequence[tuple[NDArray[Any], ...]], dtypes: Sequence[type]
) -> list[NDArray[Any]]:
    if not parts:
        return [np.empty(0, dtype=dtype) for dtype in dtypes]
    return [np.concatenate(pieces) for pieces in zip(*parts, strict=True)]


def _not_left_out(columns: list[NDArray[Any]]) -> list[NDArray[Any]]:
    # Places of the person and of the action or metric stand first.
    known = (columns[0] >= 0) & (columns[1] >= 0)
    return columns if known.all() else [column[known] for column in columns]
