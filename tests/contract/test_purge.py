"""Retention deletes what is older than it says, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select, text
from store_rows import NOW, ago, event_row, observation_row, seed

from recommender.purge import Purged, cutoffs, purge
from recommender.settings import Retention
from recommender.store import schema
from recommender.store.access import Asker, log_access
from recommender.store.engine import reading, writing
from recommender.store.purge import PURGED, count_rows
from recommender.store.write import erase_user

OPERATOR = Asker(None, "cli")
OLD, YOUNG = ago(days=30, microseconds=1), ago(days=30)
ALL = Retention(
    retain_events_days=30,
    retain_observations_days=30,
    retain_requests_days=30,
    retain_access_log_days=30,
    retain_rejected_days=30,
)


def _request(request_id: str, at: Any) -> dict[str, Any]:
    return {
        "request_id": request_id, "user_id": "bea", "run_id": "r", "generated_at": at,
        "as_of": at, "channel": "http", "objective": "benefit", "audience": "user",
        "item_limit": 1, "cold_start": False, "withheld": 0, "items": [], "verdicts": [],
        "alerts": [],
    }  # fmt: skip


def _rejected(name: str, at: Any) -> dict[str, Any]:
    return {
        "kind": "events", "record": {"n": name}, "reason_code": "x", "reason": "y",
        "fingerprint": name, "rejected_at": at,
    }  # fmt: skip


@pytest.fixture
def filled(engine: Engine) -> Engine:
    """Seven old and five young rows in every table that can be purged, and an old receipt."""
    seed(engine)
    with writing(engine) as conn:
        erase_user(conn, "ann", OLD, OPERATOR)
        for table in (schema.events, schema.observations):
            conn.execute(table.delete())
        for number, at in enumerate([OLD, YOUNG, OLD, YOUNG, OLD] * 2 + [YOUNG, OLD]):
            conn.execute(insert(schema.events), event_row(f"e{number}", "bea", "walk", at))
            reading_ = observation_row(f"o{number}", "bea", "steps", 1.0, at)
            conn.execute(insert(schema.observations), reading_)
            conn.execute(insert(schema.requests), _request(f"q{number}", at))
            conn.execute(insert(schema.rejected_records), _rejected(f"f{number}", at))
            log_access(conn, at, OPERATOR, "read", "profile", "bea")
    return engine


def _held(engine: Engine) -> dict[str, int]:
    with reading(engine) as conn:
        return {name: count_rows(conn, name) for name in PURGED}


@pytest.mark.parametrize("batch_rows", [1, 4, 100])
def test_what_is_older_goes(filled: Engine, batch_rows: int) -> None:
    told: list[tuple[str, float]] = []
    found = purge(filled, ALL, NOW, batch_rows=batch_rows, progress=lambda *step: told.append(step))
    assert found == [Purged(name, NOW - timedelta(days=30), 7) for name in PURGED]
    assert _held(filled) == {name: 5 + (name == "access_log") for name in PURGED}
    assert dict(told) == dict.fromkeys(PURGED, 1.0)
    with reading(filled) as conn:
        assert set(conn.execute(select(schema.events.c.occurred_at)).scalars()) == {YOUNG}
        assert conn.execute(text("SELECT 1 FROM access_log WHERE operation = 'erase'")).first()
    assert [one.rows for one in purge(filled, ALL, NOW)] == [0] * 5


def test_a_dry_run_counts_and_deletes_nothing(filled: Engine) -> None:
    before = _held(filled)
    assert [one.rows for one in purge(filled, ALL, NOW, dry_run=True)] == [7] * 5
    assert _held(filled) == before


def test_only_what_is_set_is_purged(filled: Engine) -> None:
    assert cutoffs(Retention(), NOW) == {}
    assert purge(filled, Retention(), NOW) == []
    purge(filled, Retention(retain_requests_days=30), NOW)
    assert _held(filled) == dict.fromkeys(PURGED, 12) | {"requests": 5, "access_log": 13}


def test_what_was_cut_off_is_finished_by_the_next(filled: Engine) -> None:
    def pull_the_plug(_table: str, share: float) -> None:
        if share >= 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        purge(filled, ALL, NOW, batch_rows=2, progress=pull_the_plug)
    assert 5 < _held(filled)["events"] < 12
    purge(filled, ALL, NOW)
    assert _held(filled)["events"] == 5
