"""What the comparison with other models rests on: fair pairs, no leak of a row's own label."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recommender.outcomes import Impressions
from tests.benchmarks.bench_peers import better
from tests.benchmarks.cohorts import VARIANTS, cohort
from tests.benchmarks.peer_lightgbm import Encoded, fold_of
from tests.benchmarks.peer_task import Task, auc_within_people, scaled, sigmoid, task_of


@pytest.fixture(scope="module")
def task() -> Task:
    return task_of(cohort(replace(VARIANTS["small"], users=120, actions=25), 5))


def _rows(user: list[int], completed: list[bool]) -> Impressions:
    n = len(user)
    whole = np.array(user, np.int32)
    done = np.array(completed)
    return Impressions(whole, whole * 0, np.zeros(n), done, np.ones(n), np.full(n, np.nan))


def test_only_pairs_of_one_person_count() -> None:
    """Person 0 has one pair, in order; person 1 two, one of them tied; person 2 none."""
    rows = _rows([0, 0, 1, 1, 1, 2, 2], [True, False, True, False, False, True, True])
    scores = np.array([2.0, 1.0, 5.0, 5.0, 9.0, -50.0, 50.0])
    assert auc_within_people(rows, scores) == pytest.approx((1 + 0.5 + 0) / 3)


def test_scaling_finds_the_slope_and_shift_that_made_the_outcomes() -> None:
    draws = np.random.default_rng(3)
    log_odds = draws.normal(-1, 2, 60_000)
    done = draws.random(60_000) < sigmoid(0.5 * log_odds + 0.7)
    rows = _rows([0] * 60_000, done.tolist())
    assert scaled(rows, log_odds) == pytest.approx((0.5, 0.7), abs=0.05)


def test_early_rows_know_nothing_of_what_came_after_the_cut(task: Task) -> None:
    assert len(task.early) == task.is_early.sum()
    assert (task.early.at <= task.cut).all()
    assert (task.later.at > task.cut).all()
    shown_before = task.rows.select(task.is_early)
    completed_after = shown_before.at + shown_before.delay_days * 86_400 > task.cut
    assert completed_after.any()
    assert not task.early.completed[completed_after].any()


def test_a_pairs_out_of_fold_scores_do_not_know_its_own_outcome(task: Task) -> None:
    rows = task.rows
    place = int(np.flatnonzero(rows.completed)[0])
    user, action = rows.user[place], rows.action[place]
    same = (rows.user == user) & (rows.action == action)
    flipped = replace(rows, completed=np.where(same, ~rows.completed, rows.completed))
    before, after = Encoded.of(task, rows).learned, Encoded.of(task, flipped).learned
    np.testing.assert_array_equal(before[user, action], after[user, action])
    other = fold_of(np.full(25, user), np.arange(25)) != fold_of(user, action)
    assert np.abs(before[user, other] - after[user, other]).max() > 1e-4


def test_rows_and_the_end_are_described_alike(task: Task) -> None:
    """Somebody shown an action at the very end is described as when asked at the end."""
    encoded = Encoded.of(task, task.rows)
    n_actions = task.shape[1]
    now = next(encoded.now())
    again = encoded.table(
        np.zeros(n_actions, np.int64),
        np.full(n_actions, 7),
        np.arange(n_actions),
        task.deeds_now(np.array([7])),
    )
    np.testing.assert_array_equal(now[7 * n_actions : 8 * n_actions], again)
    assert now.shape[1] == encoded.rows().shape[1]


def test_better_is_the_ratio_of_means_with_its_interval() -> None:
    theirs = np.random.default_rng(0).uniform(0.5, 0.9, 400)
    found = better(1.1 * theirs, theirs)
    assert found.value == pytest.approx(0.1)
    assert (found.low, found.high) == pytest.approx((0.1, 0.1))
