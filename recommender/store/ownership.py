"""Whose a record is, for keys that may write one person's records only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from recommender.store.schema import events, observations

_AT_ONCE = 500
_IDS = {"events": events.c.event_id, "observations": observations.c.observation_id}
_PEOPLE = {"events": events.c.user_id, "observations": observations.c.user_id}


def belongs_to_others(conn: Connection, kind: str, ids: Sequence[Any], user_id: str) -> bool:
    """Tell whether any of these events or observations is stored as another person's.

    Ids that are stored nowhere, or are no ids at all, belong to no one.
    """
    known = sorted({str(name) for name in ids if isinstance(name, str | int)})
    return any(
        conn.execute(
            select(1)
            .where(_IDS[kind].in_(known[start : start + _AT_ONCE]), _PEOPLE[kind] != user_id)
            .limit(1)
        ).first()
        for start in range(0, len(known), _AT_ONCE)
    )
