"""Runs are published and taken back as a whole; old ones make room."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import Engine, text, update
from store_rows import NOW, add_run, ago, scores_for

from recommender.errors import ConflictError, NotFoundError
from recommender.store import schema
from recommender.store.access import Asker
from recommender.store.engine import reading, writing
from recommender.store.retention import make_room
from recommender.store.runs import (
    clean_up,
    finish_run,
    list_runs,
    load_artifact,
    load_figures,
    publish,
    published_run,
    rollback,
    run_detail,
    start_run,
    write_metrics,
    write_scores,
)
from recommender.store.score_rows import begin_scores
from recommender.store.write import erase_user


def _in_force(engine: Engine) -> str | None:
    with reading(engine) as conn:
        run = published_run(conn)
    return run.run_id if run else None


def _scored_runs(engine: Engine) -> dict[str, int]:
    with reading(engine) as conn:
        rows = conn.execute(text("SELECT run_id, count(*) FROM scores GROUP BY run_id"))
        return {run_id: count for run_id, count in rows}  # noqa: C416


def test_nothing_is_in_force_at_first(engine: Engine) -> None:
    assert _in_force(engine) is None
    with writing(engine) as conn, pytest.raises(ConflictError):
        rollback(conn, NOW)


def test_life_of_a_run(seeded: Engine) -> None:
    with writing(seeded) as conn:
        start_run(conn, "r1", ago(hours=1), 7, "1.0", ago(minutes=5))
        assert run_detail(conn, "r1").summary.status == "training"
        finish_run(conn, "r1", "trained", "well", {"features": ["a"]}, b"\x00\x01", NOW)
        write_metrics(conn, "r1", {("ece", "all"): 0.01, ("ece", "new"): np.float64(0.02)})
        number = publish(conn, "r1", "train", NOW)
    with reading(seeded) as conn:
        run = published_run(conn)
        assert run is not None
        assert (run.run_id, run.publication_id, run.as_of) == ("r1", number, ago(hours=1))
        assert load_artifact(conn, "r1") == ({"features": ["a"]}, b"\x00\x01")
        assert load_figures(conn, "r1") == {"ece": 0.01}
        assert load_figures(conn, "none") is None
        detail = run_detail(conn, "r1")
        assert detail.figures == {("ece", "all"): 0.01, ("ece", "new"): 0.02}
        assert (detail.seed, detail.published_at) == (7, (NOW,))
        assert [(run.run_id, run.published) for run in list_runs(conn)] == [("r1", True)]


def test_what_cannot_be_published(seeded: Engine) -> None:
    with writing(seeded) as conn:
        start_run(conn, "training", NOW, 7, "1.0", NOW)
        start_run(conn, "held", NOW, 7, "1.0", NOW)
        finish_run(conn, "held", "held_back", "worse", {}, b"m", NOW)
        start_run(conn, "empty", NOW, 7, "1.0", NOW)
        finish_run(conn, "empty", "trained", "", None, None, NOW)
    for run_id, why in (("training", "training"), ("held", "--force"), ("empty", "cleaned up")):
        with writing(seeded) as conn, pytest.raises(ConflictError, match=why):
            publish(conn, run_id, "publish", NOW)
    with writing(seeded) as conn, pytest.raises(NotFoundError):
        publish(conn, "none", "publish", NOW)
    with reading(seeded) as conn, pytest.raises(NotFoundError):
        load_artifact(conn, "none")
    with reading(seeded) as conn, pytest.raises(NotFoundError):
        run_detail(conn, "none")
    assert _in_force(seeded) is None


def test_going_back_twice_goes_back_two(seeded: Engine) -> None:
    for run_id in ("r1", "r2", "r3"):
        add_run(seeded, run_id)
    for expected in ("r2", "r1"):
        with writing(seeded) as conn:
            assert rollback(conn, NOW) == expected
        assert _in_force(seeded) == expected
    with writing(seeded) as conn, pytest.raises(ConflictError):
        rollback(conn, NOW)
    add_run(seeded, "r4")
    with writing(seeded) as conn:
        assert rollback(conn, NOW) == "r1"


def test_clean_up_keeps_the_newest_published(seeded: Engine) -> None:
    for run_id in ("r1", "r2", "r3", "r4"):
        add_run(seeded, run_id, "ann")
    add_run(seeded, "unpublished", "ann", published=False)
    with writing(seeded) as conn:
        rollback(conn, NOW)
        clean_up(conn, keep=2)
    make_room(seeded)
    # r3 is in force again, r4 was the one before.
    assert _scored_runs(seeded) == {"r3": 2, "r4": 2}
    with reading(seeded) as conn:
        assert load_artifact(conn, "r4")[1] == b"\x00model"
        with pytest.raises(NotFoundError):
            load_artifact(conn, "r2")
        assert {run.run_id for run in list_runs(conn)} == {"r1", "r2", "r3", "r4", "unpublished"}
        assert conn.execute(text("SELECT count(*) FROM nightly_withheld")).scalar() == 2
    with writing(seeded) as conn:
        clean_up(conn, keep=0)
    make_room(seeded)
    assert _scored_runs(seeded) == {"r3": 2}


def test_clean_up_marks_what_crashed(seeded: Engine) -> None:
    add_run(seeded, "good", "ann")
    with writing(seeded) as conn:
        start_run(conn, "crashed", NOW, 7, "1.0", NOW)
        begin_scores(conn, "crashed")
        write_scores(conn, "crashed", scores_for("bea"))
    with writing(seeded) as conn:
        clean_up(conn, keep=3)
    make_room(seeded)
    with reading(seeded) as conn:
        assert run_detail(conn, "crashed").summary.status == "failed"
        assert run_detail(conn, "good").summary.status == "trained"
    assert _scored_runs(seeded) == {"good": 2}


def test_whoever_is_erased_during_training_is_left_out(seeded: Engine) -> None:
    with writing(seeded) as conn:
        start_run(conn, "r1", ago(hours=2), 7, "1.0", ago(hours=1))
    with writing(seeded) as conn:
        erase_user(conn, "ann", ago(minutes=30), Asker(None, "cli"))
    with writing(seeded) as conn:
        begin_scores(conn, "r1")
        write_scores(conn, "r1", scores_for("ann", "bea"))
        finish_run(conn, "r1", "trained", "", {}, b"m", NOW)
        publish(conn, "r1", "train", NOW)
    for table in ("scores", "nightly_withheld"):
        with reading(seeded) as conn:
            found = conn.execute(text(f"SELECT DISTINCT user_id FROM {table}"))
            assert list(found.scalars()) == ["bea"]


def test_scores_come_back_as_written(seeded: Engine) -> None:
    batch = scores_for("ann", "Čeněk")
    add_run(seeded, "r1", "ann", "Čeněk")
    scores = schema.scores
    with reading(seeded) as conn:
        rows = conn.execute(scores.select().order_by(scores.c.user_id, scores.c.rank)).all()
    assert [row.user_id for row in rows] == sorted(batch.user_id)
    np.testing.assert_array_equal([row.p_complete for row in rows], batch.p_complete)
    np.testing.assert_array_equal([row.factor_part for row in rows], batch.parts[:, 4])
    assert [row.rule_id for row in rows] == list(batch.rule_id)


def test_present_state_survives_a_failed_publication(seeded: Engine) -> None:
    add_run(seeded, "r1", "ann")

    def fail_at_the_end() -> None:
        with writing(seeded) as conn:
            start_run(conn, "r2", NOW, 7, "1.0", NOW)
            begin_scores(conn, "r2")
            write_scores(conn, "r2", scores_for("ann"))
            finish_run(conn, "r2", "trained", "", {}, b"m", NOW)
            publish(conn, "r2", "train", NOW)
            conn.execute(update(schema.runs).values(status="nonsense"))

    with pytest.raises(Exception, match="ck_runs_status"):
        fail_at_the_end()
    assert _in_force(seeded) == "r1"
    assert _scored_runs(seeded) == {"r1": 2}
