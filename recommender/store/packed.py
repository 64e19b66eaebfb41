"""Packed records out of the database: all, a sample of people, or chunk by chunk.

``packing.pack_changed`` brings them up to date. Between two packings they stand still but for
erasures, so that everything a training reads, in however many transactions, is one picture: each
person's profile and records as they were when that person was last packed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, func, select

from recommender.dataset import Events, Observations, Records
from recommender.domain import Catalogue, MetricsList
from recommender.store import schema
from recommender.store.columnar import blocks, driver
from recommender.store.engine import POSTGRESQL, reading
from recommender.store.id_lists import ids_value, is_among_ids
from recommender.store.packed_format import EVENT, OBSERVATION, unpack_events, unpack_observations
from recommender.store.packed_names import places_of_codes
from recommender.store.record_arrays import user_arrays

PEOPLE_AT_ONCE = 10_000
"""People whose records are taken out of the database together: 25 MB at 40 records each."""

_COLUMNS = "user_id, born_days, sex, conditions, attributes, events, observations"

_Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Counts:
    """How much there is of everybody."""

    users: int
    events: int
    observations: int


def packed_counts(conn: Connection) -> Counts:
    """What is packed, records of any time."""
    rows = schema.packed_records.c
    lengths = [
        func.coalesce(func.sum(func.length(each)), 0) for each in (rows.events, rows.observations)
    ]
    users, events, readings = conn.execute(select(func.count(rows.user_id), *lengths)).one()
    return Counts(users, int(events) // EVENT.itemsize, int(readings) // OBSERVATION.itemsize)


def load_records(
    conn: Connection,
    as_of: datetime,
    catalogue: Catalogue,
    metrics: MetricsList,
    *,
    sample: int | None = None,
    seed: int = 0,
) -> Records:
    """Return the packed records up to an instant, of everybody or of a sample of people.

    The same as ``bulk.load_records`` of what was there at the packing.

    Parameters
    ----------
    sample
        How many people at most. Who is in it is decided by a hash of the id and the seed, so that
        one night's sample is nearly the last one's.
    """
    rows = _every_row(conn) if sample is None else _rows_among(conn, _sample(conn, sample, seed))
    return _together(_Reader(conn, as_of, catalogue, metrics), rows)


def record_chunks(
    engine: Engine, as_of: datetime, catalogue: Catalogue, metrics: MetricsList, size: int
) -> Iterator[Records]:
    """Yield the packed records up to an instant, ``size`` people at a time, ids ascending.

    Memory is bounded by ``size``. Each chunk is read by its own short transaction: nothing stays
    open while the caller works on one.
    """
    after: str | None = None
    while True:
        with reading(engine) as conn:
            rows = _rows_after(conn, after, size)
            if not rows:
                return
            people, events, readings = _Reader(conn, as_of, catalogue, metrics).read(rows)
        after = rows[-1][0]
        yield Records(user_arrays(*people), events, readings)


class _Reader:
    """Rows into arrays."""

    def __init__(
        self, conn: Connection, as_of: datetime, catalogue: Catalogue, metrics: MetricsList
    ) -> None:
        self._until = as_of.timestamp()
        self._actions = places_of_codes(conn, "actions", catalogue.ids)
        self._metrics = places_of_codes(conn, "metrics", metrics.names)

    def read(self, rows: _Rows) -> tuple[Sequence[Any], Events, Observations]:
        """Return what ``user_arrays`` takes, events and readings; users are numbered from 0."""
        *people, events, readings = zip(*rows, strict=True) if rows else ([] for _ in range(7))
        return (
            people,
            unpack_events(events, self._actions, self._until),
            unpack_observations(readings, self._metrics, self._until),
        )


def _together(reader: _Reader, blocks_of_rows: Iterator[_Rows]) -> Records:
    people: tuple[list[Any], ...] = ([], [], [], [], [])
    events, readings = [], []
    for rows in blocks_of_rows:
        first = len(people[0])
        some, own_events, own_readings = reader.read(rows)
        for column, values in zip(people, some, strict=True):
            column.extend(values)
        events.append(replace(own_events, user=own_events.user + np.int32(first)))
        readings.append(replace(own_readings, user=own_readings.user + np.int32(first)))
    if not events:
        _, no_events, no_readings = reader.read([])
        return Records(user_arrays(*people), no_events, no_readings)
    return Records(
        user_arrays(*people),
        Events(*(_joined(events, name) for name in Events.__slots__)),
        Observations(*(_joined(readings, name) for name in Observations.__slots__[:-1])),
    )


def _joined(parts: list[Any], name: str) -> NDArray[Any]:
    return np.concatenate([getattr(part, name) for part in parts])


def _every_row(conn: Connection) -> Iterator[_Rows]:
    after: str | None = None
    while rows := _rows_after(conn, after, PEOPLE_AT_ONCE):
        yield rows
        after = rows[-1][0]


def _rows_after(conn: Connection, after: str | None, size: int) -> _Rows:
    where = "" if after is None else "WHERE user_id > :after "
    query = f"SELECT {_COLUMNS} FROM packed_records {where}ORDER BY user_id LIMIT {size:d}"
    return _rows(conn, query, {} if after is None else {"after": after})


def _rows_among(conn: Connection, ids: Sequence[str]) -> Iterator[_Rows]:
    query = (
        f"SELECT {_COLUMNS} FROM packed_records"
        f" WHERE {is_among_ids(conn, 'user_id')} ORDER BY user_id"
    )
    for start in range(0, len(ids), PEOPLE_AT_ONCE):
        some = ids_value(conn, ids[start : start + PEOPLE_AT_ONCE])
        yield _rows(conn, query, {"ids": some})


def _rows(conn: Connection, query: str, params: dict[str, Any]) -> _Rows:
    # The driver's own rows: SQLAlchemy's cost as much again as reading them.
    if conn.dialect.name != POSTGRESQL:
        return list(driver(conn).execute(query, params).fetchall())
    for name in params:
        query = query.replace(f":{name}", f"%({name})s")
    with driver(conn).cursor(binary=True) as cursor:
        return list(cursor.execute(query, params).fetchall())


def _sample(conn: Connection, size: int, seed: int) -> list[str]:
    """Ids of the people with the smallest hashes, ascending."""
    ids = pa.array([], pa.string())
    hashes = np.zeros(0, np.uint64)
    query = "SELECT user_id FROM packed_records ORDER BY user_id"
    for block in blocks(conn, query, {}, {"ids": pa.string()}):
        column = block["ids"].combine_chunks()
        texts = column.to_numpy(zero_copy_only=False)
        own = pd.util.hash_array(texts, hash_key=f"{seed % 10**16:016d}", categorize=False)
        ids, hashes = pa.concat_arrays([ids, column]), np.concatenate([hashes, own])
        if len(ids) > size:
            chosen = np.sort(np.argsort(hashes, kind="stable")[:size])
            ids, hashes = ids.take(pa.array(chosen)), hashes[chosen]
    return list(ids.to_pylist())
