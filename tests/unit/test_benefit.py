from __future__ import annotations

import numpy as np
import pytest

from recommender.benefit import Benefits, expected_gain
from recommender.dataset import FloatArray, Observations
from recommender.domain import Action, Catalogue, Evidence, Metric, MetricsList

DAY = 86_400.0
NOW = 1_700_000_000.0
METRICS = MetricsList(
    (
        Metric("systolic_bp", "blood pressure", (), "mm[Hg]", 50, 300, 30,
               target_low=90, target_high=120, target_scale=40),
        Metric("sleep_duration", "sleep", (), "h", 0, 24, 14, target_low=7, target_scale=2),
    )
)  # fmt: skip
CATALOGUE = Catalogue(
    (
        Action("both", "Both", "sleep", targets=("systolic_bp", "sleep_duration"),
               evidence=(Evidence("s", "A"),)),
        Action("neither", "Neither", "sleep", evidence=(Evidence("s", "A"),)),
        Action("pressure", "Pressure", "nutrition", targets=("systolic_bp",),
               evidence=(Evidence("s", "C"),)),
    )
)  # fmt: skip


def _readings(*rows: tuple[int, int, float, float]) -> Observations:
    user, metric, value, days_ago = (np.array(column) for column in zip(*rows, strict=True))
    return Observations(
        user.astype(np.int32), metric.astype(np.int32), value.astype(float), NOW - days_ago * DAY
    )


BENEFITS = Benefits(CATALOGUE, METRICS)


def _benefit(observations: Observations, n_users: int) -> FloatArray:
    return BENEFITS.benefit(BENEFITS.needs(BENEFITS.readings(observations, n_users, NOW)))


def test_needs_join_and_weigh_by_evidence() -> None:
    benefit = _benefit(_readings((0, 0, 140.0, 1.0), (0, 1, 6.0, 1.0)), 1)
    assert benefit[0] == pytest.approx([0.75, 0.0, 0.5 * 0.6])


def test_the_latest_fresh_reading_counts() -> None:
    observations = _readings((0, 0, 180.0, 20.0), (0, 0, 118.0, 2.0), (1, 0, 180.0, 31.0))
    latest = BENEFITS.readings(observations, 2, NOW)
    assert latest[0, 0] == 118.0
    assert np.isnan(latest[1, 0])
    assert _benefit(observations, 2).max() == 0.0


def test_a_reading_after_the_instant_is_not_seen() -> None:
    observations = _readings((0, 0, 110.0, 3.0), (0, 0, 180.0, -1.0))
    assert BENEFITS.readings(observations, 1, NOW)[0, 0] == 110.0


def test_benefit_raises_the_score_and_never_past_the_probability() -> None:
    p = np.array([0.2, 0.2, 0.2])
    score = expected_gain(p, np.array([0.0, 0.5, 1.0]))
    assert score[0] < score[1] < score[2] <= 0.2 + 1e-12
