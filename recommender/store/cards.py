"""Model cards of runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select, update

from recommender.errors import NotFoundError
from recommender.store import schema

_runs = schema.runs.c


def load_card(conn: Connection, run_id: str) -> dict[str, Any]:
    """Return a run's model card.

    Raises
    ------
    NotFoundError
        There is no such run, or it has none: it failed, or is older than model cards.
    """
    row = conn.execute(select(_runs.status, _runs.card).where(_runs.run_id == run_id)).first()
    if row is None:
        raise NotFoundError("no such run")
    if row.card is None:
        raise NotFoundError(f"run {run_id} has no model card: it is {row.status}")
    return dict(row.card)


def release(conn: Connection, run_id: str, message: str, card: Mapping[str, Any]) -> None:
    """Let a run that was held back be published after all; the message says so for good."""
    values = {"status": "trained", "message": message, "card": card}
    conn.execute(update(schema.runs).where(_runs.run_id == run_id), values)
