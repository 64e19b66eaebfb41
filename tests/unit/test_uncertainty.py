"""Standard errors of scores: they cover, and they are larger where less is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recommender.dataset import FloatArray, Records, select_events, take_users
from recommender.domain import Catalogue
from recommender.models import hybrid
from recommender.models.artifact import pack, unpack
from recommender.models.fold_in import Packing
from recommender.models.hybrid import HybridModel, ModelSettings
from tests.benchmarks.cohorts import Cohort, Variant, cohort

WORLD = Variant(users=600, actions=30, level=0.4)
KNOWN = 24
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
    return hybrid.fit(records, known, world.metrics, world.as_of)


@pytest.fixture(scope="module")
def model(world: Cohort, trained: HybridModel) -> HybridModel:
    """Aligned to a catalogue with six actions that nobody has seen."""
    return trained.aligned_to(world.catalogue)


@pytest.fixture(scope="module")
def errors(model: HybridModel, world: Cohort, records: Records) -> FloatArray:
    return model.score_with_error(records, world.as_of)[1]


def test_intervals_hold_the_truth_about_as_often_as_they_say(
    model: HybridModel, world: Cohort, records: Records, errors: FloatArray
) -> None:
    log_odds = model.score(records, world.as_of).sum(axis=2)
    off = np.abs(np.log(world.p / (1 - world.p)) - log_odds) / errors
    for actions in (slice(None, KNOWN), slice(KNOWN, None)):
        assert 0.80 < (off[:, actions] < 1.645).mean() < 0.97
        assert 0.35 < (off[:, actions] < 0.674).mean() < 0.7


def test_new_actions_and_new_people_are_less_sure(
    world: Cohort, records: Records, errors: FloatArray
) -> None:
    known, new = errors[:, :KNOWN], errors[:, KNOWN:]
    assert new.mean() > 1.2 * known.mean()
    nobody = np.bincount(records.events.user, minlength=len(errors)) == 0
    assert nobody.sum() > 50
    assert known[nobody].mean() > 1.15 * known[~nobody].mean()
    assert np.isfinite(errors).all()
    assert (errors > 0).all()


def test_more_history_makes_scores_surer(errors: FloatArray, records: Records) -> None:
    shown = np.bincount(records.events.user, minlength=len(errors))
    assert np.corrcoef(shown, errors[:, :KNOWN].mean(axis=1))[0, 1] < -0.4


def test_an_action_shown_to_nobody_is_as_unsure_as_a_new_one(
    world: Cohort, records: Records, errors: FloatArray
) -> None:
    whole = hybrid.fit(records, world.catalogue, world.metrics, world.as_of)
    unshown = whole.score_with_error(records, world.as_of)[1]
    assert unshown[:, KNOWN:].mean() == pytest.approx(errors[:, KNOWN:].mean(), rel=0.15)


def test_a_new_action_may_taste_as_far_from_its_description_as_others_do(
    model: HybridModel,
) -> None:
    spread, factors = model.parameters.spread, model.parameters.factors
    assert spread is not None
    moments = Packing.of(factors.mean.shape[1]).full(spread.tastes)
    covariance = moments - factors.mean[:, :, None] * factors.mean[:, None, :]
    own = np.diagonal(covariance, axis1=1, axis2=2)
    np.testing.assert_allclose(own[KNOWN:, :-1], np.tile(spread.taste_prior, (6, 1)), atol=1e-12)
    np.testing.assert_allclose(own[:, -1], 0.0, atol=1e-12)
    assert (own[:, :-1] <= spread.taste_prior + 1e-12).all()


def test_one_person_and_some_actions_get_the_errors_of_the_batch(
    model: HybridModel, world: Cohort, records: Records, errors: FloatArray
) -> None:
    parts = model.score(records, world.as_of)
    np.testing.assert_array_equal(model.score_with_error(records, world.as_of)[0], parts)
    some = np.array([29, 3, 11])
    for user in (0, 7, 599):
        view = model.view(take_users(records, user, user + 1), world.as_of)
        np.testing.assert_allclose(model.standard_error(view)[0], errors[user], atol=1e-9)
        asked = model.standard_error(view, some)
        np.testing.assert_allclose(asked[0], errors[user, some], atol=1e-9)
    several = model.view(take_users(records, 5, 12), world.as_of)
    asked = model.standard_error(several, some, 2)
    np.testing.assert_allclose(asked, errors[7:8, some], atol=1e-9)
    for n_asked in (0, 1, 20, 2_000):  # few are multiplied one by one, many all together
        draws = np.random.default_rng(n_asked)
        whose, others = draws.integers(0, 7, n_asked), draws.integers(0, errors.shape[1], n_asked)
        asked = model.standard_error(several, others, whose)
        np.testing.assert_allclose(asked, errors[5 + whose, others], atol=1e-9)


def test_errors_follow_the_catalogue(
    trained: HybridModel, model: HybridModel, world: Cohort, records: Records, errors: FloatArray
) -> None:
    turned = Catalogue(world.catalogue.actions[::-1])
    last = len(turned) - 1
    events = replace(records.events, action=(last - records.events.action).astype(np.int32))
    for start in (trained, model):
        found = start.aligned_to(turned).score_with_error(
            replace(records, events=events), world.as_of
        )[1]
        np.testing.assert_allclose(found, errors[:, ::-1], atol=1e-9)


def test_errors_are_stored_with_the_run(
    model: HybridModel, trained: HybridModel, world: Cohort, records: Records, errors: FloatArray
) -> None:
    again = unpack(*pack(trained)).aligned_to(world.catalogue, world.metrics)
    np.testing.assert_array_equal(again.score_with_error(records, world.as_of)[1], errors)


def test_a_run_from_before_has_none_and_still_scores(
    trained: HybridModel, world: Cohort, records: Records
) -> None:
    old = replace(trained, parameters=replace(trained.parameters, spread=None))
    again = unpack(*pack(old)).aligned_to(world.catalogue, world.metrics)
    parts, errors = again.score_with_error(records, world.as_of)
    assert np.isnan(errors).all()
    assert np.isfinite(parts).all()


def test_errors_shrink_with_trust(trained: HybridModel, world: Cohort, records: Records) -> None:
    parameters = trained.parameters
    trust = parameters.trust
    half = parameters.trusted(replace(trust, features=0.0, shift=0.0))
    assert half.spread is not None
    assert parameters.spread is not None
    assert (half.spread.coefficients[:, 1:] == 0).all()
    np.testing.assert_array_equal(
        half.spread.coefficients[:, 0], parameters.spread.coefficients[:, 0]
    )


def test_logs_without_impressions_have_errors_too() -> None:
    silent = cohort(replace(WORLD, users=150, actions=15, impressions_logged=False), 5)
    quick = ModelSettings(search_seconds=0.5)
    model = hybrid.fit(
        silent.records, silent.catalogue, silent.metrics, silent.as_of, settings=quick
    )
    errors = model.score_with_error(silent.records, silent.as_of)[1]
    assert np.isfinite(errors).all()
    assert (errors > 0).all()
