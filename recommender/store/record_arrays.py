"""Rows into the arrays that models read, the same for one person and for everybody.

Order never depends on how a database returned the rows: ties in time are ordered by
content, so that a live answer and the nightly scores see the very same arrays.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count, repeat
from typing import Any

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
from recommender.store.in_order import in_order

# SQLite's date functions cost more than parsing the text here, and round.
_INSTANT = {
    "sqlite": "{0} AS at",
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
        # Without the Z at the end, for which numpy would warn.
        texts = np.array(instants, dtype="S26")
        return texts.astype("datetime64[us]").view(np.int64) / _MICROSECONDS
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
    catalogue: Catalogue,
    user: Int32Array,
    at: Sequence[Any],
    action: Sequence[str],
    kind: Sequence[str],
    request: Sequence[str | None],
    propensity: Sequence[float | None],
    value: Sequence[float | None],
) -> Events:
    """Build events from columns; instants are as ``instant_sql`` gives them.

    Those of an action that the catalogue doesn't have are left out.
    """
    number: defaultdict[str | None, int] = defaultdict(count().__next__, {None: -1})
    columns = (
        user,
        _codes(action, catalogue.index, np.int32),
        np.fromiter(map(EVENT_CODES.__getitem__, kind), np.int8, len(user)),
        seconds(at),
        np.fromiter(map(number.__getitem__, request), np.int64, len(user)),
        np.array(propensity, dtype=np.float64),
        np.array(value, dtype=np.float64),
    )
    return ordered_events(*_known(columns))


def observation_arrays(
    metrics: MetricsList,
    user: Int32Array,
    at: Sequence[Any],
    metric: Sequence[str],
    ids: Sequence[str],
    value: Sequence[float],
) -> Observations:
    """Build readings from columns; instants are as ``instant_sql`` gives them.

    Those of a metric that isn't listed are left out.
    """
    columns = (
        user,
        _codes(metric, metrics.index, np.int32),
        np.array(value, dtype=np.float64),
        seconds(at),
        np.array(ids, dtype=np.object_),
    )
    return ordered_observations(*_known(columns))


def _codes(names: Sequence[str], numbers: Mapping[str, int], dtype: type[np.int32]) -> Int32Array:
    """Numbers of names, -1 for those that have none."""
    return np.fromiter(map(numbers.get, names, repeat(-1)), dtype, len(names))


def _known(columns: tuple[NDArray[Any], ...]) -> tuple[NDArray[Any], ...]:
    """Only rows whose name, numbered in the second column, is known."""
    known = columns[1] >= 0
    return columns if known.all() else tuple(column[known] for column in columns)


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
    what = action * np.float64(len(EVENT_CODES)) + kind
    order, moved, tied = in_order(user.astype(np.int64), at, what)
    if tied:
        order = _untied(order, (user, at, action, kind), (request, value, propensity))
    elif not moved:
        return Events(user, action, kind, at, request, propensity, value)
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
    tied = np.ones(len(order) - 1, np.bool_)
    for key in keys:
        ordered = key[order]
        tied &= ordered[1:] == ordered[:-1]
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
    whose = (user.astype(np.int64) << 32) + metric
    order, moved, _ = in_order(whose, at, value)
    if not moved:
        return Observations(user, metric, value, at, ids)
    return Observations(
        user=user[order],
        metric=metric[order],
        value=value[order],
        at=at[order],
        ids=None if ids is None else ids[order],
    )
