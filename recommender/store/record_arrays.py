"""Rows into the arrays that models read, the same for one person and for everybody.

Order never depends on how a database returned the rows: ties in time are ordered by
content, so that a live answer and the nightly scores see the very same arrays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import orjson

from recommender.dataset import (
    Events,
    FloatArray,
    Int8Array,
    Int32Array,
    IntArray,
    ObjectArray,
    Observations,
    Users,
)
from recommender.domain import EVENT_CODES, SECONDS_PER_DAY, SEX_CODES, Catalogue, MetricsList, Sex

# SQLite's date functions cost more than parsing the text here, and round.
_INSTANT = {
    "sqlite": "substr({0}, 1, 26) AS at",
    "postgresql": "date_part('epoch', {0}) AS at",
}
_MICROSECONDS = 1e6
_DAYS = {"sqlite": "julianday({0}) - 2440587.5", "postgresql": "{0} - date '1970-01-01'"}


def instant_sql(dialect: str, column: str) -> str:
    """SQL for an instant in the form that ``seconds`` takes."""
    return _INSTANT[dialect].format(column)


def seconds(instants: Sequence[Any]) -> FloatArray:
    """Seconds since 1970, exact to the microsecond, of what ``instant_sql`` gave."""
    if instants and isinstance(instants[0], str):
        return np.array(instants, dtype="datetime64[us]").view(np.int64) / _MICROSECONDS
    return np.array(instants, dtype=np.float64)


def profile_sql(dialect: str) -> str:
    """SQL for the columns that ``user_arrays`` takes: days since 1970, sex, two JSON texts."""
    born = _DAYS[dialect].format("birth_date")
    return f"{born}, sex, CAST(conditions AS text), CAST(attributes AS text)"


def user_arrays(
    ids: Sequence[str],
    born_days: Sequence[float | None] | FloatArray,
    sex: Iterable[str | None],
    conditions: Iterable[str | None],
    attributes: Iterable[str | None],
) -> Users:
    """Build profiles from columns in the order of ``ids``; JSON comes as text."""
    pairs = [
        (place, name)
        for place, listed in enumerate(conditions)
        if listed and listed != "[]"
        for name in orjson.loads(listed)
    ]
    return Users(
        ids=np.array(ids, dtype=np.object_),
        born_at=np.array(born_days, dtype=np.float64) * SECONDS_PER_DAY,
        sex=np.array([SEX_CODES[each or Sex.UNKNOWN] for each in sex], dtype=np.int8),
        condition_user=np.array([place for place, _ in pairs], dtype=np.int32),
        condition_name=np.array([name for _, name in pairs], dtype=np.object_),
        attributes=_attribute_columns(attributes, len(ids)),
    )


def _attribute_columns(texts: Iterable[str | None], count: int) -> dict[str, ObjectArray]:
    columns: dict[str, ObjectArray] = {}
    for place, written in enumerate(texts):
        if not written or written == "{}":
            continue
        for name, value in orjson.loads(written).items():
            column = columns.get(name)
            if column is None:
                column = columns[name] = np.full(count, None, dtype=np.object_)
            column[place] = value
    return dict(sorted(columns.items()))


def event_arrays(rows: Sequence[Any], catalogue: Catalogue) -> Events:
    """Build one person's events.

    Parameters
    ----------
    rows
        action_id, type, seconds since 1970, request_id, propensity, value.
    """
    index = catalogue.index
    known = [row for row in rows if row[0] in index]
    requests: dict[str | None, int] = {None: -1}
    for row in known:
        requests.setdefault(row[3], len(requests))
    return ordered_events(
        np.zeros(len(known), dtype=np.int32),
        np.array([index[row[0]] for row in known], dtype=np.int32),
        np.array([EVENT_CODES[row[1]] for row in known], dtype=np.int8),
        seconds([row[2] for row in known]),
        np.array([requests[row[3]] for row in known], dtype=np.int64),
        np.array([row[4] for row in known], dtype=np.float64),
        np.array([row[5] for row in known], dtype=np.float64),
    )


def observation_arrays(rows: Sequence[Any], metrics: MetricsList) -> Observations:
    """Build one person's readings.

    Parameters
    ----------
    rows
        metric, value, seconds since 1970, observation_id.
    """
    index = metrics.index
    known = [row for row in rows if row[0] in index]
    return ordered_observations(
        np.zeros(len(known), dtype=np.int32),
        np.array([index[row[0]] for row in known], dtype=np.int32),
        np.array([row[1] for row in known], dtype=np.float64),
        seconds([row[2] for row in known]),
        np.array([row[3] for row in known], dtype=np.object_),
    )


def ordered_events(
    user: Int32Array,
    action: Int32Array,
    kind: Int8Array,
    at: FloatArray,
    request: IntArray,
    propensity: FloatArray,
    value: FloatArray,
) -> Events:
    """Put events into order of (user, at, action, kind)."""
    order = np.lexsort((action * np.int32(len(EVENT_CODES)) + kind, at, user))
    return Events(
        user=user[order],
        action=action[order],
        kind=kind[order],
        at=at[order],
        request=request[order],
        propensity=propensity[order],
        value=value[order],
    )


def ordered_observations(
    user: Int32Array,
    metric: Int32Array,
    value: FloatArray,
    at: FloatArray,
    ids: ObjectArray | None = None,
) -> Observations:
    """Put readings into order of (user, metric, at, value)."""
    order = np.lexsort((value, at, metric, user))
    return Observations(
        user=user[order],
        metric=metric[order],
        value=value[order],
        at=at[order],
        ids=None if ids is None else ids[order],
    )
