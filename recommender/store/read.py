"""The catalogue and some people out of the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any

import numpy as np
from sqlalchemy import (
    Connection,
    RowMapping,
    select,
    text,
)

from recommender.catalogue_parts import eligibility_of
from recommender.columns import ACTION_ID, CONDITIONS, ELIGIBLE, USER_ID
from recommender.dataset import Int32Array, Records
from recommender.domain import Action, Catalogue, Evidence, MetricsList, Sex, User
from recommender.store import schema
from recommender.store.column_types import instant_value
from recommender.store.direct import Direct, placeholder
from recommender.store.engine import POSTGRESQL
from recommender.store.record_arrays import (
    event_arrays,
    instant,
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
    query = text(
        f"SELECT count(*), max(updated_at), sum({second}),"
        " (SELECT max(revision) FROM action_versions) FROM actions"
    )
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


def load_user(conn: Connection, user_id: str, *, for_change: bool = False) -> User | None:
    """Return a person's profile, or None if unknown; ``for_change`` holds it until the end."""
    users = schema.users
    query = select(users).where(users.c.user_id == user_id)
    row = conn.execute(query.with_for_update() if for_change else query).mappings().first()
    if row is None:
        return None
    return User(
        user_id=row[USER_ID],
        birth_date=row["birth_date"],
        sex=Sex(row["sex"]),
        conditions=tuple(row[CONDITIONS]),
        attributes=row["attributes"],
    )


@dataclass(frozen=True, slots=True)
class Held:
    """What is held of some people.

    Attributes
    ----------
    records
        Their records up to an instant, with observation ids.
    acknowledged
        Id of each of their alerts that was acknowledged, and when.
    """

    records: Records
    acknowledged: Mapping[str, datetime]


def load_user_record(
    store: Direct,
    user_id: str,
    as_of: datetime,
    catalogue: Catalogue,
    metrics: MetricsList,
) -> Held:
    """Return what is held of one person; see ``load_user_records``."""
    return load_user_records(store, [user_id], as_of, catalogue, metrics)


def load_user_records(
    store: Direct,
    user_ids: Sequence[str],
    as_of: datetime,
    catalogue: Catalogue,
    metrics: MetricsList,
) -> Held:
    """Return what is held of some people, records up to an instant; one query.

    An unknown person gives a user of whom nothing is known. What refers to an action
    or metric that the caller does not have yet is left out.

    Parameters
    ----------
    user_ids
        Different ids, ascending.
    """
    given = _people(store.dialect, user_ids)
    rows = store.rows(
        _record_query(store.dialect, len(given)),
        given | {"people": len(user_ids), "as_of": instant_value(store.dialect, as_of)},
    )
    # A database may mix kinds and people: nothing says in which order UNION ALL gives them.
    rows.sort(key=itemgetter(0))
    tags, *columns = zip(*rows, strict=True) if rows else [()] * 7
    place, profiles, events, observations, acknowledged = _by_kind(tags, len(user_ids))
    listed = [_NO_PROFILE] * len(user_ids)
    for row in rows[profiles]:
        listed[row[0]] = row
    records = Records(
        user_arrays(user_ids, *([row[column] for row in listed] for column in range(1, 5))),
        event_arrays(catalogue, place[events], *(column[events] for column in columns)),
        observation_arrays(
            metrics,
            place[observations],
            *(columns[number][observations] for number in (0, 1, 2, 4)),
        ),
    )
    return Held(records, {row[2]: instant(row[1]) for row in rows[acknowledged]})


_PROFILE, _EVENT, _OBSERVATION, _ACKNOWLEDGED = range(4)
_NO_PROFILE: tuple[Any, ...] = (None,) * 7


def _people(dialect: str, user_ids: Sequence[str]) -> dict[str, Any]:
    """The values that name people; few different numbers of them, so that statements are reused."""
    if dialect == POSTGRESQL:
        return {"users": list(user_ids)}
    room = 1 << (len(user_ids) - 1).bit_length()
    padded = [*user_ids, *[None] * (room - len(user_ids))]
    return {f"user{number}": user_id for number, user_id in enumerate(padded)}


def _who(dialect: str, room: int) -> str:
    """SQL for ids and places of the people that ``_people`` names."""
    if dialect == POSTGRESQL:
        # The planner can't see through the inner SELECT how many people there are: so the plan
        # for any number of them serves, and is made once.
        users = f"(SELECT CAST({placeholder(dialect, 'users')} AS text[]))"
        return (
            f"SELECT id, CAST(n AS integer) - 1 FROM unnest({users}) WITH ORDINALITY AS u (id, n)"
        )
    names = (placeholder(dialect, f"user{number}") for number in range(room))
    return f"VALUES {', '.join(f'({name}, {place})' for place, name in enumerate(names))}"


def _by_kind(tags: Sequence[int], people: int) -> tuple[Int32Array, slice, slice, slice, slice]:
    """Place of each row's person, and where the rows of each kind are; tags ascend."""
    tag = np.array(tags, dtype=np.int32)
    profile, event, observation, acknowledged = np.searchsorted(
        tag, np.arange(4, dtype=np.int32) * np.int32(people)
    ).tolist()
    return (
        tag % np.int32(people),
        slice(profile, event),
        slice(event, observation),
        slice(observation, acknowledged),
        slice(acknowledged, len(tags)),
    )


@lru_cache
def _record_query(dialect: str, room: int) -> str:
    """One query for everything of some people: one snapshot, one round trip.

    A row's first column is the place of the person, and the kind of record times the number of
    people; then come six columns.
    """
    people, as_of = placeholder(dialect, "people"), placeholder(dialect, "as_of")
    number, word = "CAST(NULL AS double precision)", "CAST(NULL AS text)"

    def of(kind: int, columns: str, table: str, more: str = "") -> str:
        tag = f"SELECT place + {kind} * CAST({people} AS integer)"
        theirs = f"{table} WHERE user_id = id{more}"
        if dialect == POSTGRESQL:
            # One look into an index for each person, whatever the planner thinks of the table.
            each = f"SELECT {columns} FROM {theirs} OFFSET 0"
            return f"{tag}, found.* FROM who CROSS JOIN LATERAL ({each}) AS found"
        return f"{tag}, {columns} FROM who CROSS JOIN {theirs}"

    profile = f"{profile_sql(dialect)}, {number}, {number}"
    at = instant_sql(dialect, "occurred_at")
    event = f"{at}, action_id, type, request_id, propensity, value"
    at = instant_sql(dialect, "observed_at")
    reading = f"{at}, metric, observation_id, {word}, value, {number}"
    at = instant_sql(dialect, "acknowledged_at")
    alert = f"{at}, alert_id, {word}, {word}, {number}, {number}"
    who = f"WITH who (id, place) AS ({_who(dialect, room)}) "
    return who + " UNION ALL ".join(
        (
            of(_PROFILE, profile, "users"),
            of(_EVENT, event, "events", f" AND occurred_at <= {as_of}"),
            of(_OBSERVATION, reading, "observations", f" AND observed_at <= {as_of}"),
            of(_ACKNOWLEDGED, alert, "alerts", " AND acknowledged_at IS NOT NULL"),
        )
    )


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
        intensity=row["intensity"],
        technique=row["technique"],
        eligible=eligibility_of({ELIGIBLE: row[ELIGIBLE]}),
        reviewed_on=row["reviewed_on"],
        review_by=row["review_by"],
    )
