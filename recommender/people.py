"""What is done with one person's data on request: read, change, export, erase; each is logged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from recommender.alerts import StoredAlert, every_alert, raise_today
from recommender.domain import Audience, MetricsList, User
from recommender.errors import NotFoundError
from recommender.guardrails.check import Guard
from recommender.store.alerts import KeptAlert, acknowledge
from recommender.store.engine import Engine, direct, writing
from recommender.store.person import export_user
from recommender.store.read import load_user
from recommender.store.write import erase_user, log_access, update_user


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: the key used (None on the command line or without keys), ``http`` or ``cli``."""

    key_id: str | None
    channel: str


def read_profile(engine: Engine, user_id: str, asker: Asker) -> User:
    """Return a profile; NotFoundError if the person is unknown."""
    with writing(engine) as connection:
        user = load_user(connection, user_id)
        if user is None:
            raise NotFoundError("no such user")
        log_access(connection, datetime.now(UTC), asker.key_id, "read", user_id, asker.channel)
    return user


def change_profile(engine: Engine, user_id: str, changes: Mapping[str, Any], asker: Asker) -> User:
    """Change the given fields and return the profile; NotFoundError if the person is unknown."""
    now = datetime.now(UTC)
    with writing(engine) as connection:
        user = update_user(connection, user_id, changes, now)
        log_access(connection, now, asker.key_id, "update", user_id, asker.channel)
    return user


def read_alerts(
    engine: Engine,
    guard: Guard,
    metrics: MetricsList,
    user_id: str,
    audience: Audience,
    country: str | None,
    asker: Asker,
) -> list[StoredAlert]:
    """Check today's record and return every alert ever raised about a person, what holds first."""
    now = datetime.now(UTC)
    with direct(engine) as store:
        today = raise_today(store, guard, metrics, user_id, audience, country, now)
    with writing(engine) as connection:
        log_access(connection, now, asker.key_id, "read", user_id, asker.channel)
        return every_alert(connection, guard, user_id, today, audience)


def acknowledge_alert(engine: Engine, user_id: str, alert_id: str, asker: Asker) -> KeptAlert:
    """Note that an alert was seen; NotFoundError if the person has no such alert."""
    now = datetime.now(UTC)
    with writing(engine) as connection:
        kept = acknowledge(connection, user_id, alert_id, asker.key_id, now)
        log_access(connection, now, asker.key_id, "update", user_id, asker.channel)
    return kept


def export_person(engine: Engine, user_id: str, asker: Asker) -> dict[str, Any]:
    """Return everything held, table -> rows; NotFoundError if nothing is.

    Answers are logged for people who have no profile too, so that the profile alone doesn't decide.
    """
    with writing(engine) as connection:
        held = export_user(connection, user_id)
        if not any(isinstance(rows, list) and rows for rows in held.values()):
            raise NotFoundError("nothing is held on this user")
        log_access(connection, datetime.now(UTC), asker.key_id, "export", user_id, asker.channel)
    return held


def erase_person(engine: Engine, user_id: str, asker: Asker) -> dict[str, int]:
    """Erase everything held and return the receipt, table -> rows; NotFoundError if nothing is."""
    with writing(engine) as connection:
        receipt = erase_user(connection, user_id, datetime.now(UTC), asker.key_id, asker.channel)
        if not receipt:
            raise NotFoundError("nothing is held on this user")
    return receipt
