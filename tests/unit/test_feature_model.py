from __future__ import annotations

import numpy as np
import pytest

from recommender.models.feature_model import Layout, Pooled, fit_pooled
from recommender.models.regression import Rows

ACTIONS, ROWS = 40, 400
BASE, MATTERS, IDLE = range(3)


@pytest.fixture(scope="module")
def learned() -> tuple[Pooled, np.ndarray]:
    """Actions differ in what the first feature does; the second one never does anything."""
    draws = np.random.default_rng(1)
    slope = draws.normal(0, 0.8, ACTIONS)
    vectors = draws.normal(size=(ACTIONS * ROWS, 2)).astype(np.float32)
    logit = -1 + np.repeat(slope, ROWS) * vectors[:, 0]
    rows = Rows(
        starts=np.arange(ACTIONS + 1) * ROWS,
        completed=(draws.random(len(logit)) < 1 / (1 + np.exp(-logit))).astype(float),
        weight=np.ones(len(logit)),
        vector=np.arange(len(logit)),
        vectors=vectors,
        extra=np.zeros((len(logit), 0), np.float32),
        offset=np.zeros(len(logit)),
        offset_variance=np.zeros(len(logit)),
    )
    layout = Layout(
        described=np.ones((ACTIONS, 1)),
        group=np.tile([0, 1, 2], (ACTIONS, 1)),
        pool=np.array([1, 0, 0]),
        family=np.array([1, 0, 0]),
        own_target=np.zeros((ACTIONS, 3), bool),
        guess=np.array([0.005, 0.5]),
    )
    return fit_pooled(rows, layout, 10), slope


def test_slopes_are_found(learned: tuple[Pooled, np.ndarray]) -> None:
    model, slope = learned
    assert np.corrcoef(model.mean[:, MATTERS], slope)[0, 1] > 0.97
    assert model.mean[:, BASE].mean() == pytest.approx(-1, abs=0.1)


def test_each_feature_has_its_own_variance(learned: tuple[Pooled, np.ndarray]) -> None:
    model, slope = learned
    assert model.variance[MATTERS] == pytest.approx(slope.var(), rel=0.3)
    assert model.variance[IDLE] < 0.15 * model.variance[MATTERS]


def test_a_feature_that_does_nothing_is_shrunk_away(learned: tuple[Pooled, np.ndarray]) -> None:
    # alone, each of its coefficients would be off by about this much
    unpooled = 1 / np.sqrt(ROWS * 0.17)
    model, _ = learned
    assert model.mean[:, IDLE].std() < 0.6 * unpooled
