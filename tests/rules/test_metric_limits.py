"""How long readings count and what is plausible, as the clinical facts have it."""

from __future__ import annotations

import pytest
from guardrail_people import metrics

LIMITS = {
    "systolic_bp": (50, 300, 30),
    "diastolic_bp": (20, 200, 30),
    "heart_rate": (20, 300, 7),
    "resting_heart_rate": (25, 200, 7),
    "respiratory_rate": (4, 80, 7),
    "oxygen_saturation": (50, 100, 7),
    "body_temperature": (25, 45, 3),
    "body_weight": (2, 650, 180),
    "body_height": (30, 280, 3650),
    "body_mass_index": (7, 150, 180),
    "waist": (30, 300, 180),
    "glucose": (10, 1500, 90),
    "fasting_glucose": (10, 1500, 180),
    "blood_ketones": (0, 20, 1),
    "hba1c": (3, 25, 180),
    "total_cholesterol": (20, 1000, 1826),
    "hdl_cholesterol": (20, 1000, 1826),
    "ldl_cholesterol": (20, 1000, 1826),
    "triglycerides": (10, 5000, 1826),
    "hrv_sdnn": (1, 400, 14),
    "step_count": (0, 120_000, 14),
    "vo2_max": (5, 100, 180),
    "sleep_duration": (0, 24, 14),
    "phq9": (0, 27, 30),
    "phq9_item9": (0, 3, 30),
    "gad7": (0, 21, 30),
    "audit_c": (0, 12, 30),
    "phq2": (0, 6, 30),
}


@pytest.mark.parametrize("name", LIMITS)
def test_limits(name: str) -> None:
    metric = metrics().metrics[metrics().index[name]]
    assert (metric.plausible_low, metric.plausible_high, metric.fresh_days) == LIMITS[name]


def test_every_metric_that_rules_compare_by_device_agrees_within_less_than_it_decides() -> None:
    """Two readings that agree are never further apart than the classes a rule tells apart."""
    told_apart = {
        "systolic_bp": 20, "diastolic_bp": 10, "oxygen_saturation": 4, "body_temperature": 2,
        "glucose": 20, "phq9_item9": 1, "respiratory_rate": 10, "resting_heart_rate": 20,
    }  # fmt: skip
    for name, width in told_apart.items():
        agree = metrics().metrics[metrics().index[name]].agree_within
        assert agree is not None
        assert agree <= width
