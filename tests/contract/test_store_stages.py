"""What stages took is kept while a run goes on, and never gets in its way."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text
from store_rows import NOW, ago

from recommender.errors import StoreError
from recommender.stages.record import STAGES, StageRecord
from recommender.store.engine import reading, writing
from recommender.store.runs import finish_run, start_run, write_metrics
from recommender.store.stages import (
    StageKeeper,
    load_stages,
    run_history,
    since,
    stage_seconds,
    usual_seconds,
    write_stages,
)


def record(stage: str, place: int, seconds: float | None, of: str | None = None) -> StageRecord:
    began = NOW + timedelta(seconds=place)
    if seconds is None:
        return StageRecord(stage, of, place, began)
    return StageRecord(stage, of, place, began, seconds, seconds / 2, 100.0 + place, 90.0, 5)


def start(engine: Engine, run_id: str, status: str, **before: float) -> None:
    with writing(engine) as conn:
        start_run(conn, run_id, NOW, 0, "1", ago(**before))
        if status != "training":
            card = {"data": {"users": 10, "events": 3_000_000_000, "observations": 30}}
            finish_run(conn, run_id, status, None, None, None, NOW, card)


def kept(engine: Engine, run_id: str) -> tuple[StageRecord, ...]:
    with reading(engine) as conn:
        return load_stages(conn, run_id)


def test_a_mark_is_left_when_a_stage_begins_and_replaced_when_it_ends(engine: Engine) -> None:
    start(engine, "r1", "training")
    keeper = StageKeeper(engine)
    keeper.began("r1", record("fit", 2, None))
    assert kept(engine, "r1") == (record("fit", 2, None),)
    ended = (record("fit", 2, 8.0), record("settings", 3, 3.0, "fit"))
    keeper.ended("r1", ended)
    assert kept(engine, "r1") == ended
    with reading(engine) as conn:
        assert stage_seconds(conn, "r1") == {"fit": 8.0}


def test_the_first_stage_begins_before_the_run_is_on_record(engine: Engine) -> None:
    keeper = StageKeeper(engine)
    keeper.began("r1", record(STAGES[0], 1, None))
    start(engine, "r1", "training")
    keeper.ended("r1", [record(STAGES[0], 1, 1.0)])
    assert kept(engine, "r1") == (record(STAGES[0], 1, 1.0),)


def test_what_could_not_be_written_is_written_with_the_next(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = StageKeeper(engine)
    with caplog.at_level(logging.WARNING):
        keeper.ended("r1", [record("read", 2, 1.0)])  # there is no such run: refused
    assert "stages not kept" in caplog.text
    start(engine, "r1", "training")
    keeper.ended("r1", [record("fit", 3, 2.0)])
    assert kept(engine, "r1") == (record("read", 2, 1.0), record("fit", 3, 2.0))


def test_stages_go_with_their_run_and_need_one(engine: Engine) -> None:
    with pytest.raises(StoreError), writing(engine) as conn:
        write_stages(conn, "none", [record("fit", 1, 1.0)])
    start(engine, "r1", "trained")
    with writing(engine) as conn:
        write_stages(conn, "r1", [record("fit", 1, 1.0)])
        conn.execute(text("DELETE FROM runs WHERE run_id = 'r1'"))
    assert kept(engine, "r1") == ()


def test_what_is_usual_comes_from_the_newest_published_run(engine: Engine) -> None:
    with reading(engine) as conn:
        assert usual_seconds(conn) == {}
    for run_id, status, days in (("a", "trained", 4), ("b", "trained", 3), ("c", "failed", 2)):
        start(engine, run_id, status, days=days)
        with writing(engine) as conn:
            long = {"a": 1.0, "b": 2.0, "c": 9.0}[run_id]
            fit = [record("fit", 2, long), record("settings", 3, 0.5, "fit")]
            write_stages(conn, run_id, [*fit, record("score", 4, 3.0)])
    start(engine, "d", "trained", days=1)  # of an older version: nothing is known of it
    with reading(engine) as conn:
        assert usual_seconds(conn) == {"fit": 2.0, "score": 3.0}


def test_history_has_a_line_a_run_oldest_first(engine: Engine) -> None:
    start(engine, "old", "trained", days=9)
    start(engine, "r1", "trained", days=2)
    start(engine, "r2", "failed", days=1)
    with writing(engine) as conn:
        conn.execute(text("UPDATE runs SET card = NULL WHERE run_id = 'r2'"))
        write_stages(conn, "r1", [record("read", 2, 4.0), record("score", 5, 6.0)])
        write_stages(conn, "r1", [record("step", 3, 99.0, "read")])
        write_stages(conn, "r2", [record("read", 2, 4.0), record("fit", 3, None)])
        figures = {"hybrid_log_loss": 0.3, "hybrid_ndcg_at_10": 0.6, "popularity_log_loss": 0.4}
        write_metrics(conn, "r1", {(name, "all"): value for name, value in figures.items()})
        write_metrics(conn, "r1", {("hybrid_log_loss", "sex: male"): 9.0})
    with reading(engine) as conn:
        r1, r2 = run_history(conn, 2)
        last = conn.execute(text("SELECT run_id, last_stage FROM run_history")).all()
    assert (r1.run_id, r1.status, r1.started_at) == ("r1", "trained", ago(days=2))
    assert (r1.people, r1.events, r1.seconds, r1.peak_mb) == (10, 3_000_000_000, 10.0, 105.0)
    assert (r1.log_loss, r1.popularity_log_loss, r1.ndcg_at_10) == (0.3, 0.4, 0.6)
    assert (r1.popularity_ndcg_at_10, r1.stages) == (None, {"read": 4.0, "score": 6.0})
    assert (r2.run_id, r2.people, r2.log_loss, r2.stages) == ("r2", None, None, {"read": 4.0})
    assert dict(map(tuple, last)) == {"old": None, "r1": "score", "r2": "fit"}


def test_how_trainings_went_since_an_instant(engine: Engine) -> None:
    with reading(engine) as conn:
        assert since(conn, NOW) is None
    for run_id, status, hours in (
        ("a", "trained", 30),
        ("b", "failed", 20),
        ("c", "training", 10),
        ("d", "held_back", 5),
    ):
        start(engine, run_id, status, hours=hours)
    with reading(engine) as conn:
        assert since(conn, ago(hours=30)) == (True, 2)
        assert since(conn, ago(hours=25)) == (True, 2)
        assert since(conn, ago(hours=15)) == (True, 1)
        assert since(conn, ago(hours=4)) == (False, 0)
    with writing(engine) as conn:
        conn.execute(text("DELETE FROM runs WHERE run_id = 'd'"))
    with reading(engine) as conn:
        assert since(conn, ago(hours=25)) == (False, 2)
