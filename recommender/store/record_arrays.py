"""Rows into the arrays that models read, the same for one person and for everybody.

Order never depends on how a database returned the rows: ties in time are ordered by
content, so that a live answer and the nightly scores see the very same arrays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import numpy as np
import orjson
from numpy.typing import NDArray

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
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAYS = {"sqlite": "julianday({0}) - 2440587.5", "postgresql": "{0} - date '1970-01-01'"}


def instant_sql(dialect: str, column: str) -> str:
    """SQL for an instant in the form that ``seconds`` takes."""
    return _INSTANT[dialect].format(column)


def seconds(instants: Sequence[Any]) -> FloatArray:
    """Seconds since 1970, exact to the microsecond, of what ``instant_sql`` gave."""
    if instants and isinstance(instants[0], str):
        return np.array(instants, dtype="datetime64[us]").view(np.int64) / _MICROSECONDS
    return np.array(instants, dtype=np.float64)


def instant(value: Any) -> datetime:
    """One instant, in UTC, of what ``instant_sql`` gave."""
    microseconds = round(seconds([value])[0] * _MICROSECONDS)
    return _EPOCH + timedelta(microseconds=microseconds)


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


def event_arrays(
    rows: Sequence[Sequence[Any]], catalogue: Catalogue, places: Mapping[str, int]
) -> Events:
    """Build the events of some people.

    Parameters
    ----------
    rows
        Something, what ``instant_sql`` gave, action_id, type, request_id, propensity, value,
        user_id.
    places
        User ids, numbered.
    """
    _, at, action, kind, request, propensity, value, user = _columns(rows, 2, catalogue.index)
    requests = {name: place for place, name in enumerate(dict.fromkeys(request))}
    requests[None] = -1
    return ordered_events(
        _codes(user, places, np.int32),
        _codes(action, catalogue.index, np.int32),
        _codes(kind, EVENT_CODES, np.int8),
        seconds(at),
        _codes(request, requests, np.int64),
        np.array(propensity, dtype=np.float64),
        np.array(value, dtype=np.float64),
    )


def observation_arrays(
    rows: Sequence[Sequence[Any]], metrics: MetricsList, places: Mapping[str, int]
) -> Observations:
    """Build the readings of some people.

    Parameters
    ----------
    rows
        Something, what ``instant_sql`` gave, metric, observation_id, something, value, something,
        user_id.
    places
        User ids, numbered.
    """
    _, at, metric, ids, _, value, _, user = _columns(rows, 2, metrics.index)
    return ordered_observations(
        _codes(user, places, np.int32),
        _codes(metric, metrics.index, np.int32),
        np.array(value, dtype=np.float64),
        seconds(at),
        np.array(ids, dtype=np.object_),
    )


_Code = TypeVar("_Code", np.int8, np.int32, np.int64)


def _columns(
    rows: Sequence[Sequence[Any]], named: int, known: Mapping[str, int]
) -> Sequence[Sequence[Any]]:
    """Rows of eight columns turned into columns; only rows whose name is known."""
    kept = [row for row in rows if row[named] in known]
    return list(zip(*kept, strict=True)) or [()] * 8


def _codes(values: Sequence[Any], numbers: Mapping[Any, int], dtype: type[_Code]) -> NDArray[_Code]:
    return np.fromiter(map(numbers.__getitem__, values), dtype, len(values))


def ordered_events(
    user: Int32Array,
    action: Int32Array,
    kind: Int8Array,
    at: FloatArray,
    request: IntArray,
    propensity: FloatArray,
    value: FloatArray,
) -> Events:
    """Put events into order of (user, at, action, kind), then of the rest."""
    order = np.lexsort((action * np.int32(len(EVENT_CODES)) + kind, at, user))
    order = _untied(order, (user, at, action, kind), (request, value, propensity))
    return Events(
        user=user[order],
        action=action[order],
        kind=kind[order],
        at=at[order],
        request=request[order],
        propensity=propensity[order],
        value=value[order],
    )


def _untied(
    order: IntArray, keys: Sequence[NDArray[Any]], others: Sequence[NDArray[Any]]
) -> IntArray:
    """Order what is equal in ``keys`` by ``others``, the last first; that is rare."""
    tied = np.ones(max(len(order) - 1, 0), np.bool_)
    for key in keys:
        ordered = key[order]
        tied &= ordered[1:] == ordered[:-1]
    if not tied.any():
        return order
    places = np.flatnonzero(np.append(tied, False) | np.append(False, tied))
    some = order[places]
    again = np.lexsort((*(other[some] for other in others), *(key[some] for key in keys[::-1])))
    out = order.copy()
    out[places] = some[again]
    return out


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
