"""Everybody's records out of the database, for training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from recommender.dataset import Events, Int32Array, Observations, Records, Users
from recommender.domain import EVENT_CODES, Catalogue, MetricsList
from recommender.store.column_types import UtcInstant
from recommender.store.columnar import blocks
from recommender.store.engine import POSTGRESQL
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
    within = {} if users is None else {"low": users[0], "high": users[1]}
    until = within | {"as_of": _written(conn, as_of)}
    people = _users(conn, within)
    ids = pa.array(people.ids, _TEXT)
    return Records(
        people,
        _events(conn, until, ids, catalogue),
        _observations(conn, until, ids, metrics),
    )


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


def _where(conn: Connection, params: Mapping[str, str], instant: str | None = None) -> str:
    terms = ["user_id >= :low AND user_id <= :high"] if "low" in params else []
    if instant is not None:
        bound = ":as_of" if conn.dialect.name != POSTGRESQL else "CAST(:as_of AS timestamptz)"
        terms.append(f"{instant} <= {bound}")
    return f"WHERE {' AND '.join(terms)}" if terms else ""


def _users(conn: Connection, params: Mapping[str, str]) -> Users:
    query = f"SELECT user_id, {profile_sql(conn.dialect.name)} FROM users {_where(conn, params)}"
    columns = {"ids": _TEXT, "born": _REAL, "sex": _TEXT, "conditions": _TEXT, "attributes": _TEXT}
    parts = list(blocks(conn, query, params, columns))
    table = pa.concat_tables(parts) if parts else pa.schema(columns.items()).empty_table()
    # Arrow compares bytes of UTF-8, which is the order of Python's texts.
    table = table.sort_by("ids")
    return user_arrays(
        table["ids"].to_pylist(),
        table["born"].to_numpy(),
        table["sex"].to_pylist(),
        table["conditions"].to_pylist(),
        table["attributes"].to_pylist(),
    )


def _events(
    conn: Connection, params: Mapping[str, str], ids: pa.Array, catalogue: Catalogue
) -> Events:
    dialect = conn.dialect.name
    query = (
        f"SELECT user_id, action_id, type, {instant_sql(dialect, 'occurred_at')}, "
        f"{_REQUEST[dialect]}, propensity, value FROM events "
        f"{_where(conn, params, 'occurred_at')}"
    )
    request = _TEXT if dialect == "sqlite" else _WHOLE
    columns = {
        "user": _TEXT, "action": _TEXT, "kind": _TEXT, "at": _AT[dialect],
        "request": request, "propensity": _REAL, "value": _REAL,
    }  # fmt: skip
    actions, kinds = pa.array(catalogue.ids, _TEXT), pa.array(list(EVENT_CODES), _TEXT)
    parts = [
        (
            _places(block["user"], ids),
            _places(block["action"], actions),
            _places(block["kind"], kinds).astype(np.int8),
            _seconds(block["at"]),
            _request_numbers(block["request"]),
            block["propensity"].to_numpy(),
            block["value"].to_numpy(),
        )
        for block in blocks(conn, query, params, columns)
    ]
    dtypes = (np.int32, np.int32, np.int8, np.float64, np.int64, np.float64, np.float64)
    return ordered_events(*_known(_columns(parts, dtypes)))


def _observations(
    conn: Connection, params: Mapping[str, str], ids: pa.Array, metrics: MetricsList
) -> Observations:
    dialect = conn.dialect.name
    query = (
        f"SELECT user_id, metric, value, {instant_sql(dialect, 'observed_at')} "
        f"FROM observations {_where(conn, params, 'observed_at')}"
    )
    columns = {"user": _TEXT, "metric": _TEXT, "value": _REAL, "at": _AT[dialect]}
    names = pa.array(metrics.names, _TEXT)
    parts = [
        (
            _places(block["user"], ids),
            _places(block["metric"], names),
            block["value"].to_numpy(),
            _seconds(block["at"]),
        )
        for block in blocks(conn, query, params, columns)
    ]
    return ordered_observations(
        *_known(_columns(parts, (np.int32, np.int32, np.float64, np.float64)))
    )


def _places(column: pa.ChunkedArray, values: pa.Array) -> Int32Array:
    found = pc.index_in(column, value_set=values).fill_null(-1).to_numpy()
    return np.asarray(found, dtype=np.int32)


def _seconds(column: pa.ChunkedArray) -> NDArray[np.float64]:
    if pa.types.is_floating(column.type):
        return np.asarray(column.to_numpy())
    microseconds = column.cast(pa.timestamp("us")).cast(_WHOLE).to_numpy()
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


def _known(columns: list[NDArray[Any]]) -> list[NDArray[Any]]:
    # Places of the person and of the action or metric stand first.
    known = (columns[0] >= 0) & (columns[1] >= 0)
    return columns if known.all() else [column[known] for column in columns]
