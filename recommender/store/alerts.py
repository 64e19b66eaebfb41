"""Alerts as kept: one row for each rule and reading of a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import Connection, select, update

from recommender.errors import NotFoundError
from recommender.store import schema
from recommender.store.column_types import instant_read, instant_value
from recommender.store.direct import Direct, placeholder
from recommender.store.engine import POSTGRESQL


class AlertRow(NamedTuple):
    """What identifies an alert; ``observation_id`` is None where no reading led to it."""

    alert_id: str
    user_id: str
    rule_id: str
    rule_version: int
    observation_id: str | None
    severity: str


@dataclass(frozen=True, slots=True)
class KeptAlert:
    """One row of the table, see ``docs/schema.md``."""

    alert_id: str
    user_id: str
    rule_id: str
    rule_version: int
    observation_id: str | None
    severity: str
    first_raised_at: datetime
    last_raised_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None


def keep_alerts(
    store: Direct, rows: Sequence[AlertRow], now: datetime
) -> dict[str, datetime | None]:
    """Keep alerts raised now, in one statement; return when each was acknowledged, if it was."""
    at = instant_value(store.dialect, now)
    values: dict[str, object] = {"now": at}
    # In one order, so that two answers to the same person never wait for each other in a circle.
    for number, row in enumerate(sorted(rows)):
        values |= {f"{name}{number}": each for name, each in row._asdict().items()}
    found = store.rows(_upsert(store.dialect, len(rows)), values)
    return {row[0]: instant_read(row[1]) for row in found}


@lru_cache
def _upsert(dialect: str, count: int) -> str:
    def place(name: str) -> str:
        return placeholder(dialect, name)

    rows = (
        "(" + ", ".join([*(place(f"{name}{n}") for name in AlertRow._fields), *[place("now")] * 2])
        for n in range(count)
    )
    # As in the log of answers: what is raised again with the next answer need not wait for a disk.
    quick = ", set_config('synchronous_commit', 'off', true)" if dialect == POSTGRESQL else ""
    return (
        f"INSERT INTO alerts ({', '.join(AlertRow._fields)}, first_raised_at, last_raised_at)"
        f" VALUES {', '.join(f'{row})' for row in rows)} ON CONFLICT (alert_id) DO UPDATE SET"
        " last_raised_at = excluded.last_raised_at, rule_version = excluded.rule_version,"
        f" severity = excluded.severity RETURNING alert_id, acknowledged_at{quick}"
    )


def kept_alerts(conn: Connection, user_id: str) -> list[KeptAlert]:
    """Return a person's alerts, newest first."""
    alerts = schema.alerts
    query = (
        select(alerts)
        .where(alerts.c.user_id == user_id)
        .order_by(alerts.c.last_raised_at.desc(), alerts.c.alert_id)
    )
    return [KeptAlert(**row) for row in conn.execute(query).mappings()]


def acknowledge(
    conn: Connection, user_id: str, alert_id: str, key_id: str | None, now: datetime
) -> KeptAlert:
    """Note that an alert was seen, once: the first acknowledgement stands.

    Raises
    ------
    NotFoundError
        This person has no such alert.
    """
    alerts = schema.alerts
    theirs = (alerts.c.alert_id == alert_id) & (alerts.c.user_id == user_id)
    conn.execute(
        update(alerts).where(theirs, alerts.c.acknowledged_at.is_(None)),
        {"acknowledged_at": now, "acknowledged_by": key_id},
    )
    row = conn.execute(select(alerts).where(theirs)).mappings().first()
    if row is None:
        raise NotFoundError("no such alert")
    return KeptAlert(**row)
