"""Off-policy estimates against cases whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender import off_policy
from recommender.dataset import FloatArray
from recommender.off_policy import Estimates, Logged
from recommender.simulation.policy import draw_slates

TRUTH = np.array([0.1, 0.3, 0.5, 0.2, 0.6])


def single_choices(
    seed: int, n: int, shown: FloatArray, target: FloatArray, predicted: FloatArray
) -> Logged:
    """A log of n decisions, one action each, rewarded with the probabilities of ``TRUTH``."""
    random = np.random.default_rng(seed)
    action = random.choice(len(TRUTH), n, p=shown)
    return Logged(
        decision=np.arange(n),
        reward=(random.random(n) < TRUTH[action]).astype(np.float64),
        propensity=shown[action],
        target=target[action],
        predicted=predicted[action],
        person=np.arange(n),
        expected=np.full(n, float(target @ predicted)),
        size=np.ones(n),
        unsupported=np.full(n, float(target[shown == 0].sum())),
    )


def estimate(logged: Logged) -> Estimates:
    """With fewer draws than usual, to be quick."""
    return off_policy.estimate(logged, draws=200)


UNIFORM = np.full(5, 0.2)
SKEWED = np.array([0.4, 0.3, 0.1, 0.15, 0.05])
BEST = np.array([0.0, 0.0, 0.0, 0.0, 1.0])
SOFT = np.array([0.1, 0.1, 0.3, 0.1, 0.4])
NOTHING_KNOWN = np.zeros(5)


@pytest.mark.parametrize("shown", [UNIFORM, SKEWED], ids=["uniform log", "skewed log"])
@pytest.mark.parametrize("target", [BEST, SOFT], ids=["always the best", "mostly the best"])
@pytest.mark.parametrize("predicted", [NOTHING_KNOWN, TRUTH, 1 - TRUTH], ids=["0", "true", "wrong"])
def test_estimators_meet_the_known_answer(
    shown: FloatArray, target: FloatArray, predicted: FloatArray
) -> None:
    found = [estimate(single_choices(seed, 2000, shown, target, predicted)) for seed in range(12)]
    answer = float(target @ TRUTH)
    for name in ("ips", "snips", "doubly_robust"):
        values = [getattr(one, name).value for one in found]
        assert np.mean(values) == pytest.approx(answer, abs=0.035), name
        holds = sum(getattr(one, name).low <= answer <= getattr(one, name).high for one in found)
        assert holds >= 9, name


def test_intervals_hold_the_answer_about_as_often_as_they_say() -> None:
    answer = float(SOFT @ TRUTH)
    found = [estimate(single_choices(seed, 400, SKEWED, SOFT, TRUTH)) for seed in range(120)]
    for name in ("snips", "doubly_robust"):
        held = np.mean([getattr(f, name).low <= answer <= getattr(f, name).high for f in found])
        assert 0.88 <= held <= 0.99, name


def test_a_good_reward_model_narrows_the_interval() -> None:
    blind = estimate(single_choices(1, 4000, UNIFORM, BEST, NOTHING_KNOWN)).doubly_robust
    seeing = estimate(single_choices(1, 4000, UNIFORM, BEST, TRUTH)).doubly_robust
    assert blind is not None
    assert seeing is not None
    assert seeing.high - seeing.low < 0.9 * (blind.high - blind.low)


def test_the_logging_policy_itself_gets_what_was_logged() -> None:
    found = estimate(single_choices(2, 2000, SKEWED, SKEWED, NOTHING_KNOWN))
    assert found.ips == found.logged
    assert found.snips == found.logged
    assert found.effective_rows == pytest.approx(2000)
    assert found.mean_weight == pytest.approx(1.0)


def slates(seed: int, n: int) -> Logged:
    """Slates of two of five; the target always shows the two best, rewards add up."""
    random = np.random.default_rng(seed)
    shown = np.array([0.7, 0.5, 0.3, 0.3, 0.2])
    picked, propensity = draw_slates(shown, n, random)
    action = picked.ravel()
    return Logged(
        decision=np.repeat(np.arange(n), 2),
        reward=(random.random(2 * n) < TRUTH[action]).astype(np.float64),
        propensity=propensity.ravel(),
        target=np.isin(action, [2, 4]).astype(np.float64),
        predicted=np.full(2 * n, 0.3),
        person=np.arange(n) // 4,
        expected=np.full(n, 0.6),
        size=np.full(n, 2.0),
        unsupported=np.zeros(n),
    )


def test_slates_are_judged_by_the_sum_of_their_rewards() -> None:
    found = [estimate(slates(seed, 3000)) for seed in range(12)]
    for name in ("ips", "snips", "doubly_robust"):
        values = [getattr(one, name).value for one in found]
        assert np.mean(values) == pytest.approx(TRUTH[2] + TRUTH[4], abs=0.04), name


def test_people_are_drawn_together() -> None:
    """Four copies of everybody must not look like four times the knowledge."""
    log = single_choices(3, 500, UNIFORM, SOFT, TRUTH)
    apart = estimate(log)
    copies = Logged(
        decision=np.arange(2000),
        reward=np.tile(log.reward, 4),
        propensity=np.tile(log.propensity, 4),
        target=np.tile(log.target, 4),
        predicted=np.tile(log.predicted, 4),
        person=np.tile(np.arange(500), 4),
        expected=np.tile(log.expected, 4),
        size=np.tile(log.size, 4),
        unsupported=np.tile(log.unsupported, 4),
    )
    together = estimate(copies)
    assert apart.ips is not None
    assert together.ips is not None
    width = apart.ips.high - apart.ips.low
    assert together.ips.high - together.ips.low == pytest.approx(width, rel=0.01)


def test_it_refuses_a_log_without_propensities() -> None:
    log = single_choices(4, 500, UNIFORM, SOFT, TRUTH)
    found = estimate(replace(log, propensity=np.full(500, np.nan)))
    assert found.refusal is not None
    assert "no propensities" in found.refusal
    assert found.ips is None
    assert found.doubly_robust is None


def test_it_refuses_where_many_propensities_are_missing_and_not_where_few_are() -> None:
    log = single_choices(5, 1000, UNIFORM, SOFT, TRUTH)
    tenth, hundredth = log.propensity.copy(), log.propensity.copy()
    tenth[::10], hundredth[::100] = np.nan, np.nan
    assert "90%" in str(estimate(replace(log, propensity=tenth)).refusal)
    found = estimate(replace(log, propensity=hundredth))
    assert found.refusal is None
    assert found.decisions == 990


def test_it_refuses_a_target_that_shows_what_the_log_never_shows() -> None:
    never_best = np.array([0.25, 0.25, 0.25, 0.25, 0.0])
    found = estimate(single_choices(6, 1000, never_best, SOFT, TRUTH))
    assert "40.0% of what it would show was never shown" in str(found.refusal)


def test_it_refuses_where_too_few_rows_speak() -> None:
    rarely = np.array([0.4, 0.3, 0.2, 0.09, 0.01])
    found = estimate(single_choices(7, 1000, rarely, BEST, TRUTH))
    assert "too rarely" in str(found.refusal)
    assert found.effective_rows < 50


def test_it_refuses_propensities_that_contradict_the_log() -> None:
    log = single_choices(8, 4000, UNIFORM, SOFT, TRUTH)
    found = estimate(replace(log, propensity=log.propensity / 3))
    assert "contradict" in str(found.refusal)


def test_an_empty_log_is_refused() -> None:
    none = np.zeros(0)
    whole = none.astype(np.int64)
    found = estimate(Logged(whole, none, none, none, none, whole, none, none, none))
    assert found.refusal is not None


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.floats(0.1, 5.0))
def test_a_constant_reward_is_estimated_exactly_by_snips(seed: int, reward: float) -> None:
    log = single_choices(seed, 400, SKEWED, SOFT, NOTHING_KNOWN)
    found = estimate(replace(log, reward=np.full(400, reward)))
    assert found.snips is not None
    assert found.snips.value == pytest.approx(reward)
    assert found.snips.low == pytest.approx(reward)
    assert found.snips.high == pytest.approx(reward)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000))
def test_the_order_of_rows_does_not_matter(seed: int) -> None:
    log = slates(seed, 300)
    order = np.random.default_rng(seed).permutation(600)
    shuffled = replace(
        log,
        decision=log.decision[order],
        reward=log.reward[order],
        propensity=log.propensity[order],
        target=log.target[order],
        predicted=log.predicted[order],
    )
    one, other = estimate(log), estimate(shuffled)
    assert one.effective_rows == pytest.approx(other.effective_rows)
    if one.ips is not None and other.ips is not None:
        assert one.ips.value == pytest.approx(other.ips.value)
