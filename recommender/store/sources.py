"""Where readings came from."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from recommender.store.schema import observations


def reading_sources(conn: Connection, ids: Sequence[str]) -> dict[str, str | None]:
    """Return the device or system of each of a few readings."""
    columns = observations.c.observation_id, observations.c.source
    rows = conn.execute(select(*columns).where(observations.c.observation_id.in_(ids)))
    return {row[0]: row[1] for row in rows}
