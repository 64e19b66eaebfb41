"""What answers, people and operators change: the request log, profiles, erasure, the access log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol

from sqlalchemy import Connection, delete, insert, select, update

from recommender.domain import Recommendation, RecommendationList, User
from recommender.errors import DataError, NotFoundError
from recommender.store import schema
from recommender.store.column_types import instant_value
from recommender.store.engine import POSTGRESQL, Direct, json_text, placeholder
from recommender.store.person import naming, tables_that_name_users
from recommender.store.read import load_user
from recommender.store.retention import erased_name, one_at_a_time

_PROFILE_FIELDS = frozenset({"birth_date", "sex", "conditions", "attributes"})


class Asked(Protocol):
    """What an answer was asked for, as the log keeps it."""

    @property
    def limit(self) -> int:
        """How many items at most."""

    @property
    def domain(self) -> str | None:
        """Domain, or None for all."""

    @property
    def audience(self) -> str:
        """``user`` or ``clinician``."""

    @property
    def objective(self) -> str:
        """``benefit`` or ``completion``."""

    @property
    def as_of(self) -> datetime | None:
        """Records up to here were asked for; None for now."""

    @property
    def channel(self) -> str:
        """``http`` or ``cli``."""


def log_request(
    store: Direct,
    answer: RecommendationList,
    asked: Asked,
    verdicts: str,
    catalogue_revision: int | None = None,
    rules: str | None = None,
) -> None:
    """Keep an answer as it was given: one compact row.

    The transaction does not wait for the disk: if the database's machine fails, the log of
    its last second may be missing, never half a row.

    Parameters
    ----------
    verdicts
        JSON list of [action_id, verdict, rule_id, rule_version, observation_id] of every
        action that was not simply allowed.
    rules
        ``Rules.label`` of the rules in force.
    catalogue_revision
        Last change of the catalogue that the answer had seen; None leaves it to the time.
    """
    generated_at = instant_value(store.dialect, answer.generated_at)
    store.run(
        _request_insert(store.dialect),
        {
            "request_id": answer.request_id,
            "user_id": answer.user_id,
            "run_id": answer.run_id,
            "generated_at": generated_at,
            "as_of": instant_value(store.dialect, asked.as_of) if asked.as_of else generated_at,
            "channel": asked.channel,
            "objective": asked.objective,
            "audience": asked.audience,
            "domain": asked.domain,
            "item_limit": asked.limit,
            "cold_start": answer.cold_start,
            "withheld": answer.withheld,
            "items": json_text([_item(item) for item in answer.items]),
            "verdicts": verdicts,
            "alerts": json_text([[alert.rule_id, alert.severity] for alert in answer.alerts]),
            "rules": rules,
            "catalogue_revision": catalogue_revision,
        },
    )


def _item(item: Recommendation) -> list[Any]:
    # In the order that the views read: store/views.py.
    return [
        item.rank,
        item.action.action_id,
        item.score,
        item.p_complete,
        item.benefit,
        *item.parts,
        item.verdict,
        item.rule_id,
        item.propensity,
        item.standard_error,
    ]


@lru_cache
def _request_insert(dialect: str) -> str:
    # The JSON is written here already: a typed insert would go over it once more.
    def place(column: str) -> str:
        written = dialect == POSTGRESQL and column in ("items", "verdicts", "alerts")
        value = placeholder(dialect, column)
        return f"CAST({value} AS jsonb)" if written else value

    names = schema.requests.columns.keys()
    statement = f"INSERT INTO requests ({', '.join(names)}) VALUES ({', '.join(map(place, names))})"
    if dialect == POSTGRESQL:
        # SQLite does so anyway (synchronous = NORMAL); here it saves a round trip to say so.
        statement += " RETURNING set_config('synchronous_commit', 'off', true)"
    return statement


def update_user(conn: Connection, user_id: str, patch: Mapping[str, Any], now: datetime) -> User:
    """Change a profile and return it.

    Parameters
    ----------
    patch
        Any of birth_date, sex, conditions (each replaced) and attributes (merged; an
        attribute that is None is removed). Checked by the caller.

    Raises
    ------
    NotFoundError
        The person is unknown.
    DataError
        The patch has a field that a profile doesn't have.
    """
    if not patch.keys() <= _PROFILE_FIELDS:
        raise DataError(f"not a field of a user: {min(patch.keys() - _PROFILE_FIELDS)}")
    users = schema.users
    # Taken for this transaction, so that two changes at once don't lose one.
    held = select(users.c.attributes).where(users.c.user_id == user_id).with_for_update()
    row = conn.execute(held).first()
    if row is None:
        raise NotFoundError("no such user")
    values = dict(patch)
    if "attributes" in patch:
        merged = {**row.attributes, **patch["attributes"]}
        values["attributes"] = {name: each for name, each in merged.items() if each is not None}
    if "conditions" in patch:
        values["conditions"] = list(patch["conditions"])
    conn.execute(update(users).where(users.c.user_id == user_id), values | {"updated_at": now})
    changed = load_user(conn, user_id)
    assert changed is not None
    return changed


def erase_user(
    conn: Connection, user_id: str, at: datetime, key_id: str | None = None, channel: str = "cli"
) -> dict[str, int]:
    """Delete everything that names a person and return the rows deleted by table.

    Every table with a ``user_id`` is reached: the profile, behaviour, readings, rejected
    records, answers given, nightly rows of every kept run, keys bound to the person and the
    log of who looked. One entry stays in ``access_log``: that an erasure took place, under
    the SHA-256 of the id, so that it can be proved to who knows the id and names nobody
    else. A training under way leaves the person out when it publishes.
    """
    one_at_a_time(conn)
    deleted = {}
    for table in reversed(tables_that_name_users()):
        found = conn.execute(delete(table).where(naming(conn, table, user_id)))
        if found.rowcount:
            deleted[table.name] = found.rowcount
    log_access(conn, at, key_id, "erase", user_id, channel)
    return deleted


def log_access(
    conn: Connection,
    at: datetime,
    key_id: str | None,
    operation: str,
    user_id: str,
    channel: str,
) -> None:
    """Add to the log of who read or changed whose data.

    Parameters
    ----------
    key_id
        Key used; None on the command line and on loopback without keys.
    operation
        ``read``, ``update``, ``export`` or ``erase`` (kept without the person's id).
    channel
        ``http`` or ``cli``.
    """
    person = erased_name(user_id) if operation == "erase" else user_id
    conn.execute(
        insert(schema.access_log),
        {
            "at": at,
            "key_id": key_id,
            "operation": operation,
            "user_id": person,
            "channel": channel,
        },
    )
