"""Lists drawn by chance hold what their propensities say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender import off_policy
from recommender.dataset import FloatArray
from recommender.domain import Exploration
from recommender.exploration import Candidates, drawn, inclusion, likely_best
from recommender.off_policy import Logged

KINDS = (Exploration.EPSILON, Exploration.THOMPSON)


def candidates_of(seed: int, n: int, places: int, spread: float = 1.0) -> Candidates:
    random = np.random.default_rng(seed)
    log_odds, worth = random.normal(-2.0, spread, n), random.uniform(0.25, 1.0, n)
    score = worth / (1 + np.exp(-log_odds))
    plain = np.zeros(n, bool)
    plain[np.argsort(-score)[:places]] = True
    return Candidates(plain, log_odds, random.uniform(0.05, 2.0, n), worth)


@settings(deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(2, 300),
    share=st.floats(0, 1),
    kind=st.sampled_from(KINDS),
    rate=st.floats(0.01, 0.5),
    spread=st.sampled_from([0.01, 1.0, 8.0]),
)
def test_probabilities_are_bounded_and_add_up_and_lists_have_their_size(
    seed: int, n: int, share: float, kind: Exploration, rate: float, spread: float
) -> None:
    places = 1 + int(share * (n - 2))
    found = inclusion(candidates_of(seed, n, places, spread), kind, rate)
    assert found.sum() == pytest.approx(places, abs=1e-9)
    assert found.min() >= rate * places / n - 1e-12
    assert found.max() <= 1 - rate * (1 - places / n) + 1e-12
    picked = drawn(found, f"request {seed}")
    assert len(picked) == places == len(set(picked.tolist()))
    assert (picked == drawn(found, f"request {seed}")).all()


@pytest.mark.parametrize("kind", KINDS)
def test_lists_hold_each_action_as_often_as_its_propensity_says(kind: Exploration) -> None:
    n, requests = 40, 6000
    found = inclusion(candidates_of(3, n, 6), kind, 0.2)
    times = np.zeros(n)
    for request in range(requests):
        times[drawn(found, f"{request:032x}")] += 1
    # the squares of 40 standard normal deviations; 74 is exceeded once in a thousand times
    deviation = (times - requests * found) / np.sqrt(requests * found * (1 - found))
    assert float((deviation**2).sum()) < 74
    assert np.ptp(found) > 0.5  # the propensities differ, so a uniform draw would not pass


def test_any_two_actions_may_stand_together() -> None:
    found = np.full(8, 0.25)
    pairs = {tuple(drawn(found, str(request)).tolist()) for request in range(2000)}
    assert len(pairs) == 28


def test_chances_are_those_of_being_best_under_the_posterior() -> None:
    one = candidates_of(5, 60, 8)
    ours = likely_best(one.log_odds, one.errors, one.worth, 8)
    draws = np.random.default_rng(1).normal(one.log_odds, one.errors, (5_000, 60))
    score = one.worth / (1 + np.exp(-draws))
    best = np.argpartition(-score, 8, axis=1)[:, :8]
    often = np.bincount(best.ravel(), minlength=60) / len(draws)
    # the threshold varies between draws, which matters for the few actions that are very sure
    assert np.abs(ours - often).mean() < 0.015
    assert np.abs(ours - often).max() < 0.2
    assert np.corrcoef(ours, often)[0, 1] > 0.99


def test_sure_scores_leave_the_plain_list_and_unsure_ones_get_a_chance() -> None:
    log_odds, worth = np.array([1.0, 0.5, 0.0, -0.5]), np.ones(4)
    sure = likely_best(log_odds, np.full(4, 1e-4), worth, 2)
    np.testing.assert_allclose(sure, [1, 1, 0, 0], atol=1e-6)
    unsure = likely_best(log_odds, np.array([0.1, 0.1, 0.1, 3.0]), worth, 2)
    assert unsure[3] > 0.25
    assert unsure[3] > unsure[2]


def test_worth_too_small_for_a_number_is_no_obstacle() -> None:
    found = likely_best(np.zeros(4), np.ones(4), np.array([1.0, 0.5, 1e-310, 0.0]), 2)
    assert found.sum() == pytest.approx(2)
    assert found[:2].min() > 0.99


def test_without_standard_errors_thompson_is_epsilon() -> None:
    one = candidates_of(5, 30, 4)
    old = Candidates(one.plain, one.log_odds, np.full(30, np.nan), one.worth)
    np.testing.assert_array_equal(
        inclusion(old, Exploration.THOMPSON, 0.1), inclusion(one, Exploration.EPSILON, 0.1)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_another_policy_can_be_estimated_from_explored_lists(kind: Exploration) -> None:
    truth = np.random.default_rng(8).uniform(0.05, 0.6, 20)
    target = np.zeros(20)
    target[np.argsort(-truth)[:3]] = 1.0  # the truly best three, not those the model thinks
    found = inclusion(candidates_of(11, 20, 3), kind, 0.5)
    figures = [
        off_policy.estimate(_explored_log(seed, found, truth, target), draws=100)
        for seed in range(8)
    ]
    answer = float(target @ truth)
    assert abs(figures[0].logged.value - answer) > 0.2  # else the estimate would be no feat
    for name in ("ips", "snips"):
        values = [getattr(one, name).value for one in figures]
        assert np.mean(values) == pytest.approx(answer, abs=0.08), name
    assert np.mean([one.mean_weight for one in figures]) == pytest.approx(1.0, abs=0.03)


def _explored_log(seed: int, found: FloatArray, truth: FloatArray, target: FloatArray) -> Logged:
    random = np.random.default_rng(seed)
    lists = np.array([drawn(found, f"{seed} {request}") for request in range(1500)])
    n, shown = len(lists), lists.ravel()
    return Logged(
        decision=np.repeat(np.arange(n), lists.shape[1]),
        reward=(random.random(len(shown)) < truth[shown]).astype(np.float64),
        propensity=found[shown],
        target=target[shown],
        predicted=np.zeros(len(shown)),
        person=np.arange(n),
        expected=np.zeros(n),
        size=np.full(n, 3.0),
        unsupported=np.zeros(n),
    )
