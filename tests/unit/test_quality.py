from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from recommender import quality


@pytest.fixture
def drawn() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draws = np.random.default_rng(3)
    return draws.random(400) < 0.3, draws.uniform(0.01, 0.99, 400), draws.uniform(0.1, 2, 400)


def test_losses_agree_with_scikit_learn(drawn: tuple[np.ndarray, ...]) -> None:
    y, p, w = drawn
    assert quality.log_loss(y, p, w) == pytest.approx(
        reference.log_loss(y, p, sample_weight=w), abs=1e-9
    )
    assert quality.brier(y, p, w) == pytest.approx(
        reference.brier_score_loss(y, p, sample_weight=w), abs=1e-9
    )


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
