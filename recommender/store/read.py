"""The catalogue and one person out of the database."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from sqlalchemy import (
    Connection,
    RowMapping,
    TextClause,
    bindparam,
    select,
    text,
)

from recommender.columns import ACTION_ID, CONDITIONS, USER_ID
from recommender.dataset import Records
from recommender.domain import Action, Catalogue, Evidence, MetricsList, Sex, User
from recommender.store import schema
from recommender.store.bulk import load_records as load_records
from recommender.store.bulk import user_id_chunks as user_id_chunks
from recommender.store.person import export_user as export_user
from recommender.store.record_arrays import (
    event_arrays,
    instant_sql,
    observation_arrays,
    profile_sql,
    user_arrays,
)

_SECOND = {
    "sqlite": "CAST(substr(updated_at, 18, 9) AS REAL) + strftime('%s', substr(updated_at, 1, 16))",
    "postgresql": "date_part('epoch', updated_at)",
}


def load_catalogue(conn: Connection) -> Catalogue:
    """Return every action, retired ones included, ordered by ``action_id``."""
    rows = conn.execute(select(schema.actions)).mappings()
    return Catalogue(tuple(sorted(map(_action, rows), key=lambda action: action.action_id)))


def catalogue_version(conn: Connection) -> str:
    """Return a text that changes whenever an action is added, changed or retired."""
    # The sum tells apart what a clock set back would hide from the greatest one.
    second = _SECOND[conn.dialect.name]
    query = text(f"SELECT count(*), max(updated_at), sum({second}) FROM actions")
    return "/".join(map(str, conn.execute(query).one()))


def action_page(conn: Connection, after: str | None, limit: int) -> tuple[list[Action], str | None]:
    """Return up to ``limit`` actions past ``after``, and what to pass next (None at the end)."""
    actions = schema.actions
    query = select(actions).order_by(actions.c.action_id).limit(limit + 1)
    if after is not None:
        query = query.where(actions.c.action_id > after)
    found = [_action(row) for row in conn.execute(query).mappings()]
    page = found[:limit]
    return page, page[-1].action_id if page and len(found) > limit else None


def user_exists(conn: Connection, user_id: str) -> bool:
    """Tell whether the person is known."""
    users = schema.users
    return conn.execute(select(1).where(users.c.user_id == user_id)).first() is not None


def load_user(conn: Connection, user_id: str) -> User | None:
    """Return a person's profile, or None if unknown."""
    users = schema.users
    row = conn.execute(select(users).where(users.c.user_id == user_id)).mappings().first()
    if row is None:
        return None
    return User(
        user_id=row[USER_ID],
        birth_date=row["birth_date"],
        sex=Sex(row["sex"]),
        conditions=tuple(row[CONDITIONS]),
        attributes=row["attributes"],
    )


def load_user_record(
    conn: Connection,
    user_id: str,
    as_of: datetime,
    catalogue: Catalogue,
    metrics: MetricsList,
) -> Records:
    """Return one person's record up to an instant, with observation ids; three queries.

    An unknown person gives one user of whom nothing is known. What refers to an action
    or metric that the caller does not have yet is left out.
    """
    profile, events, observations = _record_queries(conn.dialect.name)
    known = conn.execute(profile, {"user": user_id}).first() or (None, None, None, None)
    given = {"user": user_id, "as_of": as_of}
    return Records(
        user_arrays([user_id], *([value] for value in known)),
        event_arrays(conn.execute(events, given).all(), catalogue),
        observation_arrays(conn.execute(observations, given).all(), metrics),
    )


@lru_cache
def _record_queries(dialect: str) -> tuple[TextClause, TextClause, TextClause]:
    until = bindparam("as_of", type_=schema.UtcInstant())
    profile = f"SELECT {profile_sql(dialect)} FROM users WHERE user_id = :user"
    events = (
        f"SELECT action_id, type, {instant_sql(dialect, 'occurred_at')}, request_id, propensity, "
        "value FROM events WHERE user_id = :user AND occurred_at <= :as_of"
    )
    observations = (
        f"SELECT metric, value, {instant_sql(dialect, 'observed_at')}, observation_id "
        "FROM observations WHERE user_id = :user AND observed_at <= :as_of"
    )
    return text(profile), text(events).bindparams(until), text(observations).bindparams(until)


def _action(row: RowMapping) -> Action:
    return Action(
        action_id=row[ACTION_ID],
        title=row["title"],
        domain=row["domain"],
        description=row["description"],
        clinician_description=row["clinician_description"],
        effort=row["effort"],
        minutes=row["minutes"],
        targets=tuple(row["targets"]),
        tags=tuple(row["tags"]),
        repeat_after_days=row["repeat_after_days"],
        evidence=tuple(Evidence(**item) for item in row["evidence"]),
        attributes=row["attributes"],
        retired=row["retired_at"] is not None,
    )
