"""What is done with one person's data on request: read, change, export, erase; each is logged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from recommender.alerts import StoredAlert, every_alert, raise_today
from recommender.domain import Audience, MetricsList, User
from recommender.errors import ChangedMeanwhileError, NotFoundError
from recommender.guardrails.check import Guard
from recommender.store.access import Asker as Asker
from recommender.store.access import erasures_of, log_access
from recommender.store.alerts import KeptAlert, acknowledge
from recommender.store.checkpoints import empty_log
from recommender.store.direct import direct
from recommender.store.engine import Engine, reading, writing
from recommender.store.person import export_user
from recommender.store.read import load_user
from recommender.store.write import erase_user, update_user


def read_profile(engine: Engine, user_id: str, asker: Asker) -> User:
    """Return a profile; NotFoundError if the person is unknown."""
    with writing(engine) as connection:
        user = load_user(connection, user_id)
        if user is None:
            raise NotFoundError("no such user")
        log_access(connection, datetime.now(UTC), asker, "read", "profile", user_id)
    return user


def change_profile(
    engine: Engine,
    user_id: str,
    changes: Mapping[str, Any],
    asker: Asker,
    still_known: Callable[[User], bool] | None = None,
) -> User:
    """Change the given fields and return the profile.

    Parameters
    ----------
    still_known
        Tells whether the profile is as the sender knows it; None if that does not matter.

    Raises
    ------
    NotFoundError
        The person is unknown.
    ChangedMeanwhileError
        The profile is no longer as the sender knows it.
    TooMuchError
        The attributes would be more than a person may have.
    """
    now = datetime.now(UTC)
    with writing(engine) as connection:
        if still_known is not None:
            _require(still_known, load_user(connection, user_id, for_change=True))
        user = update_user(connection, user_id, changes, now)
        log_access(connection, now, asker, "update", "profile", user_id)
    return user


def _require(still_known: Callable[[User], bool], user: User | None) -> None:
    if user is not None and not still_known(user):
        raise ChangedMeanwhileError("the profile has changed since it was read; read it again")


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
        log_access(connection, now, asker, "read", "alerts", user_id)
        return every_alert(connection, guard, user_id, today, audience)


def acknowledge_alert(engine: Engine, user_id: str, alert_id: str, asker: Asker) -> KeptAlert:
    """Note that an alert was seen; NotFoundError if the person has no such alert."""
    now = datetime.now(UTC)
    with writing(engine) as connection:
        kept = acknowledge(connection, user_id, alert_id, asker.key_id, now)
        log_access(connection, now, asker, "update", "alerts", user_id)
    return kept


def export_person(engine: Engine, user_id: str, asker: Asker) -> dict[str, Any]:
    """Return everything held, table -> rows; NotFoundError if nothing is.

    Answers are logged for people who have no profile too, so that the profile alone doesn't decide.
    """
    with writing(engine) as connection:
        held = export_user(connection, user_id)
        if not any(isinstance(rows, list) and rows for rows in held.values()):
            raise NotFoundError("nothing is held on this user")
        log_access(connection, datetime.now(UTC), asker, "export", "everything", user_id)
    return held


def erase_person(engine: Engine, user_id: str, asker: Asker) -> dict[str, int]:
    """Erase everything held; returns the rows by table; NotFoundError if nothing is held."""
    with writing(engine) as connection:
        deleted = erase_user(connection, user_id, datetime.now(UTC), asker)
        if not deleted:
            raise NotFoundError("nothing is held on this user")
    empty_log(engine)
    return deleted


def erasure_receipt(engine: Engine, user_id: str) -> tuple[str, list[datetime]]:
    """Return the receipt under which the log keeps a person's erasures, and when they were.

    The log names nobody: only who knows the id can ask.
    """
    with reading(engine) as connection:
        return erasures_of(connection, user_id)
