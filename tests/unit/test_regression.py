"""Rows are worked on in stretches: where they end must not show."""

from __future__ import annotations

import numpy as np
import pytest

from recommender.models import prepared, regression
from recommender.models.regression import Rows, posterior, predict

_N, _ACTIONS, _FEATURES = 1000, 3, 4


@pytest.fixture
def rows() -> Rows:
    """Unequal actions, one of them without rows."""
    rng = np.random.default_rng(1)
    return Rows(
        np.array([0, 700, 700, _N]),
        (rng.random(_N) < 0.3).astype(np.float64),
        rng.uniform(0.2, 1, _N),
        rng.integers(0, 50, _N),
        rng.normal(size=(50, _FEATURES)).astype(np.float32),
        rng.normal(size=(_N, 2)).astype(np.float32),
        rng.normal(-1, 0.5, _N),
        np.zeros(_N),
    )


def test_a_posterior_does_not_depend_on_stretches(
    rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    n = 1 + _FEATURES + 2
    known = (np.zeros(n), np.eye(n, dtype=np.float32), np.full(n, 0.1), np.full(n, 2.0))
    whole = [posterior(rows, action, *known) for action in range(_ACTIONS)]
    monkeypatch.setattr(regression, "_ROWS_AT_ONCE", 64)
    parts = [posterior(rows, action, *known) for action in range(_ACTIONS)]

    for one, two in zip(whole, parts, strict=True):
        np.testing.assert_allclose(two[0], one[0], atol=1e-5)
        np.testing.assert_allclose(two[1], one[1], atol=1e-5)
    # without rows the prior stands
    np.testing.assert_allclose(whole[1][0], 0.1)


def test_predictions_do_not_depend_on_stretches(
    rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    mean = np.random.default_rng(2).normal(size=(_ACTIONS, 1 + _FEATURES + 2))
    whole = predict(rows, mean)
    monkeypatch.setattr(regression, "_ROWS_AT_ONCE", 64)

    np.testing.assert_allclose(predict(rows, mean), whole, atol=1e-5)
    expected = rows.design(slice(700, _N)) @ mean[2]
    np.testing.assert_allclose(whole[700:], expected, atol=1e-5)


def test_behaviour_is_scaled_by_its_root_mean_square(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "_ROWS_AT_ONCE", 64)
    deeds = np.random.default_rng(3).normal(size=(300, 5)).astype(np.float32)
    deeds[:, 3] = 0.0
    scale, varies = prepared._spread_of(deeds)
    order = np.random.default_rng(4).permutation(300)
    out = prepared._scaled(deeds, np.array([0, 2]), scale, order)

    np.testing.assert_allclose(scale, np.sqrt((deeds.astype(np.float64) ** 2).mean(axis=0)))
    assert varies.tolist() == [300, 300, 300, 0, 300]
    np.testing.assert_allclose(out, deeds[order][:, [0, 2]] / scale[[0, 2]], rtol=1e-6)
