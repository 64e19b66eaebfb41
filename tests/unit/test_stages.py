"""Stages are measured in order, whatever is told of them, and the rest is estimated from them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.stages import machine
from recommender.stages.estimate import Estimate
from recommender.stages.machine import Moment, moment
from recommender.stages.record import StageRecord
from recommender.stages.watch import Stages, Teller

START = datetime(2026, 11, 1, 2, 15, tzinfo=UTC)


class Clock:
    """Time that passes only when told to."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.peak = 100.0

    def __call__(self) -> Moment:
        at = START + timedelta(seconds=self.seconds)
        return Moment(at, self.seconds, self.seconds / 2, self.peak, 50.0)


class Diary:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.ends: list[Sequence[StageRecord]] = []

    def began(self, run_id: str, record: StageRecord) -> None:
        assert record.seconds is None
        self.lines.append(f"{run_id} {record.stage}")

    def told(self, name: str, share: float) -> None:
        self.lines.append(f"{name} {share}")

    def ended(self, run_id: str, records: Sequence[StageRecord]) -> None:
        self.ends.append(records)
        self.lines.append(f"{run_id} {'+'.join(one.stage for one in records)} ended")


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_stage_lasts_until_the_next_and_its_steps_lie_within(clock: Clock) -> None:
    diary = Diary()
    stages = Stages("r1", [diary], clock)
    stages("read", 0.0)
    stages.count(7)
    clock.seconds, clock.peak = 2.0, 300.0
    stages("fit", 0.0)
    clock.seconds = 3.0
    stages("settings", 0.0)
    clock.seconds = 5.0
    stages("all data", 0.6)
    clock.seconds = 9.0
    stages("done", 1.0)
    stages.close()
    read, fit, *steps = stages.records
    assert (read.stage, read.seconds, read.rows, read.peak_mb) == ("read", 2.0, 7, 300.0)
    assert (fit.stage, fit.seconds, fit.cpu_seconds, fit.rows) == ("fit", 7.0, 3.5, None)
    assert [(one.stage, one.part_of, one.seconds) for one in steps] == [
        ("settings", "fit", 2.0),
        ("all data", "fit", 4.0),
    ]
    assert fit.started_at == START + timedelta(seconds=2)
    assert diary.lines == [
        "r1 read",
        "read 0.0",
        "r1 read ended",
        "r1 fit",
        "fit 0.0",
        "settings 0.0",
        "all data 0.6",
        "done 1.0",
        "r1 fit+settings+all data ended",
    ]


def test_a_stage_that_comes_twice_is_one_stage(clock: Clock) -> None:
    stages = Stages("r1", [], clock)
    for name, until in (("read", 1.0), ("pack", 3.0), ("read", 8.0)):
        stages(name, 0.0)
        clock.seconds = until
    stages.close()
    stages.close()  # once more changes nothing
    assert [(one.stage, one.place, one.seconds) for one in stages.records] == [
        ("read", 1, 6.0),
        ("pack", 2, 2.0),
    ]


def test_who_only_wants_to_know_how_far_it_is_is_told(clock: Clock) -> None:
    told: list[tuple[str, float]] = []
    stages = Stages("r1", [Teller(lambda name, share: told.append((name, share)))], clock)
    stages("score", 0.0)
    stages("score", 0.5)
    stages.close()
    assert told == [("score", 0.0), ("score", 0.5)]


def test_memory_is_measured_in_megabytes() -> None:
    held = np.ones(30_000_000)  # 240 MB
    before = moment()
    assert before.resident_mb is not None
    assert before.peak_mb >= before.resident_mb * 0.99 > 0.99 * 240
    del held
    after = moment()
    assert after.resident_mb is not None
    assert 200 < before.resident_mb - after.resident_mb < 280
    assert after.peak_mb >= before.peak_mb


def test_a_system_without_proc_tells_no_resident_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_STATUS", Path("/nowhere/status"))
    assert moment().resident_mb is None


USUAL = {"read": 10.0, "fit": 60.0, "judge": 5.0, "score": 20.0, "publish": 5.0}


def test_without_a_run_before_nothing_is_estimated() -> None:
    estimate = Estimate({}, 0.0)
    estimate.enter("read", 0.0)
    estimate.tell(0.5, 3.0)
    assert estimate.share(4.0) is None
    assert estimate.left(4.0) is None
    assert estimate.elapsed(4.0) == 4.0


def test_a_stage_that_tells_nothing_moves_with_time_but_never_ends_by_itself() -> None:
    estimate = Estimate(USUAL, 0.0)
    estimate.enter("read", 0.0)
    estimate.enter("fit", 10.0)
    assert estimate.left(10.0) == pytest.approx(90.0)
    assert estimate.left(40.0) == pytest.approx(60.0)
    assert estimate.share(40.0) == pytest.approx(0.4)
    assert estimate.share(4000.0) == pytest.approx((10 + 60 * 0.95) / 100)


def test_a_stage_goes_by_its_own_pace_once_it_tells() -> None:
    estimate = Estimate(USUAL, 0.0)
    estimate.enter("score", 0.0)  # what stands before it was left out
    estimate.tell(0.5, 30.0)  # three times as slow as last time
    assert estimate.left(30.0) == pytest.approx(3 * (10 + 5))


def test_a_run_that_is_held_back_ends_at_the_whole() -> None:
    estimate = Estimate(USUAL, 0.0)
    for stage in ("read", "fit", "judge", "publish"):
        estimate.enter(stage, 1.0)
    estimate.tell(1.0, 2.0)
    assert estimate.share(2.0) == pytest.approx(1.0)


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0, 1)), min_size=1, max_size=12), st.data())
def test_estimates_never_go_beyond_their_bounds(
    steps: list[tuple[float, float]], data: st.DataObject
) -> None:
    estimate, now = Estimate(USUAL, 0.0), 0.0
    stages = [*USUAL, "pack"]
    for seconds, share in steps:
        if data.draw(st.booleans()) and stages:
            estimate.enter(stages.pop(0), now)
        now += seconds
        estimate.tell(share, now)
        done, left = estimate.share(now + 1.0), estimate.left(now + 1.0)
        assert done is not None
        assert left is not None
        assert 0.0 <= done <= 1.0 + 1e-9
        assert left >= -1e-9
