"""Who read or changed whose data: the log, which only erasure and retention may shorten."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, text, update

from recommender.store import schema
from recommender.store.column_types import instant_value
from recommender.store.engine import POSTGRESQL, SQLITE
from recommender.store.id_lists import ids_as_rows, ids_value

SELF = "self"
"""``caller`` of a token that is bound to the person concerned."""
_ERASED_PREFIX = "erased:"
_COLUMNS = ("at", "key_id", "operation", "user_id", "channel", "what", "caller", "purpose")


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, and why.

    Attributes
    ----------
    key_id
        Key used; None with a token, on the command line and without keys.
    channel
        ``http`` or ``cli``.
    caller
        Subject of a token, ``self``, or the account on the command line.
    purpose
        Why, in the caller's words.
    """

    key_id: str | None
    channel: str
    caller: str | None = None
    purpose: str | None = None


def log_access(
    conn: Connection, at: datetime, asker: Asker, operation: str, what: str, user_id: str
) -> None:
    """Add an entry about one person.

    Parameters
    ----------
    operation
        ``read``, ``update``, ``export`` or ``erase`` (kept without the person's id).
    what
        What was read or changed, such as ``profile``.
    """
    person = receipt_for(conn, user_id) if operation == "erase" else user_id
    conn.execute(
        insert(schema.access_log), _entry(at, asker, operation, what) | {"user_id": person}
    )


def log_updates(
    conn: Connection, at: datetime, asker: Asker, what: str, user_ids: Sequence[str]
) -> None:
    """Add an entry for each of many people whose records were sent, in one statement."""
    values = _entry(instant_value(conn.dialect.name, at), asker, "update", what)
    given = ", ".join("ids.value" if name == "user_id" else _typed(conn, name) for name in _COLUMNS)
    statement = f"INSERT INTO access_log ({', '.join(_COLUMNS)}) SELECT {given}"
    conn.execute(
        text(f"{statement} FROM {ids_as_rows(conn)}"), values | {"ids": ids_value(conn, user_ids)}
    )


def _typed(conn: Connection, name: str) -> str:
    # PostgreSQL can't tell the type of a null in a SELECT list.
    kind = "timestamptz" if name == "at" else "text"
    return f"CAST(:{name} AS {kind})" if conn.dialect.name == POSTGRESQL else f":{name}"


def _entry(at: Any, asker: Asker, operation: str, what: str) -> dict[str, Any]:
    return {
        "at": at,
        "key_id": asker.key_id,
        "operation": operation,
        "channel": asker.channel,
        "what": what,
        "caller": asker.caller,
        "purpose": asker.purpose,
    }


def receipt_for(conn: Connection, user_id: str) -> str:
    """Name under which the log keeps an erasure.

    Whoever knows the id and may read ``installation`` can make it again and so prove the
    erasure; from the log alone nobody can guess ids. It is a keyed hash (HMAC-SHA-256) of the
    id's SHA-256, so that receipts of older versions, which were that hash, could be re-keyed.
    """
    return receipt_maker(conn)(user_id)


def receipt_maker(conn: Connection) -> Callable[[str], str]:
    """``receipt_for`` for many people: the secret is read once."""
    secret = _secret(conn)

    def receipt_of(user_id: str) -> str:
        plain = hashlib.sha256(user_id.encode()).hexdigest()
        return _ERASED_PREFIX + hmac.new(secret, plain.encode(), hashlib.sha256).hexdigest()

    return receipt_of


def installation_mark(conn: Connection) -> str:
    """Name of the installation with whose secret receipts are made; the secret stays one."""
    return hmac.new(_secret(conn), b"installation", hashlib.sha256).hexdigest()[:32]


def _secret(conn: Connection) -> bytes:
    secret: str = conn.execute(select(schema.installation.c.secret)).scalar_one()
    return secret.encode()


def erasures_of(conn: Connection, user_id: str) -> tuple[str, list[datetime]]:
    """Return the receipt of a person's erasure and when they were erased, oldest first."""
    receipt, log = receipt_for(conn, user_id), schema.access_log.c
    query = select(log.at).where(log.user_id == receipt, log.operation == "erase")
    return receipt, list(conn.execute(query.order_by(log.at)).scalars())


def all_erasures(conn: Connection) -> list[tuple[str, datetime]]:
    """Return the receipt and time of every erasure, oldest first."""
    log = schema.access_log.c
    # Their names stand together in the index on people.
    theirs = log.user_id.between(_ERASED_PREFIX, _ERASED_PREFIX + "g")
    query = select(log.user_id, log.at).where(theirs, log.operation == "erase")
    return [(row.user_id, row.at) for row in conn.execute(query.order_by(log.at, log.access_id))]


@contextmanager
def forgetting(conn: Connection) -> Iterator[None]:
    """Let this transaction, and no other, delete from the log.

    Triggers refuse it otherwise; changing an entry they refuse always. What is deleted meanwhile
    SQLite overwrites: its file would hold the bytes until they are used again. (PostgreSQL's
    vacuum sees to that in its own time.)
    """
    _may_forget(conn, True)
    with _overwriting(conn):
        yield
    _may_forget(conn, False)


@contextmanager
def _overwriting(conn: Connection) -> Iterator[None]:
    if conn.dialect.name != SQLITE:
        yield
        return
    before = conn.exec_driver_sql("PRAGMA secure_delete").scalar_one()
    conn.exec_driver_sql("PRAGMA secure_delete = ON")
    try:
        yield
    finally:
        conn.exec_driver_sql(f"PRAGMA secure_delete = {before}")


def _may_forget(conn: Connection, allowed: bool) -> None:
    conn.execute(update(schema.installation), {"forgetting": allowed})
