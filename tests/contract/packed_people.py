"""What tests of packed records share: records to send, and looks at what is packed."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import Engine, insert, select
from store_rows import METRICS, NOW, ago, event_row, user_row

from recommender.dataset import Records
from recommender.store import bulk, packed, schema
from recommender.store.access import Asker
from recommender.store.engine import reading, writing
from recommender.store.packing import pack_changed
from recommender.store.read import load_catalogue

OPERATOR = Asker(None, "cli")
PEOPLE = ("ann", "bea", "Čeněk", 'o"d, d\n', "Zoë", "🙂")
LATER = NOW + timedelta(days=400)


def assert_same(left: Any, right: Any, path: str = "") -> None:
    """Same types, same bytes."""
    if dataclasses.is_dataclass(left):
        for field in dataclasses.fields(left):
            assert_same(getattr(left, field.name), getattr(right, field.name), field.name)
    elif isinstance(left, dict):
        assert list(left) == list(right)
        for name in left:
            assert_same(left[name], right[name], name)
    elif isinstance(left, np.ndarray) and left.dtype != object:
        assert left.dtype == right.dtype, path
        assert left.tobytes() == right.tobytes(), path
    elif left is None:
        assert right is None, path
    else:
        assert list(left) == list(right), path


def both(engine: Engine, as_of: datetime) -> tuple[Records, Records]:
    with reading(engine) as conn:
        catalogue = load_catalogue(conn)
        return (
            bulk.load_records(conn, as_of, catalogue, METRICS),
            packed.load_records(conn, as_of, catalogue, METRICS),
        )


def assert_packed_is_stored(engine: Engine) -> None:
    for as_of in (ago(days=1), NOW, LATER):
        assert_same(*both(engine, as_of))


def marked(engine: Engine) -> set[str]:
    with reading(engine) as conn:
        return set(conn.scalars(select(schema.record_changes.c.user_id)))


def packed_at(engine: Engine) -> dict[str, datetime]:
    with reading(engine) as conn:
        rows = conn.execute(select(schema.packed_records))
        return {row.user_id: row.packed_at for row in rows}


def an_event(number: int, user: str, **more: Any) -> dict[str, Any]:
    return {
        "event_id": f"e{number}",
        "user_id": user,
        "action_id": "walk",
        "type": "complete",
        "occurred_at": "2026-02-01T08:00:00Z",
        **more,
    }


def a_reading(number: int, user: str, **more: Any) -> dict[str, Any]:
    at = "2026-02-01T08:00:00Z"
    return {
        "observation_id": f"o{number}",
        "user_id": user,
        "metric": "steps",
        "value": 5.0,
        "observed_at": at,
        **more,
    }


TAKE: dict[str, Any] = {"metrics": METRICS, "now": NOW, "source": "test"}


def fill(engine: Engine, count: int) -> None:
    with writing(engine) as conn:
        names = [f"p{number:03d}" for number in range(count)]
        conn.execute(insert(schema.users), [user_row(name) for name in names])
        rows = [event_row(f"x{n}", name, "walk", ago(days=n % 9)) for n, name in enumerate(names)]
        conn.execute(insert(schema.events), rows)
    pack_changed(engine)
