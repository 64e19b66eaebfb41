"""Rejected records: kept once each with the reason, until they are taken or corrected."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, bindparam, delete, exists, func, select, text
from sqlalchemy.dialects import postgresql, sqlite

from recommender.store import schema
from recommender.store.engine import POSTGRESQL, SQLITE, json_text
from recommender.store.id_lists import ids_value, is_among_ids, is_among_pairs, pairs_value

_rejected = schema.rejected_records


@dataclass(frozen=True, slots=True)
class RejectedRecord:
    """A record as the quarantine holds it.

    Attributes
    ----------
    record
        As received, JSON text.
    record_id, user_id
        Its own id and the person concerned, where they could be read.
    source
        File or path it came by.
    fingerprint
        What keeps it there once; None works it out from kind and record.
    rejected_id
        Its number, None until stored.
    """

    kind: str
    record: str
    reason_code: str
    reason: str
    record_id: str | None = None
    user_id: str | None = None
    source: str | None = None
    fingerprint: str | None = None
    rejected_id: int | None = None


def keep_rejected(conn: Connection, records: Sequence[RejectedRecord], now: datetime) -> None:
    """Add records to the quarantine; one that is there already gets the new reason."""
    if not records:
        return
    dialect: Any = postgresql if conn.dialect.name == POSTGRESQL else sqlite
    statement = dialect.insert(_rejected)
    refreshed = {
        name: statement.excluded[name] for name in ("reason_code", "reason", "rejected_at")
    }
    source = func.coalesce(statement.excluded.source, _rejected.c.source)
    conn.execute(
        statement.on_conflict_do_update(
            index_elements=["fingerprint"], set_=refreshed | {"source": source}
        ),
        [_row(record, now) for record in records],
    )


def release(
    conn: Connection,
    kind: str,
    record_ids: pa.ChunkedArray,
    people: pa.ChunkedArray | None,
    up_to: int | None = None,
) -> None:
    """Remove what the quarantine holds of the records that have been taken now.

    Parameters
    ----------
    people
        Whose each of them is: what was rejected under the same id and is another person's, or
        nobody's that could be read, stays. None for actions, which are no one's.
    up_to
        Leave alone what was rejected after the one with this number; None removes all.
    """
    if len(record_ids) == 0 or not conn.scalar(select(exists().where(_rejected.c.kind == kind))):
        return
    ids = record_ids.to_pylist()
    values: dict[str, Any] = {"ids": ids_value(conn, ids)}
    statement = delete(_rejected).where(
        _rejected.c.kind == kind, text(is_among_ids(conn, "record_id"))
    )
    if people is not None:
        statement = statement.where(text(is_among_pairs(conn, "record_id", "user_id")))
        values |= pairs_value(conn, ids, people.to_pylist())
    if up_to is not None:
        statement = statement.where(_rejected.c.rejected_id <= up_to)
    conn.execute(statement, values)


def release_numbers(conn: Connection, numbers: Sequence[int | None]) -> None:
    """Remove rejected records by their numbers: they have been taken."""
    if numbers:
        statement = delete(_rejected).where(_rejected.c.rejected_id == bindparam("number"))
        conn.execute(statement, [{"number": number} for number in numbers])


def forget_mentions(conn: Connection, user_id: str) -> int:
    """Delete what holds a person's id as a text or name anywhere; return how many records.

    It finds records that were rejected because they name the person in a way of their own, such
    as ``{"userId": …}``. All texts that contain the id are looked at: no index knows them.
    """
    as_json = json_text(user_id)[1:-1]
    containing = select(_rejected.c.rejected_id, _rejected.c.record).where(
        text(_CONTAINS[conn.dialect.name]).bindparams(word=as_json)
    )
    found = conn.execute(containing, execution_options={"yield_per": 1_000})
    numbers = [row.rejected_id for row in found if _mentions(row.record, user_id)]
    release_numbers(conn, numbers)
    return len(numbers)


_CONTAINS = {
    POSTGRESQL: "strpos(CAST(record AS text), :word) > 0",
    SQLITE: "instr(record, :word) > 0",
}


def _mentions(record: Any, user_id: str) -> bool:
    """Compare texts as ingestion reads ids: white space around them is not part of them."""
    trimmed = pc.utf8_trim_whitespace(pa.array(_texts(record), pa.string()))
    return pc.any(pc.equal(trimmed, user_id)).as_py() is True


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, dict):
        yield from value
        for each in value.values():
            yield from _texts(each)


def last_rejected(conn: Connection) -> int:
    """Number of the latest rejection, 0 if there is none."""
    return conn.scalar(select(func.max(_rejected.c.rejected_id))) or 0


def rejected_after(
    conn: Connection, kind: str, after: int, up_to: int, limit: int
) -> list[tuple[RejectedRecord, Any]]:
    """Up to ``limit`` records of the quarantine with their parsed JSON, oldest first."""
    held = _rejected.c
    query = (
        select(_rejected)
        .where(held.kind == kind, held.rejected_id > after, held.rejected_id <= up_to)
        .order_by(held.rejected_id)
        .limit(limit)
    )
    return [
        (
            RejectedRecord(
                kind=row.kind,
                record=orjson.dumps(row.record).decode(),
                reason_code=row.reason_code,
                reason=row.reason,
                record_id=row.record_id,
                user_id=row.user_id,
                source=row.source,
                fingerprint=row.fingerprint,
                rejected_id=row.rejected_id,
            ),
            row.record,
        )
        for row in conn.execute(query)
    ]


def _row(record: RejectedRecord, now: datetime) -> dict[str, Any]:
    whole = f"{record.kind}\n{record.record}".encode()
    return {
        "kind": record.kind,
        "record_id": record.record_id,
        "record": orjson.loads(record.record),
        "reason_code": record.reason_code,
        "reason": record.reason,
        "user_id": record.user_id,
        "source": record.source,
        "fingerprint": record.fingerprint or hashlib.sha256(whole).hexdigest(),
        "rejected_at": now,
    }
