"""Every version of every action, kept in the transaction that made it.

A change of the catalogue has a number, its revision; an answer is logged with the last one it had
seen, so that what was shown can be read as it was, whatever the action says today.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, func, insert, select, text

from recommender.columns import ACTION_ID
from recommender.store import schema
from recommender.store.engine import POSTGRESQL
from recommender.store.id_lists import ids_value, is_among_ids

_REVISION_LOCK = 7_164_003
_NOT_CONTENT = ("updated_at", "retired_at")


@dataclass(frozen=True)
class ActionVersion:
    """One version of one action.

    Attributes
    ----------
    version
        1 for the first, growing by one.
    revision
        Number of the change of the catalogue that it came with.
    content
        Every column of ``actions`` but its stamps, and ``retired``.
    changed_by
        File or path that it came by.
    """

    action_id: str
    version: int
    revision: int
    valid_from: datetime
    content_hash: str
    content: dict[str, Any]
    changed_by: str


def keep_versions(
    conn: Connection, action_ids: Sequence[str], now: datetime, changed_by: str
) -> int:
    """Keep those of the actions, as they stand now, whose content is new; return how many.

    To be called in the transaction that changed them. Whoever changes the catalogue waits for
    who does already, so that a revision that can be seen has no later one before it.
    """
    if not action_ids:
        return 0
    if conn.dialect.name == POSTGRESQL:
        conn.execute(select(func.pg_advisory_xact_lock(_REVISION_LOCK)))
    latest = _latest(conn, action_ids)
    revision = catalogue_revision(conn) + 1
    rows = [
        {
            "action_id": action_id,
            "version": before[0] + 1,
            "revision": revision,
            "valid_from": now,
            "content_hash": digest,
            "content": content,
            "changed_by": changed_by,
        }
        for action_id, content, digest in _contents(conn, action_ids)
        if (before := latest.get(action_id, (0, "")))[1] != digest
    ]
    if rows:
        conn.execute(insert(schema.action_versions), rows)
    return len(rows)


def catalogue_revision(conn: Connection) -> int:
    """Number of the last change of the catalogue, 0 if there was none."""
    return conn.execute(select(func.max(schema.action_versions.c.revision))).scalar() or 0


def action_history(conn: Connection, action_id: str) -> list[ActionVersion]:
    """Every version of an action, oldest first; empty if it is unknown."""
    versions = schema.action_versions
    query = select(versions).where(versions.c.action_id == action_id).order_by(versions.c.version)
    return [ActionVersion(**row) for row in conn.execute(query).mappings()]


def content_hash(content: dict[str, Any]) -> str:
    """SHA-256 of an action's content, whatever the order of its keys.

    >>> content_hash({"a": 1, "b": None}) == content_hash({"b": None, "a": 1})
    True
    """
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _latest(conn: Connection, action_ids: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Newest version and its hash of each of the actions that has any."""
    versions = schema.action_versions.c
    query = (
        select(versions.action_id, versions.version, versions.content_hash)
        .where(text(is_among_ids(conn, ACTION_ID)))
        .order_by(versions.version)
    )
    rows = conn.execute(query, {"ids": ids_value(conn, action_ids)})
    return {action_id: (version, digest) for action_id, version, digest in rows}


def _contents(conn: Connection, action_ids: Sequence[str]) -> list[tuple[str, dict[str, Any], str]]:
    query = (
        select(schema.actions)
        .where(text(is_among_ids(conn, ACTION_ID)))
        .order_by(schema.actions.c.action_id)
    )
    found = []
    for row in conn.execute(query, {"ids": ids_value(conn, action_ids)}).mappings():
        cells = {str(name): value for name, value in row.items() if name not in _NOT_CONTENT}
        # Through JSON once, so that days are spelled as they will be read back.
        content = orjson.loads(orjson.dumps(cells | {"retired": row["retired_at"] is not None}))
        found.append((row[ACTION_ID], content, content_hash(content)))
    return found
