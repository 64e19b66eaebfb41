"""Readings counted by metric, source and period, as a person would count them."""

from __future__ import annotations

from sqlalchemy import Engine, insert
from store_rows import NOW, ago, observation_row, seed, user_row

from recommender.store import schema
from recommender.store.engine import reading, writing
from recommender.store.feeds import FeedCount, feed_counts


def test_counts_are_by_metric_source_and_period(engine: Engine) -> None:
    seed(engine)
    with writing(engine) as connection:
        rows = [
            observation_row("w1", "ann", "steps", 2.0, ago(days=7.5)) | {"source": "watch"},
            observation_row("w2", "bea", "steps", 4.0, ago(days=13)) | {"source": "watch"},
            observation_row("w3", "bea", "steps", 6.0, ago(days=20)) | {"source": "watch"},
            observation_row("w4", "bea", "steps", 8.0, ago(days=35)) | {"source": "watch"},
        ]
        connection.execute(insert(schema.observations), rows)
    with reading(engine) as connection:
        found = feed_counts(connection, NOW)
    watch = sorted((one for one in found if one.source), key=lambda one: one.period)
    # Exactly 35 days ago is too long ago, and so is what is yet to come.
    assert watch == [
        FeedCount("steps", "watch", 2, 1, 2.0, 4.0, 1),
        FeedCount("steps", "watch", 3, 1, 4.0, 16.0, 1),
        FeedCount("steps", "watch", 5, 1, 6.0, 36.0, 1),
    ]
    assert {(one.metric, one.period, one.readings) for one in found if one.source is None} == {
        ("systolic_bp", 1, 2),
        ("systolic_bp", 3, 1),
        ("steps", 0, 1),
        ("steps", 1, 1),
        ("weight", 1, 1),
    }


def test_some_people_are_counted_in_lists_of_ids(engine: Engine) -> None:
    seed(engine)
    many = [f"p{n:04}" for n in range(1200)]
    with writing(engine) as connection:
        connection.execute(insert(schema.users), [user_row(person) for person in many])
        rows = [
            observation_row(person, person, "steps", 1.0, ago(hours=1)) | {"source": "watch"}
            for person in many
        ]
        connection.execute(insert(schema.observations), rows)
    with reading(engine) as connection:
        found = feed_counts(connection, NOW, many[:1100])
    assert [one.people for one in found] == [1000, 100]
    assert sum(one.readings for one in found) == 1100
