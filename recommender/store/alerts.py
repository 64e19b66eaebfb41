"""Alerts as kept: one row for each rule and reading of a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, select, update

from recommender.errors import NotFoundError
from recommender.store import schema
from recommender.store.column_types import instant_value
from recommender.store.direct import Direct, placeholder
from recommender.store.engine import POSTGRESQL, SQLITE, json_text


class AlertRow(NamedTuple):
    """An alert as raised; ``observation_id`` is None where no reading led to it."""

    alert_id: str
    user_id: str
    rule_id: str
    rule_version: int
    observation_id: str | None
    severity: str
    raised_at: datetime


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


def keep_alerts(store: Direct, rows: Sequence[AlertRow]) -> None:
    """Keep alerts as raised; what was raised before is dated anew."""
    if not rows:
        return
    if store.dialect == SQLITE:
        store.run_together([alerts_into_sqlite(rows)])
    else:
        # As in the log of answers: what the next answer raises again need not wait for a disk.
        quickly = "RETURNING set_config('synchronous_commit', 'off', true)"
        store.run(f"{alerts_into_postgresql()} {quickly}", alerts_value(rows))


@lru_cache
def alerts_into_postgresql() -> str:
    """Statement that keeps any number of alerts; ``alerts_value`` has its values."""
    kinds = {"rule_version": "integer", "raised_at": "timestamptz"}
    given = ", ".join(
        f"CAST(each ->> {place} AS {kinds.get(name, 'text')}) AS {name}"
        for place, name in enumerate((*AlertRow._fields[:-1], "raised_at", "raised_at"))
    )
    rows = f"jsonb_array_elements(CAST({placeholder(POSTGRESQL, 'raised')} AS jsonb))"
    # In one order, so that two answers to the same person never wait for each other in a circle.
    return (
        f"INSERT INTO alerts ({_COLUMNS}) SELECT {given} FROM {rows} AS row (each)"
        f" ORDER BY alert_id {_AGAIN}"
    )


def alerts_value(rows: Sequence[AlertRow]) -> dict[str, str]:
    """What the parameter of ``alerts_into_postgresql`` stands for; of no rows, too."""
    return {"raised": json_text([(*row, row.raised_at) for row in _each_once(rows)])}


def alerts_into_sqlite(rows: Sequence[AlertRow]) -> tuple[str, list[Sequence[Any]]]:
    """Statement that keeps an alert, and the values of each."""
    values: list[Sequence[Any]] = []
    for each in _each_once(rows):
        at = instant_value(SQLITE, each.raised_at)
        values.append((*each[:-1], at, at))
    marks = ", ".join("?" * (len(AlertRow._fields) + 1))
    return f"INSERT INTO alerts ({_COLUMNS}) VALUES ({marks}) {_AGAIN}", values


def _each_once(rows: Sequence[AlertRow]) -> list[AlertRow]:
    """Who asks twice at once raises the same twice, and no statement may write a row twice."""
    return list({row.alert_id: row for row in rows}.values())


_COLUMNS = f"{', '.join(AlertRow._fields[:-1])}, first_raised_at, last_raised_at"
_AGAIN = (
    "ON CONFLICT (alert_id) DO UPDATE SET last_raised_at = excluded.last_raised_at,"
    " rule_version = excluded.rule_version, severity = excluded.severity"
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
