from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recommender.dataset import Events
from recommender.domain import EVENT_CODES, SECONDS_PER_DAY
from recommender.outcomes import (
    MOST_EXPOSURE_WEIGHT,
    DelayCurve,
    exposure_weights,
    outcomes_of,
    unprompted_share,
    with_pending_weights,
)

NOW = 1_700_000_000.0


def log(*rows: tuple[str, float] | tuple[str, float, int]) -> Events:
    """One user and one action; rows of (kind, day, request)."""
    n = len(rows)
    return Events(
        np.zeros(n, np.int32),
        np.zeros(n, np.int32),
        np.array([EVENT_CODES[row[0]] for row in rows], np.int8),
        NOW + np.array([row[1] for row in rows]) * SECONDS_PER_DAY,
        np.array([row[2] if len(row) > 2 else -1 for row in rows], np.int64),
        np.full(n, np.nan),
        np.full(n, np.nan),
    )


def completed(events: Events, until_day: float = 100.0) -> list[bool]:
    return list(map(bool, outcomes_of(events, NOW + until_day * SECONDS_PER_DAY).completed))


def test_the_latest_impression_before_gets_the_credit() -> None:
    assert completed(log(("impression", 0), ("impression", 1), ("complete", 2))) == [False, True]


def test_the_impression_of_the_same_request_goes_first() -> None:
    events = log(("impression", 0, 5), ("impression", 1, 6), ("complete", 2, 5))
    assert completed(events) == [True, False]


def test_each_completion_credits_one_impression() -> None:
    events = log(("impression", 0), ("impression", 1), ("complete", 2), ("complete", 3))
    assert completed(events) == [False, True]


@pytest.mark.parametrize(("day", "expected"), [(7.0, True), (7.01, False)])
def test_credit_ends_with_the_seventh_day(day: float, expected: bool) -> None:
    assert completed(log(("impression", 0), ("complete", day))) == [expected]


def test_neither_accepting_nor_completing_before_is_an_outcome() -> None:
    assert completed(log(("complete", 0), ("impression", 1), ("accept", 2))) == [False]


def test_what_happens_after_the_instant_is_unknown() -> None:
    assert completed(log(("impression", 0), ("complete", 3)), until_day=2) == [False]


def test_another_action_gets_no_credit() -> None:
    events = log(("impression", 0), ("impression", 1), ("complete", 2))
    other = Events(
        events.user,
        np.array([0, 1, 1], np.int32),
        *(getattr(events, name) for name in ("kind", "at", "request", "propensity", "value")),
    )
    assert completed(other) == [False, True]


def test_pending_rows_weigh_by_what_could_have_come() -> None:
    curve = DelayCurve(0.4, np.array([0.0, 0.0, 3.0, 5.0]))
    events = log(("impression", -8), ("impression", -1))
    rows = with_pending_weights(outcomes_of(events, NOW), curve, NOW)
    assert rows.weight.tolist() == pytest.approx([1.0, 0.5 * 0.6 / (1 - 0.4 * 0.5)])


def test_pending_weights_keep_the_rate_unbiased() -> None:
    draws = np.random.default_rng(1)
    n, rate = 40_000, 0.3
    age = draws.uniform(0, 7, n)
    delay = np.where(draws.random(n) < rate, draws.uniform(0, 7, n), np.inf)
    done = delay <= age
    weight = DelayCurve(rate, np.linspace(0, 7, 1000)).pending_weight(age)
    weight = np.where(done, 1.0, weight)
    assert weight @ done / weight.sum() == pytest.approx(rate, abs=0.01)


def test_share_of_completions_nobody_prompted() -> None:
    events = log(("complete", 0), ("impression", 1), ("complete", 2), ("complete", 20))
    assert unprompted_share(events, NOW + 30 * SECONDS_PER_DAY) == pytest.approx(2 / 3)


def shown_with(propensity: list[float], days: list[float]) -> Events:
    return replace(log(*(("impression", day) for day in days)), propensity=np.array(propensity))


def test_chances_that_differ_between_people_are_made_up_for() -> None:
    weights = exposure_weights(shown_with([0.5, 0.1, np.nan], [0, 0, 0]), NOW + 1)
    assert weights == pytest.approx([1 / 3, 5 / 3, 1.0])


def test_chances_that_only_differ_between_days_are_left_alone() -> None:
    events = shown_with([0.5, 0.5, 0.1, 0.1], [0, 0, 3, 3])
    assert exposure_weights(events, NOW + 9e9).tolist() == [1, 1, 1, 1]


def test_no_single_impression_outweighs_all_others() -> None:
    weights = exposure_weights(shown_with([0.5] * 99 + [1e-6], [0] * 100), NOW + 1)
    assert weights.max() <= MOST_EXPOSURE_WEIGHT
