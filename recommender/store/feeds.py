"""How many readings each feed (a metric from a source) brought of late, for the nightly checks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, case, distinct, func, select, text

from recommender.store import schema
from recommender.store.id_lists import ids_value, is_among_ids

PERIOD_ENDS_DAYS = (1, 7, 8, 14, 15, 21, 22, 28, 29, 35)
"""Ages, in days, at which the periods end that readings are counted in, the newest first: the last
day and the rest of its week, and of each of the four weeks before the same."""

_IDS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class FeedCount:
    """Readings of one metric from one source in one period.

    Attributes
    ----------
    source
        As recorded, or None. It may name a person's own device.
    period
        Place in ``PERIOD_ENDS_DAYS``.
    total, squares
        Sums of the values and of their squares, in the metric's unit.
    people
        How many people they are of.
    """

    metric: str
    source: str | None
    period: int
    readings: int
    total: float
    squares: float
    people: int


def feed_counts(
    conn: Connection, as_of: datetime, user_ids: Sequence[str] | None = None
) -> list[FeedCount]:
    """Count the readings of the last five weeks, of everybody or of some people.

    Given people, the same feed may come several times, each time for other people.
    """
    rows = schema.observations.c
    ends = [as_of - timedelta(days=days) for days in PERIOD_ENDS_DAYS]
    period: ColumnElement[int] = case(
        *((rows.observed_at > end, place) for place, end in enumerate(ends))
    )
    query = (
        select(
            rows.metric,
            rows.source,
            period.label("period"),
            func.count(),
            func.sum(rows.value),
            func.sum(rows.value * rows.value),
            func.count(distinct(rows.user_id)),
        )
        .where(rows.observed_at > ends[-1], rows.observed_at <= as_of)
        .group_by(rows.metric, rows.source, text("period"))
    )
    if user_ids is None:
        return [FeedCount(*row) for row in conn.execute(query)]
    some = query.where(text(is_among_ids(conn, "user_id")))
    return [
        FeedCount(*row)
        for ids in _in_lists(user_ids)
        for row in conn.execute(some, {"ids": ids_value(conn, ids)})
    ]


def _in_lists(user_ids: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(user_ids), _IDS_AT_ONCE):
        yield list(user_ids[start : start + _IDS_AT_ONCE])
