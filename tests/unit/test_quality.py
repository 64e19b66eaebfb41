from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from recommender import quality


@pytest.fixture
def drawn() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draws = np.random.default_rng(3)
    return draws.random(400) < 0.3, draws.uniform(0.01, 0.99, 400), draws.uniform(0.1, 2, 400)


def test_losses_are_weighted_means_over_rows(drawn: tuple[np.ndarray, ...]) -> None:
    y, p, w = drawn
    each = quality.pointwise_log_loss(y, p)
    np.testing.assert_allclose(each, -np.log(np.where(y, p, 1 - p)))
    assert quality.log_loss(y, p, w) == pytest.approx(np.average(each, weights=w))
    assert quality.log_loss(y, p) == pytest.approx(each.mean())
    assert quality.brier(y, p, w) == pytest.approx(np.average((p - y) ** 2, weights=w))


@pytest.mark.parametrize("outcome", [True, False])
def test_losses_of_outcomes_that_are_all_alike(outcome: bool) -> None:
    y, p = np.full(3, outcome), np.array([0.2, 0.5, 0.9])
    assert quality.log_loss(y, p) == pytest.approx(quality.pointwise_log_loss(y, p).mean())
    assert quality.brier(y, p) == pytest.approx(((p - outcome) ** 2).mean())


def test_losses_of_nothing_are_0() -> None:
    none, two = np.zeros(0), np.array([0.3, 0.6])
    for loss in (quality.log_loss, quality.brier):
        assert loss(none > 0, none) == 0
        assert loss(two > 0.5, two, np.zeros(2)) == 0


def test_ndcg_agrees_with_scikit_learn() -> None:
    draws = np.random.default_rng(4)
    relevance, scores = draws.random((20, 30)), draws.random((20, 30))
    assert quality.ndcg_at_k(relevance, scores, 10).mean() == pytest.approx(
        reference.ndcg_score(relevance, scores, k=10)
    )


def test_ndcg_by_user_is_ndcg_of_each_users_rows() -> None:
    draws = np.random.default_rng(5)
    done, scores = draws.random((15, 20)) < 0.2, draws.random((15, 20))
    user = np.repeat(np.arange(15), 20)
    people, gain = quality.ndcg_by_user(user, scores.ravel(), done.ravel())
    expected = quality.ndcg_at_k(done.astype(float), scores)
    np.testing.assert_allclose(gain, expected[people])
    assert set(people) == set(np.flatnonzero(done.any(axis=1)))


def test_order_of_rows_does_not_matter_to_calibration(drawn: tuple[np.ndarray, ...]) -> None:
    y, p, w = drawn
    turned = np.random.default_rng(6).permutation(len(p))
    assert quality.expected_calibration_error(y, p, w) == pytest.approx(
        quality.expected_calibration_error(y[turned], p[turned], w[turned])
    )


def test_calibration_error_finds_a_constant_bias() -> None:
    draws = np.random.default_rng(7)
    p = draws.uniform(0.2, 0.6, 100_000)
    y = draws.random(len(p)) < p
    assert quality.expected_calibration_error(y, p) < 0.01
    assert quality.expected_calibration_error(y, p + 0.1) == pytest.approx(0.1, abs=0.01)


def test_clustering_widens_the_error_of_repeated_rows() -> None:
    values = np.random.default_rng(8).normal(size=50)
    user = np.arange(50)
    once = quality.clustered_se(user, values)
    assert once == pytest.approx(quality.standard_error(values))
    assert quality.clustered_se(np.repeat(user, 4), np.repeat(values, 4)) == pytest.approx(once)
