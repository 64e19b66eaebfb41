"""Standard errors where only completions are logged: they cover, and follow what is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recommender.dataset import FloatArray, Records, select_events, take_users
from recommender.domain import Catalogue
from recommender.models import hybrid, positives_spread
from recommender.models.artifact import pack, unpack
from recommender.models.fold_in import UserFactors
from recommender.models.hybrid import HybridModel, ModelSettings
from recommender.models.positives_base import NEVER, popularity_variance
from recommender.models.positives_spread import USUAL_TASTES, on_log_odds
from recommender.models.ridge_spread import RidgeSpread
from tests.benchmarks.bench_uncertainty import weekly_log_odds
from tests.benchmarks.cohorts import Cohort, Variant, cohort
from tests.benchmarks.interaction_logs import completions

WORLD = Variant(users=500, actions=40, impressions_logged=False, impressions_per_day=0.8)
KNOWN = 32
"""Actions of the catalogue trained with; the others come later."""


@pytest.fixture(scope="module")
def world() -> Cohort:
    return cohort(WORLD, 31)


@pytest.fixture(scope="module")
def records(world: Cohort) -> Records:
    events = world.records.events
    return replace(world.records, events=select_events(events, events.action < KNOWN))


@pytest.fixture(scope="module")
def trained(world: Cohort, records: Records) -> HybridModel:
    known = Catalogue(world.catalogue.actions[:KNOWN])
    settings = ModelSettings(search_seconds=1.0)
    return hybrid.fit(records, known, world.metrics, world.as_of, settings=settings)


@pytest.fixture(scope="module")
def model(world: Cohort, trained: HybridModel) -> HybridModel:
    """Aligned to a catalogue with eight actions that nobody has seen."""
    return trained.aligned_to(world.catalogue)


@pytest.fixture(scope="module")
def errors(model: HybridModel, world: Cohort, records: Records) -> FloatArray:
    return model.score_with_error(records, world.as_of)[1]


def test_intervals_hold_differences_between_people_about_as_often_as_they_say(
    model: HybridModel, world: Cohort, records: Records, errors: FloatArray
) -> None:
    active = np.bincount(records.events.user, minlength=len(errors)) > 0
    off = weekly_log_odds(WORLD, 31) - model.score(records, world.as_of).sum(axis=2)
    off = off[active] - off[active].mean(axis=0)
    held = np.abs(off) < 1.645 * errors[active]
    assert 0.7 < held[:, :KNOWN].mean() < 0.99
    assert 0.7 < held[:, KNOWN:].mean() < 0.999


def test_new_actions_and_new_people_are_less_sure(records: Records, errors: FloatArray) -> None:
    nobody = np.bincount(records.events.user, minlength=len(errors)) == 0
    assert np.isfinite(errors).all()
    assert (errors > 0.1).all()
    assert errors[:, KNOWN:].mean() > 1.1 * errors[:, :KNOWN].mean()
    assert errors[nobody, :KNOWN].mean() > errors[~nobody, :KNOWN].mean()


def test_more_completions_make_scores_surer(errors: FloatArray, records: Records) -> None:
    done = np.bincount(records.events.user, minlength=len(errors))
    assert np.corrcoef(done, errors[:, :KNOWN].mean(axis=1))[0, 1] < -0.3


def test_actions_done_more_often_are_surer(model: HybridModel, records: Records) -> None:
    spread = model.parameters.spread
    assert isinstance(spread, RidgeSpread)
    done = np.bincount(records.events.action, minlength=KNOWN)[:KNOWN]
    assert np.corrcoef(np.log(done), np.log(spread.tastes[:KNOWN]))[0, 1] < -0.5
    assert np.corrcoef(np.log(done), np.log(spread.coefficients[:KNOWN, 0]))[0, 1] < -0.5
    np.testing.assert_array_equal(spread.tastes[KNOWN:], spread.taste_prior)
    assert (spread.tastes[:KNOWN] < spread.taste_prior).all()


def test_chance_in_popularity_is_part_of_the_error(trained: HybridModel, records: Records) -> None:
    spread, recipe = trained.parameters.spread, trained.facts["chosen"]["recipe"]
    assert isinstance(spread, RidgeSpread)
    scale = recipe["base"] * trained.parameters.trust.features
    chance = popularity_variance(records, KNOWN, recipe["half_life_days"])
    assert (spread.coefficients[:, 0] > scale**2 * chance).all()


def test_chance_in_popularity_is_that_of_counts() -> None:
    at = np.array([0.0, 10.0, 10.0, 10.0]) * 86_400
    records = completions(np.arange(4), np.array([0, 0, 0, 1]), at, 4)
    plain = popularity_variance(records, 3, NEVER)
    np.testing.assert_allclose(plain, [1 / 3.5, 1 / 1.5, 1 / 0.5])
    faded = popularity_variance(records, 3, 10.0)
    np.testing.assert_allclose(faded, [(0.25 + 2.5) / 3.0**2, 1 / 1.5, 1 / 0.5])


def test_one_person_and_some_actions_get_the_errors_of_the_batch(
    model: HybridModel, world: Cohort, records: Records, errors: FloatArray
) -> None:
    some = np.array([39, 3, 11])
    for user in (0, 7, 499):
        view = model.view(take_users(records, user, user + 1), world.as_of)
        np.testing.assert_allclose(model.standard_error(view)[0], errors[user], atol=1e-9)
        asked = model.standard_error(view, some)
        np.testing.assert_allclose(asked[0], errors[user, some], atol=1e-9)
    view = model.view(take_users(records, 5, 7), world.as_of)
    each, whose = np.array([1, 39, 4, 2]), np.array([1, 0, 0, 1])
    found = model.standard_error(view, each, whose)
    np.testing.assert_allclose(found, errors[5 + whose, each], atol=1e-9)


def test_errors_are_stored_with_the_run(
    trained: HybridModel, world: Cohort, records: Records, errors: FloatArray
) -> None:
    again = unpack(*pack(trained)).aligned_to(world.catalogue, world.metrics)
    np.testing.assert_array_equal(again.score_with_error(records, world.as_of)[1], errors)


def test_the_variance_is_that_of_the_product_of_both_posteriors() -> None:
    draws = np.random.default_rng(2)
    half = draws.normal(size=(3, 4, 4)) / 3
    users = UserFactors(draws.normal(size=(3, 4)), half @ half.transpose(0, 2, 1), np.zeros(0))
    factors, own = draws.normal(size=(5, 4)), draws.uniform(0.1, 0.5, 5)
    spread = RidgeSpread(np.zeros((5, 1)), own, np.zeros((2, 1)), 1.0, 0.7)
    found = spread.taste_variance(users, factors, slice(None))
    m = draws.multivariate_normal(users.mean[1], 0.7 * users.covariance[1], 400_000)
    v = factors[2] + draws.normal(size=m.shape) * np.sqrt(own[2])
    assert found[1, 2] == pytest.approx((m * v).sum(axis=1).var(), rel=0.02)
    actions, whose = np.tile(np.arange(5), 3), np.repeat(np.arange(3), 5)
    each = spread.taste_variance(users, factors, actions, whose)
    np.testing.assert_allclose(each, found.ravel())


def test_how_far_factors_are_from_their_descriptions_is_learned_from_those_that_are_known() -> None:
    draws = np.random.default_rng(4)
    information = np.repeat([200.0, 0.01], 2_000)
    true = draws.normal(0, 0.5, (4_000, 3))
    gain = information / (information + 4.0)
    noise = draws.normal(size=true.shape) / np.sqrt(information)[:, None]
    found = positives_spread._taste_prior(gain[:, None] * (true + noise), information)
    assert found == pytest.approx(0.25, rel=0.05)


def test_the_noise_leans_on_what_is_usual_and_on_no_unit() -> None:
    factors = np.random.default_rng(5).normal(size=(20, 3))
    spread = RidgeSpread(np.zeros((20, 1)), np.zeros(20), np.zeros((2, 1)), 0.1, 2.0)
    nobody = UserFactors(np.zeros((1, 3)), np.eye(3)[None], np.zeros(0))

    def usual(slope: float, scale: float) -> float:
        found = on_log_odds(replace(spread, noise=2.0 / scale**2), scale * factors, slope)
        taste = found.taste_variance(nobody, scale * factors, slice(None))
        return float(slope**2 * taste.mean())

    own = 1.5**2 * 2.0 * (factors**2).sum(axis=1).mean()
    assert usual(1.5, 1.0) == pytest.approx(np.sqrt(own * USUAL_TASTES**2))
    assert usual(1.5, 10.0) == pytest.approx(usual(1.5, 1.0))


def test_many_actions_and_factors_cost_what_is_asked_for() -> None:
    n_actions, n = 17_000, 128
    draws = np.random.default_rng(6)
    factors = draws.normal(size=(n_actions, n)) / n
    users = UserFactors(np.zeros((2, n)), np.zeros((2, n, n)) + np.eye(n), np.zeros(0))
    spread = RidgeSpread(np.zeros((n_actions, 1)), np.zeros(n_actions), np.zeros((2, 1)), 1.0, 1.0)
    size = sum(np.asarray(value).nbytes for value in vars(spread).values())
    assert size < 8 * n_actions * 4
    asked = spread.taste_variance(users, factors, np.array([5, 16_999]))
    np.testing.assert_allclose(asked[0], (factors[[5, 16_999]] ** 2).sum(axis=1))
    assert spread.taste_variance(users, factors, slice(None)).shape == (2, n_actions)
