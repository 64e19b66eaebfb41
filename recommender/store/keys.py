"""Keys of the HTTP interface: only hashes are kept, each ends, each can be revoked at once."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, insert, or_, select, update

from recommender.errors import ConflictError, NotFoundError
from recommender.store import schema

_PREFIX = "rk_"
_SECRET_BYTES = 32
_USE_NOTED_EVERY = timedelta(minutes=1)
_keys = schema.api_keys.c


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret.

    Attributes
    ----------
    scopes
        Any of ``read``, ``write``, ``admin``.
    user_id
        The only person it may see; None for all.
    """

    key_id: str
    name: str
    scopes: tuple[str, ...]
    user_id: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


def create_key(
    conn: Connection,
    name: str,
    scopes: Sequence[str],
    user_id: str | None,
    expires_at: datetime | None,
    now: datetime,
) -> tuple[str, str]:
    """Make a key and return its id and its secret, which is not kept anywhere."""
    key_id = secrets.token_hex(6)
    secret = _PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
    conn.execute(
        insert(schema.api_keys),
        {
            "key_id": key_id,
            "name": name,
            "key_hash": _hash(secret),
            "scopes": list(scopes),
            "user_id": user_id,
            "created_at": now,
            "expires_at": expires_at,
        },
    )
    return key_id, secret


def list_keys(conn: Connection) -> list[ApiKey]:
    """Return every key, revoked and expired ones included, oldest first."""
    query = select(*_columns()).order_by(_keys.created_at, _keys.key_id)
    return [_api_key(row) for row in conn.execute(query)]


def revoke_key(conn: Connection, key_id: str, now: datetime) -> None:
    """End a key at once.

    Raises
    ------
    NotFoundError
        There is no such key.
    ConflictError
        It was revoked before.
    """
    held = select(_keys.revoked_at).where(_keys.key_id == key_id).with_for_update()
    row = conn.execute(held).first()
    if row is None:
        raise NotFoundError(f"no such key: {key_id}")
    if row.revoked_at is not None:
        raise ConflictError(f"key {key_id} is revoked already")
    conn.execute(update(schema.api_keys).where(_keys.key_id == key_id), {"revoked_at": now})


def find_key(conn: Connection, secret: str, now: datetime) -> ApiKey | None:
    """Return the key that a secret opens, or None if there is none or it has ended.

    The index finds the hash of a 256-bit secret, so that its timing tells nothing of use;
    the hash is then compared in constant time all the same.
    """
    given = _hash(secret)
    row = conn.execute(select(*_columns(), _keys.key_hash).where(_keys.key_hash == given)).first()
    if row is None or not hmac.compare_digest(row.key_hash, given):
        return None
    key = _api_key(row)
    ended = key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now)
    return None if ended else key


def use_is_noted(key: ApiKey, now: datetime) -> bool:
    """Tell whether the use of a key was noted within the last minute."""
    return key.last_used_at is not None and now - key.last_used_at < _USE_NOTED_EVERY


def note_use(conn: Connection, key_id: str, now: datetime) -> None:
    """Record that a key was used, at most once a minute."""
    earlier = now - _USE_NOTED_EVERY
    conn.execute(
        update(schema.api_keys).where(
            _keys.key_id == key_id,
            or_(_keys.last_used_at.is_(None), _keys.last_used_at <= earlier),
        ),
        {"last_used_at": now},
    )


def any_key(conn: Connection) -> bool:
    """Tell whether a key was ever made: from then on keys are asked for.

    The database notes it with the first one, for good: a key goes with the person it is bound to.
    """
    made: bool = conn.execute(select(schema.installation.c.key_made)).scalar_one()
    return made


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _columns() -> tuple[ColumnElement[Any], ...]:
    return (
        _keys.key_id,
        _keys.name,
        _keys.scopes,
        _keys.user_id,
        _keys.created_at,
        _keys.expires_at,
        _keys.revoked_at,
        _keys.last_used_at,
    )


def _api_key(row: Row[*tuple[Any, ...]]) -> ApiKey:
    return ApiKey(
        key_id=row.key_id,
        name=row.name,
        scopes=tuple(row.scopes),
        user_id=row.user_id,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )
