"""What every model must keep, and what the hybrid must keep besides."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from recommender.dataset import Records, select_events, select_observations, take_users, until
from recommender.domain import Action, Catalogue
from recommender.errors import DataError, NothingToLearnError
from recommender.models import choosing, hybrid, popularity
from recommender.models.artifact import pack, unpack
from recommender.models.base import MOST_LOG_ODDS, Scorer
from recommender.models.hybrid import HybridModel, ModelSettings
from recommender.quality import ndcg_at_k
from tests.benchmarks.cohorts import DAY, Cohort, Variant, cohort

SMALL = Variant(users=500, actions=30, level=0.4, habit=0.5, fatigue=0.3)


@pytest.fixture(scope="module")
def world() -> Cohort:
    return cohort(SMALL, 5)


@pytest.fixture(scope="module")
def unprompted() -> Cohort:
    return cohort(replace(SMALL, impressions_logged=False), 5)


QUICK = ModelSettings(search_seconds=1.0)


def fit_hybrid(world: Cohort) -> HybridModel:
    return hybrid.fit(world.records, world.catalogue, world.metrics, world.as_of, settings=QUICK)


def fit_popularity(world: Cohort) -> Scorer:
    return popularity.fit(world.records, world.catalogue, world.as_of)


@pytest.fixture(scope="module")
def model(world: Cohort) -> HybridModel:
    return fit_hybrid(world)


@pytest.fixture(scope="module")
def unprompted_model(unprompted: Cohort) -> HybridModel:
    return fit_hybrid(unprompted)


@pytest.fixture(params=["popularity", "hybrid", "hybrid without impressions"])
def case(request: pytest.FixtureRequest) -> tuple[Scorer, Cohort]:
    if request.param == "hybrid without impressions":
        return request.getfixturevalue("unprompted_model"), request.getfixturevalue("unprompted")
    world: Cohort = request.getfixturevalue("world")
    if request.param == "popularity":
        return fit_popularity(world), world
    return request.getfixturevalue("model"), world


class TestEveryModel:
    def test_scores_are_finite_parts_for_every_user_and_action(
        self, case: tuple[Scorer, Cohort]
    ) -> None:
        scorer, world = case
        parts = scorer.score(world.records, world.as_of)
        assert parts.shape == (len(world.records.users), len(world.catalogue), 5)
        assert np.isfinite(parts).all()

    def test_one_person_scores_alone_as_in_the_batch(self, case: tuple[Scorer, Cohort]) -> None:
        scorer, world = case
        every = scorer.score(world.records, world.as_of)
        for user in (0, 3, 250, 499):
            alone = scorer.score(take_users(world.records, user, user + 1), world.as_of)
            np.testing.assert_allclose(alone[0], every[user], atol=1e-9)

    def test_the_future_has_no_influence(self, case: tuple[Scorer, Cohort]) -> None:
        scorer, world = case
        then = world.as_of - 20 * DAY
        np.testing.assert_allclose(
            scorer.score(world.records, then),
            scorer.score(until(world.records, then), then),
            atol=1e-12,
        )

    def test_a_user_nothing_is_known_of_scores(self, case: tuple[Scorer, Cohort]) -> None:
        scorer, world = case
        nobody = bare(take_users(world.records, 0, 1))
        assert np.isfinite(scorer.score(nobody, world.as_of)).all()


def bare(records: Records) -> Records:
    none = np.zeros(0, np.int64)
    users = replace(
        records.users,
        born_at=np.full(1, np.nan),
        sex=np.zeros(1, np.int8),
        attributes={},
    )
    return Records(
        users, select_events(records.events, none), select_observations(records.observations, none)
    )


class TestHybrid:
    def test_terms_add_up_to_every_part(self, model: HybridModel, world: Cohort) -> None:
        parts = model.score(world.records, world.as_of)
        check_terms(model, world, parts)

    def test_terms_add_up_without_impressions(
        self, unprompted_model: HybridModel, unprompted: Cohort
    ) -> None:
        parts = unprompted_model.score(unprompted.records, unprompted.as_of)
        check_terms(unprompted_model, unprompted, parts)

    def test_without_impressions_it_ranks_better_than_features_alone(
        self, unprompted_model: HybridModel, unprompted: Cohort
    ) -> None:
        parts = unprompted_model.score(unprompted.records, unprompted.as_of)
        some = unprompted.segment == 0
        full = ndcg_at_k(unprompted.p, parts.sum(axis=2))[some].mean()
        base = ndcg_at_k(unprompted.p, parts[:, :, 0])[some].mean()
        features = ndcg_at_k(unprompted.p, parts[:, :, :3].sum(axis=2))[some].mean()
        assert full > features + 0.01
        assert features > base + 0.01

    def test_it_ranks_better_than_popularity_and_features_alone(
        self, model: HybridModel, world: Cohort
    ) -> None:
        parts = model.score(world.records, world.as_of)
        some = world.segment == 0
        full = ndcg_at_k(world.p, parts.sum(axis=2))[some].mean()
        features = ndcg_at_k(world.p, parts[:, :, :4].sum(axis=2))[some].mean()
        popular = fit_popularity(world).score(world.records, world.as_of).sum(axis=2)
        assert full > features + 0.01
        assert full > ndcg_at_k(world.p, popular)[some].mean() + 0.08

    def test_people_without_history_are_told_apart(self, model: HybridModel, world: Cohort) -> None:
        parts = model.score(world.records, world.as_of)
        none = world.segment == 1
        popular = fit_popularity(world).score(world.records, world.as_of).sum(axis=2)
        ours = ndcg_at_k(world.p, parts.sum(axis=2))[none].mean()
        assert ours > ndcg_at_k(world.p, popular)[none].mean() + 0.05

    def test_probabilities_are_calibrated(self, model: HybridModel, world: Cohort) -> None:
        p = 1 / (1 + np.exp(-model.score(world.records, world.as_of).sum(axis=2)))
        assert p.mean() == pytest.approx(world.p.mean(), abs=0.025)
        top = p > np.quantile(p, 0.9)
        assert p[top].mean() == pytest.approx(world.p[top].mean(), abs=0.05)

    def test_completing_raises_and_refusing_lowers_alike_actions(
        self, model: HybridModel, world: Cohort
    ) -> None:
        user = int(np.flatnonzero(np.bincount(world.records.events.user) > 30)[0])
        one = take_users(world.records, user, user + 1)
        shown = one.events.kind == 0
        refused = replace(one, events=select_events(one.events, shown))
        assert (
            model.score(refused, world.as_of)[0, :, 4].sum()
            < model.score(one, world.as_of)[0, :, 4].sum()
        )

    def test_a_new_reading_moves_the_score(self, model: HybridModel, world: Cohort) -> None:
        user = int(world.records.observations.user[0])
        one = take_users(world.records, user, user + 1)
        before = model.score(one, world.as_of)
        changed = replace(one.observations, value=one.observations.value + 30.0)
        after = model.score(replace(one, observations=changed), world.as_of)
        assert np.abs(after - before)[0, :, 2].max() > 0.05

    def test_new_actions_score_by_their_description(self, world: Cohort) -> None:
        known = Catalogue(world.catalogue.actions[:24])
        kept = world.records.events.action < 24
        records = replace(world.records, events=select_events(world.records.events, kept))
        small = hybrid.fit(records, known, world.metrics, world.as_of)
        wide = small.aligned_to(world.catalogue)
        parts = wide.score(records, world.as_of)
        assert np.isfinite(parts).all()
        np.testing.assert_allclose(parts[:, :24], small.score(records, world.as_of), atol=1e-9)

    def test_order_follows_the_catalogue_aligned_to(
        self, model: HybridModel, world: Cohort
    ) -> None:
        n = len(world.catalogue)
        order = np.random.default_rng(2).permutation(n)
        turned = Catalogue(tuple(world.catalogue.actions[i] for i in order))
        events = world.records.events
        moved = replace(events, action=np.argsort(order)[events.action].astype(np.int32))
        np.testing.assert_allclose(
            model.aligned_to(turned).score(replace(world.records, events=moved), world.as_of),
            model.score(world.records, world.as_of)[:, order],
            atol=1e-9,
        )

    def test_metrics_may_be_renumbered(self, model: HybridModel, world: Cohort) -> None:
        turned = replace(world.metrics, metrics=world.metrics.metrics[::-1])
        seen = world.records.observations
        metric = (len(world.metrics) - 1 - seen.metric).astype(np.int32)
        order = np.lexsort((seen.at, metric, seen.user))
        moved = select_observations(replace(seen, metric=metric), order)
        np.testing.assert_allclose(
            model.aligned_to(world.catalogue, turned).score(
                replace(world.records, observations=moved), world.as_of
            ),
            model.score(world.records, world.as_of),
            atol=1e-9,
        )

    def test_held_out_figures_are_those_the_gate_reads(self, model: HybridModel) -> None:
        figures = model.holdout
        assert figures["hybrid_log_loss"] < figures["popularity_log_loss"]
        assert figures["hybrid_ndcg_at_10"] > figures["popularity_ndcg_at_10"]
        assert 0 < figures["log_loss_gain_se"] < 0.1
        assert {"hybrid_ece", "hybrid_brier", "features_log_loss", "factors_log_loss"} <= set(
            figures
        )


class TestLogThatEndedLongAgo:
    """The same cohort, trained at the end of its data and a year later."""

    def test_it_ranks_as_well_as_at_the_end_of_the_log(
        self, model: HybridModel, world: Cohort
    ) -> None:
        later = world.as_of + 370 * DAY
        idle = hybrid.fit(world.records, world.catalogue, world.metrics, later)
        assert model.parameters.idle_days == 0
        assert idle.parameters.idle_days == 370
        assert idle.holdout["hybrid_ndcg_at_10"] > idle.holdout["popularity_ndcg_at_10"]
        now, then = (
            ndcg_at_k(world.p, m.score(world.records, at).sum(axis=2)).mean()
            for m, at in ((model, world.as_of), (idle, later))
        )
        assert then == pytest.approx(now, abs=0.01)

    def test_idle_days_are_stored(self, model: HybridModel, world: Cohort) -> None:
        idle = replace(model, parameters=replace(model.parameters, idle_days=30))
        again = unpack(*pack(idle))
        assert again.parameters.snapshots.tolist() == idle.parameters.snapshots.tolist()
        assert 31.0 in again.parameters.snapshots


class TestBound:
    """Beyond it the logarithm of a double's odds would not give the sum back."""

    @pytest.fixture
    def steep(self, model: HybridModel) -> HybridModel:
        coefficients = model.parameters.coefficients.copy()
        coefficients[0, 0], coefficients[7, 0] = 60.0, -60.0
        return replace(model, parameters=replace(model.parameters, coefficients=coefficients))

    def test_log_odds_come_back_from_the_probability(
        self, steep: HybridModel, world: Cohort
    ) -> None:
        total = steep.score(world.records, world.as_of).sum(axis=2)
        p = 1 / (1 + np.exp(-total))
        np.testing.assert_allclose(np.log(p / (1 - p)), total, atol=1e-6)
        np.testing.assert_allclose(total[:, 0], MOST_LOG_ODDS)
        np.testing.assert_allclose(total[:, 7], -MOST_LOG_ODDS)

    def test_other_scores_are_left_alone(
        self, steep: HybridModel, model: HybridModel, world: Cohort
    ) -> None:
        some = np.setdiff1d(np.arange(len(world.catalogue)), [0, 7])
        parts = steep.score(world.records, world.as_of)[:, some]
        # what a person completed of the two steep actions speaks about that person's tastes
        assert np.abs(parts.sum(axis=2)).max() < MOST_LOG_ODDS
        expected = model.score(world.records, world.as_of)[:, some, :4]
        np.testing.assert_allclose(parts[:, :, :4], expected)

    def test_terms_and_shares_are_bounded_alike(self, steep: HybridModel, world: Cohort) -> None:
        parts = steep.score(world.records, world.as_of)
        check_terms(steep, world, parts)
        view = steep.view(take_users(world.records, 11, 12), world.as_of)
        shares = steep.shares(view, np.zeros(3, np.int64), np.array([0, 3, 7]))
        amounts = shares.amounts.sum(axis=1) + shares.past_amounts.sum(axis=1)
        np.testing.assert_allclose(amounts, parts[11, [0, 3, 7]].sum(axis=1))


def test_a_server_needs_no_scikit_learn() -> None:
    code = "import sys, recommender.models.artifact; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def check_terms(model: HybridModel, world: Cohort, parts: np.ndarray) -> None:
    actions = [0, 7, 29]
    for user in (0, 11, 499):
        every = model.explain(world.records, world.as_of, user, actions)
        for action, terms in zip(actions, every, strict=True):
            for place, part in enumerate(("base", "profile", "biometrics", "behaviour", "factor")):
                total = sum(term.contribution for term in terms if term.part == part)
                assert total == pytest.approx(parts[user, action, place], abs=1e-9)
        alone = take_users(world.records, user, user + 1)
        view = model.view(alone, world.as_of)
        shares = model.shares(view, np.zeros(len(actions), np.int64), np.array(actions))
        for place, part in enumerate(("base", "profile", "biometrics", "behaviour", "factor")):
            mine = [j for j, subject in enumerate(shares.subjects) if subject[0] == part]
            total = shares.past_amounts if part == "factor" else shares.amounts[:, mine]
            np.testing.assert_allclose(total.sum(axis=1), parts[user, actions, place], atol=1e-9)


class TestArtifact:
    def test_a_stored_model_scores_the_same(self, model: HybridModel, world: Cohort) -> None:
        manifest, blob = pack(model)
        again = unpack(json.loads(json.dumps(manifest)), blob).aligned_to(world.catalogue)
        np.testing.assert_array_equal(
            again.score(world.records, world.as_of), model.score(world.records, world.as_of)
        )
        assert again.holdout == model.holdout

    def test_the_same_seed_gives_the_same_bytes(self, model: HybridModel, world: Cohort) -> None:
        assert pack(fit_hybrid(world)) == pack(model)

    def test_damage_is_noticed(self, model: HybridModel) -> None:
        manifest, blob = pack(model)
        with pytest.raises(DataError, match="damaged"):
            unpack(manifest, blob[:-1] + bytes([blob[-1] ^ 1]))
        with pytest.raises(DataError, match="format"):
            unpack({**manifest, "format": 99}, blob)
        lacking = {name: value for name, value in manifest.items() if name != "columns"}
        with pytest.raises(DataError, match="incomplete"):
            unpack(lacking, blob)

    def test_no_user_is_in_it(self, model: HybridModel, world: Cohort) -> None:
        manifest, blob = pack(model)
        names = set(map(str, world.records.users.ids))
        assert not any(name in json.dumps(manifest) or name.encode() in blob for name in names)
        n = len(names)
        assert not any(n in array.shape for array in model.arrays().values())


Change = Callable[[Records], Records]


def only(n: int) -> Change:
    return lambda records: take_users(records, 0, n)


def without_sex(records: Records) -> Records:
    unknown = replace(
        records.users, sex=np.zeros_like(records.users.sex), born_at=records.users.born_at * np.nan
    )
    return replace(records, users=unknown)


def without_readings(records: Records) -> Records:
    none = select_observations(records.observations, np.zeros(0, np.int64))
    return replace(records, observations=none)


def only_behaviour(records: Records) -> Records:
    users = replace(
        records.users,
        born_at=np.full(len(records.users), np.nan),
        sex=np.zeros(len(records.users), np.int8),
        condition_user=np.zeros(0, np.int32),
        condition_name=np.zeros(0, object),
        attributes={},
    )
    return replace(without_readings(records), users=users)


def all_positive(records: Records) -> Records:
    events = records.events
    users, actions = events.user[events.kind == 3], events.action[events.kind == 3]
    done = set(zip(users.tolist(), actions.tolist(), strict=True))
    kept = [pair in done for pair in zip(events.user.tolist(), events.action.tolist(), strict=True)]
    return replace(records, events=select_events(events, np.array(kept)))


def all_negative(records: Records) -> Records:
    return replace(records, events=select_events(records.events, records.events.kind != 3))


def one_action(records: Records) -> Records:
    return replace(records, events=select_events(records.events, records.events.action == 2))


@pytest.mark.parametrize(
    "change",
    [
        only(1),
        only(3),
        only(40),
        without_sex,
        without_readings,
        only_behaviour,
        all_positive,
        all_negative,
        one_action,
    ],
)
def test_poor_data_still_gives_finite_scores(world: Cohort, change: Change) -> None:
    records = change(world.records)
    quick = ModelSettings(feature_sweeps=3, factor_sweeps=3)
    model = hybrid.fit(records, world.catalogue, world.metrics, world.as_of, settings=quick)
    assert np.isfinite(model.score(records, world.as_of)).all()
    assert unpack(*pack(model)).catalogue.ids == world.catalogue.ids


def test_a_catalogue_of_one_action_is_enough(world: Cohort) -> None:
    records = one_action(world.records)
    events = replace(records.events, action=np.zeros(len(records.events), np.int32))
    one = Catalogue((Action("only", "Walk", "activity"),))
    records = replace(records, events=events)
    model = hybrid.fit(records, one, world.metrics, world.as_of)
    assert np.isfinite(model.score(records, world.as_of)).all()


def test_nothing_to_learn_from_is_said(world: Cohort) -> None:
    silent = select_events(world.records.events, np.zeros(0, np.int64))
    with pytest.raises(NothingToLearnError):
        hybrid.fit(
            replace(world.records, events=silent), world.catalogue, world.metrics, world.as_of
        )


def test_a_search_keeps_what_it_chose_with_the_run(
    world: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "_FEWEST_ROWS", 1_000)
    settings = ModelSettings(search_seconds=1.0, rank=4)
    begun = {"rank": 8.0, "level_half_life_days": 30.0}
    model = hybrid.fit(
        world.records, world.catalogue, world.metrics, world.as_of, settings=settings, start=begun
    )
    used = model.facts["settings"]
    assert model.facts["search"]["tried"] > 1
    assert (
        model.holdout["setting_rank"] == used["rank"] == model.parameters.factors.mean.shape[1] - 1
    )
    assert model.parameters.space.slots.half_life_days == used["level_half_life_days"]
    again = unpack(*pack(model))
    assert again.parameters.space.slots.half_life_days == used["level_half_life_days"]


def test_settings_are_bounded() -> None:
    with pytest.raises(ValueError, match="rank"):
        ModelSettings(rank=0)
