"""Evaluations into the database: all that the figures of a leaderboard are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
from sqlalchemy import Connection, delete, exists, insert, select

from recommender.store import schema
from recommender.store.columnar import append
from recommender.store.retention import one_at_a_time


@dataclass(frozen=True)
class Heading:
    """What an evaluation was about; meanings as in the table ``evaluations``."""

    created_at: datetime
    split_at: datetime
    end_at: datetime
    seed: int
    users: int
    actions: int
    judged: int
    settings: Mapping[str, Mapping[str, float]]
    code_version: str


def save_evaluation(
    conn: Connection,
    heading: Heading,
    rows: Iterable[tuple[str, pa.Table]],
    *,
    read_at: datetime,
    keep: int,
) -> int:
    """Keep an evaluation, drop all but the newest ``keep``, and return its number.

    Parameters
    ----------
    rows
        Name of a table of ``schema.EVALUATION_PARTS`` and rows for it, without the number of the
        evaluation.
    read_at
        When the records were read: whoever was erased since then is left out.
    """
    values = {name: getattr(heading, name) for name in Heading.__dataclass_fields__}
    added = conn.execute(insert(schema.evaluations).values(values)).inserted_primary_key
    assert added is not None
    number = int(added[0])
    for name, some in rows:
        numbers = pa.repeat(pa.scalar(number, pa.int64()), some.num_rows)
        append(conn, name, some.add_column(0, "evaluation_id", numbers))
    _forget_erased(conn, number, read_at)
    _drop_old(conn, keep)
    return number


def _forget_erased(conn: Connection, number: int, since: datetime) -> None:
    one_at_a_time(conn)
    log = schema.access_log.c
    erased = select(1).where(log.operation == "erase", log.at >= since).limit(1)
    if conn.execute(erased).first() is None:
        return
    for table in schema.EVALUATION_PARTS:
        if "user_id" in table.c:
            known = exists().where(schema.users.c.user_id == table.c.user_id)
            conn.execute(delete(table).where(table.c.evaluation_id == number, ~known))


def _drop_old(conn: Connection, keep: int) -> None:
    number = schema.evaluations.c.evaluation_id
    kept = list(conn.execute(select(number).order_by(number.desc()).limit(keep)).scalars())
    for table in (*schema.EVALUATION_PARTS, schema.evaluations):
        conn.execute(delete(table).where(table.c.evaluation_id < min(kept)))
