"""Requests that carry an ``Idempotency-Key``: who has begun, and what was answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from recommender.store.engine import POSTGRESQL
from recommender.store.schema import idempotency_keys

KEPT_FOR = timedelta(hours=24)
"""How long an answer is kept."""
LOST_AFTER = timedelta(minutes=2)
"""A request that has been at work for so long has lost its process."""
_keys = idempotency_keys.c


class Standing(Enum):
    """How a request stands that has no answer yet."""

    NEW = "new"
    IN_PROGRESS = "in progress"
    OTHER = "other"
    """Its key belongs to a request that was not the same."""


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What was answered: an HTTP status and a JSON text.

    It has no field for a person, but reasons of rejections quote words that were not known, such
    as an action: whatever was sent in that place.
    """

    status: int
    body: str


def claim(
    conn: Connection, key_hash: str, fingerprint: str, now: datetime
) -> KeptAnswer | Standing:
    """Begin a request, unless the same one was begun before.

    Parameters
    ----------
    key_hash
        Hash of the sender and the key.
    fingerprint
        Hash of what was sent.
    """
    forget_old(conn, now)
    conn.execute(
        delete(idempotency_keys).where(
            _keys.key_hash == key_hash,
            _keys.status.is_(None),
            _keys.started_at <= now - LOST_AFTER,
        )
    )
    if _begun(conn, key_hash, fingerprint, now):
        return Standing.NEW
    row = conn.execute(select(idempotency_keys).where(_keys.key_hash == key_hash)).first()
    if row is None:  # ended without an answer a moment ago
        return Standing.IN_PROGRESS
    if row.fingerprint != fingerprint:
        return Standing.OTHER
    return Standing.IN_PROGRESS if row.status is None else KeptAnswer(row.status, row.body)


def forget_old(conn: Connection, now: datetime) -> None:
    """Delete the answers that have been kept for long enough."""
    conn.execute(delete(idempotency_keys).where(_keys.started_at <= now - KEPT_FOR))


def forget_rejections(conn: Connection) -> None:
    """Delete every answer that has reasons of rejections, since these may quote what was sent.

    Such answers are of records, which can be sent again without harm; that a run was published or
    rolled back stays known.
    """
    has_some = _keys.body.contains('"rejected":') & ~_keys.body.contains('"rejected":[]')
    conn.execute(delete(idempotency_keys).where(has_some))


def keep(conn: Connection, key_hash: str, answer: KeptAnswer) -> None:
    """Keep the answer of a request that was begun."""
    conn.execute(
        update(idempotency_keys).where(_keys.key_hash == key_hash),
        {"status": answer.status, "body": answer.body},
    )


def release(conn: Connection, key_hash: str) -> None:
    """Give up a request that was begun, so that it can be sent again."""
    conn.execute(delete(idempotency_keys).where(_keys.key_hash == key_hash, _keys.status.is_(None)))


def _begun(conn: Connection, key_hash: str, fingerprint: str, now: datetime) -> bool:
    insert = postgresql.insert if conn.dialect.name == POSTGRESQL else sqlite.insert
    values = {"key_hash": key_hash, "fingerprint": fingerprint, "started_at": now}
    statement = insert(idempotency_keys).values(values).on_conflict_do_nothing()
    return conn.execute(statement.returning(_keys.key_hash)).first() is not None
