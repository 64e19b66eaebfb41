"""What answers, people and operators change: the request log, profiles, erasure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any, Protocol, TypeVar

from orjson import Fragment
from sqlalchemy import Connection, delete, make_url, select, update

from recommender.attributes import excess
from recommender.domain import RecommendationList, User
from recommender.errors import DataError, NotFoundError, TooMuchError
from recommender.store import schema
from recommender.store.access import Asker, forgetting, log_access
from recommender.store.alerts import (
    AlertRow,
    alerts_into_postgresql,
    alerts_into_sqlite,
    alerts_value,
)
from recommender.store.column_types import instant_value
from recommender.store.direct import Direct, placeholder
from recommender.store.engine import POSTGRESQL, SQLITE, json_text
from recommender.store.idempotency import forget_rejections
from recommender.store.partitions import erase_unattached
from recommender.store.person import naming, tables_that_name_users
from recommender.store.quarantine import forget_mentions
from recommender.store.read import load_user
from recommender.store.retention import one_at_a_time

Given = TypeVar("Given")
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


LoggedItem = tuple[Any, ...]
"""An item of an answer in the order that the views read (store/view_queries.py): rank, action_id,
score, p_complete, benefit, the parts, verdict, rule_id, propensity, standard_error."""


@dataclass(frozen=True)
class Logged:
    """An answer as the log keeps it.

    Attributes
    ----------
    answer
        All but its items, which may be missing.
    verdicts
        JSON list of what decided about every action that was not simply allowed, as the table
        describes it.
    asker
        Who asked, and why.
    catalogue_revision
        Last change of the catalogue that the answer had seen; None leaves it to the time.
    rules
        ``Rules.label`` of the rules in force.
    """

    answer: RecommendationList
    asked: Asked
    items: Sequence[LoggedItem]
    verdicts: str
    asker: Asker
    catalogue_revision: int | None = None
    rules: str | None = None


def log_requests(
    store: Direct,
    given: Sequence[Logged],
    raised: Sequence[AlertRow],
    meanwhile: Callable[[], Given],
) -> Given:
    """Keep answers as they were given, one compact row each, and who asked for each, another.

    All of it is kept or none of it, with the alerts that were raised. What ``meanwhile`` gives is
    worked out while a server keeps the log, and given once it is kept.

    The transaction does not wait for the disk: if the database's machine fails, the log of
    its last second may be missing, never half a row.
    """
    rows = [_row(store.dialect, each) for each in given]
    if store.dialect == SQLITE:
        done = meanwhile()
        log = [_into_sqlite(table, rows) for table in (_ACCESS, _REQUESTS)]
        store.run_together([alerts_into_sqlite(raised), *log] if raised else log)
        return done
    # All rows as one value: the statement is the same however many there are.
    values = {"rows": json_text(rows)} | alerts_value(raised)
    return store.run_meanwhile(_postgresql_insert(), values, meanwhile)


def _row(dialect: str, given: Logged) -> dict[str, Any]:
    """Values of both rows by name; JSON as text for SQLite, else as part of the rows' own."""
    answer, asked, asker = given.answer, given.asked, given.asker
    at = _written(dialect, answer.generated_at)
    alerts = [(alert.rule_id, alert.severity) for alert in answer.alerts]
    as_text = dialect == SQLITE
    return {
        "request_id": answer.request_id,
        "user_id": answer.user_id,
        "run_id": answer.run_id,
        "generated_at": at,
        "as_of": _written(dialect, asked.as_of) if asked.as_of else at,
        "channel": asked.channel,
        "objective": asked.objective,
        "audience": asked.audience,
        "domain": asked.domain,
        "item_limit": asked.limit,
        "cold_start": answer.cold_start,
        "withheld": answer.withheld,
        "items": json_text(given.items) if as_text else given.items,
        "verdicts": given.verdicts if as_text else Fragment(given.verdicts),
        "alerts": json_text(alerts) if as_text else alerts,
        "rules": given.rules,
        "catalogue_revision": given.catalogue_revision,
        "operation": "read",
        "what": "recommendations",
        "key_id": asker.key_id,
        "caller": asker.caller,
        "purpose": asker.purpose,
    }


_written = lru_cache(maxsize=64)(instant_value)
"""Answers given together are of one instant."""

_REQUESTS = ("requests", {column.name: column.name for column in schema.requests.columns})
_ACCESS = (
    "access_log",
    {"at": "generated_at"}
    | {
        name: name
        for name in ("operation", "what", "user_id", "channel", "key_id", "caller", "purpose")
    },
)
"""A table, and its columns with the names of their values in ``_row``."""


def _into_sqlite(
    table: tuple[str, Mapping[str, str]], rows: Iterable[Mapping[str, Any]]
) -> tuple[str, list[Sequence[Any]]]:
    """A statement that keeps a row, and the values of each: SQLite takes longer over a long one."""
    name, columns = table
    marks = ", ".join("?" * len(columns))
    statement = f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({marks})"
    return statement, list(map(itemgetter(*columns.values()), rows))


@lru_cache
def _postgresql_insert() -> str:
    dialect = make_url("postgresql+psycopg://").get_dialect()()
    types = {column.name: column.type.compile(dialect) for column in schema.requests.columns}
    types |= dict.fromkeys(_ACCESS[1].values(), "text") | types
    given = ", ".join(f"{name} {kind}" for name, kind in types.items())
    access, request = (
        f"INSERT INTO {table} ({', '.join(columns)})"
        f" SELECT {', '.join(columns.values())} FROM given"
        for table, columns in (_ACCESS, _REQUESTS)
    )
    # One statement and one round trip; SQLite does not wait for the disk anyway
    # (synchronous = NORMAL), here it saves a round trip to say so.
    rows = f"jsonb_to_recordset(CAST({placeholder(POSTGRESQL, 'rows')} AS jsonb))"
    return (
        f"WITH given AS MATERIALIZED (SELECT * FROM {rows} AS row ({given})), seen AS ({access}),"
        f" raised AS ({alerts_into_postgresql()}) {request}"
        " RETURNING set_config('synchronous_commit', 'off', true)"
    )


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
    TooMuchError
        The attributes would be more than a person may have.
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
        flaw = excess(row.attributes, values["attributes"])
        if flaw is not None:
            raise TooMuchError(flaw)
    if "conditions" in patch:
        values["conditions"] = list(patch["conditions"])
    conn.execute(update(users).where(users.c.user_id == user_id), values | {"updated_at": now})
    changed = load_user(conn, user_id)
    assert changed is not None
    return changed


def erase_user(conn: Connection, user_id: str, at: datetime, asker: Asker) -> dict[str, int]:
    """Delete everything that names a person and return the rows deleted by table.

    Every table with a ``user_id`` is reached: the profile, behaviour, readings, rejected
    records, answers given, nightly rows of every kept run, keys bound to the person and the
    log of who looked; so is a rejected record that holds the id in another place. One entry
    stays in ``access_log``: that an erasure took place, under a receipt
    (``access.receipt_for``) that names nobody. A training under way leaves the person out when
    it publishes.
    """
    one_at_a_time(conn)
    deleted: dict[str, int] = {}
    with forgetting(conn):
        forget_rejections(conn)
        mentions = forget_mentions(conn, user_id)
        if mentions:
            deleted[schema.rejected_records.name] = mentions
        for table in reversed(tables_that_name_users()):
            found = conn.execute(delete(table).where(naming(conn, table, user_id)))
            if found.rowcount:
                deleted[table.name] = deleted.get(table.name, 0) + found.rowcount
        if conn.dialect.name == POSTGRESQL:
            erase_unattached(conn, user_id)
    log_access(conn, at, asker, "erase", "everything", user_id)
    return deleted
