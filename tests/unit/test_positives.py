"""Logs of completions only: the fold-in, what is held out, the blend and the calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.dataset import FloatArray, Records
from recommender.domain import Action, Catalogue
from recommender.gate import decide
from recommender.models import hybrid
from recommender.models.artifact import pack, unpack
from recommender.models.hybrid import HybridModel, ModelSettings
from recommender.models.opportunities import sampled_opportunities
from recommender.models.positives import Confidence, fold_in_pairs, own_pairs
from recommender.models.positives_calibration import fit_logistic
from recommender.models.positives_hold_out import hold_out
from recommender.models.positives_ranking import Judged
from recommender.models.positives_search import STARTS
from recommender.models.positives_tastes import fit_tastes
from recommender.models.prepared import frame_of
from recommender.quality import ndcg_at_k
from tests.benchmarks.interaction_logs import AS_OF, NO_METRICS, completions

DAY = 86_400.0
QUICK = ModelSettings(search_seconds=0.5)
PEOPLE, ACTIONS, GROUPS = 240, 60, 4
DISMISS = 4


def groups() -> Catalogue:
    """Sixty actions of four kinds, told by their tag."""
    return Catalogue(
        tuple(
            Action(f"a{i:03}", f"Action {i}", "any", tags=(f"kind{i % GROUPS}",))
            for i in range(ACTIONS)
        )
    )


def tastes_by_group(seed: int = 0, each: int = 8, spread_days: float = 0.0) -> Records:
    """People who complete different actions, mostly of one kind; no instants unless asked for."""
    draws = np.random.default_rng(seed)
    user = np.repeat(np.arange(PEOPLE), each)
    kind = np.arange(ACTIONS) % GROUPS
    rows = []
    for person in range(PEOPLE):
        odds = np.where(kind == person % GROUPS, 12.0, 1.0) * np.linspace(2, 1, ACTIONS)
        rows.append(draws.choice(ACTIONS, each, replace=False, p=odds / odds.sum()))
    at = AS_OF - DAY - draws.random(len(user)) * spread_days * DAY
    return completions(user, np.concatenate(rows), at, PEOPLE)


@pytest.fixture(scope="module")
def lists() -> Records:
    return tastes_by_group()


@pytest.fixture(scope="module")
def model(lists: Records) -> HybridModel:
    return hybrid.fit(lists, groups(), NO_METRICS, AS_OF, settings=QUICK)


class TestFoldIn:
    def test_it_solves_the_ridge_regression_written_out(self) -> None:
        draws = np.random.default_rng(1)
        raw, ridge = draws.normal(size=(9, 3)), 0.7
        confidence = np.array([4.0, 9.0, 2.0])
        own = np.array([1, 4, 6])
        whole = raw.T @ raw + ridge * np.eye(3)
        system = whole + (raw[own] * (confidence - 1)[:, None]).T @ raw[own]
        expected = raw @ np.linalg.solve(system, raw[own].T @ confidence)
        scaled = np.linalg.solve(np.linalg.cholesky(whole), raw.T).T
        by_action = np.ones(9)
        by_action[own] = confidence
        records = completions(np.zeros(3, int), own, np.arange(3.0), 1)
        even = Confidence(by_action, 1.0, 3.0, 0.0, 0.0)
        rows, users = fold_in_pairs(records.events, 1, scaled, even)
        np.testing.assert_allclose(scaled @ users.mean[0], expected, atol=1e-12)
        shares = scaled @ users.covariance[0] @ (scaled[rows.action] * users.pull[:, None]).T
        np.testing.assert_allclose(shares.sum(axis=1), expected, atol=1e-12)

    def test_training_and_fold_in_agree(self, lists: Records) -> None:
        frame = frame_of(lists, groups(), NO_METRICS, AS_OF, 2.0)
        pairs = own_pairs(lists.events, ACTIONS)
        tastes = fit_tastes(frame, pairs, PEOPLE, STARTS[2], 60, 0)
        _, users = fold_in_pairs(lists.events, PEOPLE, tastes.actions, tastes.confidence)
        trained, folded = (u @ tastes.actions.T for u in (tastes.users, users.mean))
        np.testing.assert_allclose(folded, trained, atol=0.02)

    @settings(max_examples=40, deadline=None)
    @given(
        rows=st.lists(
            st.tuples(st.integers(0, 4), st.integers(0, 7), st.sampled_from([3, DISMISS])),
            max_size=40,
        )
    )
    def test_people_alone_and_together_come_to_the_same(
        self, rows: list[tuple[int, int, int]]
    ) -> None:
        rows = sorted(rows, key=lambda row: row[0])
        user, action, kind = (np.array([row[i] for row in rows], int) for i in range(3))
        records = completions(user, action, np.arange(float(len(rows))), 5)
        events = replace(records.events, kind=kind.astype(np.int8))
        factors = np.random.default_rng(3).normal(size=(8, 3)) / 4
        power = Confidence(np.arange(1.0, 9.0), 1.0, 2.0, 0.4, 0.5)
        _, every = fold_in_pairs(events, 5, factors, power)
        for person in range(5):
            mine = events.user == person
            alone = completions(
                np.zeros(mine.sum(), int), action[mine], np.arange(float(mine.sum())), 1
            )
            only = replace(alone.events, kind=events.kind[mine])
            _, one = fold_in_pairs(only, 1, factors, power)
            np.testing.assert_allclose(one.mean[0], every.mean[person], atol=1e-10)

    def test_a_later_dismissal_takes_a_completion_back(self) -> None:
        records = completions(np.zeros(3, int), np.array([2, 5, 2]), np.arange(3.0), 1)
        events = replace(records.events, kind=np.array([3, 3, DISMISS], np.int8))
        pairs = own_pairs(events, 6)
        assert pairs.action.tolist() == [2, 5]
        assert pairs.count.tolist() == [0.0, 1.0]


class TestHoldOut:
    def test_equal_instants_hold_out_a_random_part_of_everybody(self, lists: Records) -> None:
        held = hold_out(lists, 0)
        assert held is not None
        assert not held.by_time
        assert len(held.user) + len(held.past.events) == len(lists.events)
        assert len(np.unique(held.user)) > PEOPLE / 2

    def test_real_instants_hold_out_the_end(self) -> None:
        records = tastes_by_group(spread_days=60.0)
        held = hold_out(records, 0)
        assert held is not None
        assert held.by_time
        assert held.past.events.at.max() <= held.at
        assert len(held.user) == (records.events.at > held.at).sum()

    def test_an_end_by_strangers_only_says_nothing(self, lists: Records) -> None:
        """A file written person after person, a minute a line."""
        at = AS_OF - DAY * 90 + np.arange(len(lists.events)) * DAY / 24
        held = hold_out(replace(lists, events=replace(lists.events, at=at)), 0)
        assert held is not None
        assert not held.by_time


def score(model: HybridModel, records: Records) -> FloatArray:
    return np.asarray(model.score(records, AS_OF).sum(axis=2))


class TestLists:
    """People's lists of different actions, all at one instant."""

    def test_it_ranks_what_people_like_above_what_everybody_does(
        self, model: HybridModel, lists: Records
    ) -> None:
        liked = (np.arange(ACTIONS) % GROUPS == np.arange(PEOPLE)[:, None] % GROUPS) * 1.0
        popular = np.bincount(lists.events.action, minlength=ACTIONS) * 1.0
        everybody = ndcg_at_k(liked, np.tile(popular, (PEOPLE, 1))).mean()
        assert ndcg_at_k(liked, score(model, lists)).mean() > everybody + 0.3
        assert model.holdout["hybrid_ndcg_at_10"] > 1.2 * model.holdout["popularity_ndcg_at_10"]

    def test_what_nobody_repeats_comes_last(self, model: HybridModel, lists: Records) -> None:
        scores = score(model, lists)
        done = np.zeros(scores.shape, bool)
        done[lists.events.user, lists.events.action] = True
        worst_new = np.where(done, np.inf, scores).min(axis=1)
        best_done = np.where(done, scores, -np.inf).max(axis=1)
        assert (best_done < worst_new).mean() > 0.99

    def test_the_rest_keeps_the_order_of_base_and_factors(
        self, model: HybridModel, lists: Records
    ) -> None:
        parts = model.score(lists, AS_OF)
        done = np.zeros(parts.shape[:2], bool)
        done[lists.events.user, lists.events.action] = True
        among_new = np.where(done, np.nan, parts[:, :, 3])
        assert np.nanmax(np.nanmax(among_new, axis=1) - np.nanmin(among_new, axis=1)) < 1e-9

    def test_probabilities_are_those_of_the_part_held_out(
        self, model: HybridModel, lists: Records
    ) -> None:
        p = 1 / (1 + np.exp(-score(model, lists)))
        held = hold_out(lists, 0)
        assert held is not None
        # less, as what was held out then is done now
        assert 0.5 * len(held.user) < p.sum() < 1.1 * len(held.user)
        assert model.holdout["hybrid_ece"] < 0.02

    def test_the_gate_finds_its_figures_and_the_run_its_settings(self, model: HybridModel) -> None:
        assert decide(model.holdout, model.holdout).passed
        found = {"search_popularity", "search_factors", "search_base", "search_chosen"}
        assert found <= set(model.holdout)
        best_single = max(model.holdout[name] for name in found - {"search_chosen"})
        assert model.holdout["search_chosen"] >= 0.99 * best_single
        chosen = model.facts["chosen"]
        assert chosen["held_out"] == "random part"
        assert chosen["tried"] >= 1
        assert set(chosen["recipe"]["tastes"]) == set(STARTS[0])

    def test_people_without_history_get_what_is_popular(
        self, model: HybridModel, lists: Records
    ) -> None:
        none = completions(np.zeros(0, int), np.zeros(0, int), np.zeros(0), 1)
        popular = np.bincount(lists.events.action, minlength=ACTIONS)
        order = np.argsort(-score(model, none)[0])
        assert (np.diff(popular[order]) <= 0).all()

    def test_a_new_action_is_liked_by_those_who_like_its_kind(
        self, model: HybridModel, lists: Records
    ) -> None:
        new = Action("new", "New", "any", tags=("kind1",))
        wide = model.aligned_to(Catalogue((*groups().actions, new)))
        scores = score(wide, lists)[:, -1]
        likes = np.arange(PEOPLE) % GROUPS == 1
        assert scores[likes].mean() > scores[~likes].mean() + 0.1
        np.testing.assert_allclose(score(wide, lists)[:, :-1], score(model, lists), atol=1e-9)

    def test_it_is_stored_and_restored(self, model: HybridModel, lists: Records) -> None:
        again = unpack(*pack(model)).aligned_to(groups())
        np.testing.assert_array_equal(score(again, lists), score(model, lists))
        assert again.parameters.confidence is not None
        assert PEOPLE not in {n for array in model.arrays().values() for n in array.shape}

    def test_a_dismissal_speaks_against_the_action(
        self, model: HybridModel, lists: Records
    ) -> None:
        action = 8
        one = completions(
            np.zeros(4, int), np.array([0, 4, 12, action]), np.full(4, AS_OF - DAY), 1
        )
        kinds = np.where(one.events.action == action, DISMISS, 3).astype(np.int8)
        refused = replace(one, events=replace(one.events, kind=kinds))
        silent = completions(np.zeros(3, int), np.array([0, 4, 12]), np.full(3, AS_OF - DAY), 1)
        before, after = (model.score(r, AS_OF)[0, :, 4] for r in (silent, refused))
        assert after[action] < before[action] - 0.05


def test_where_people_repeat_what_they_do_it_counts_in_favour() -> None:
    draws = np.random.default_rng(5)
    user = np.repeat(np.arange(150), 40)
    favourite = draws.permuted(np.tile(np.arange(ACTIONS), (150, 1)), axis=1)[:, :4]
    often = draws.random(len(user)) < 0.8
    beloved = favourite[user, draws.integers(0, 4, len(user))]
    action = np.where(often, beloved, draws.integers(0, ACTIONS, len(user)))
    at = AS_OF - draws.random(len(user)) * 60 * DAY
    records = completions(user, action, at, 150)
    model = hybrid.fit(records, groups(), NO_METRICS, AS_OF, settings=QUICK)
    parts = model.score(records, AS_OF)
    others = np.ones(parts.shape[:2], bool)
    np.put_along_axis(others, favourite, False, axis=1)
    p = 1 / (1 + np.exp(-parts.sum(axis=2)))
    assert p[~others].mean() > 10 * p[others].mean()
    assert model.facts["chosen"]["held_out"] == "last part"
    assert model.holdout["hybrid_ece"] < 0.02
    weekly = len(user) / (60 / 7)
    assert weekly * 0.6 < p.sum() < weekly * 0.9  # some of them more than once


def test_popularity_alone_is_chosen_where_nothing_else_helps() -> None:
    draws = np.random.default_rng(6)
    odds = 1.0 / np.arange(1, ACTIONS + 1)
    rows = [draws.choice(ACTIONS, 6, replace=False, p=odds / odds.sum()) for _ in range(PEOPLE)]
    user = np.repeat(np.arange(PEOPLE), 6)
    records = completions(user, np.concatenate(rows), np.full(len(user), AS_OF - DAY), PEOPLE)
    model = hybrid.fit(records, groups(), NO_METRICS, AS_OF, settings=QUICK)
    recipe: Mapping[str, float] = model.facts["chosen"]["recipe"]
    assert recipe["base"] >= 0.4
    assert model.holdout["hybrid_ndcg_at_10"] > 0.97 * model.holdout["popularity_ndcg_at_10"]


def test_popularity_that_fades_is_found() -> None:
    draws = np.random.default_rng(7)
    n = 4_000
    at = np.sort(draws.random(n)) * 120
    centre = at / 120 * ACTIONS
    action = (centre + draws.normal(0, 3, n)).astype(int) % ACTIONS
    records = completions(draws.integers(0, 400, n), action, AS_OF + (at - 121) * DAY, 400)
    model = hybrid.fit(records, groups(), NO_METRICS, AS_OF, settings=QUICK)
    assert 0 < model.facts["chosen"]["recipe"]["half_life_days"] <= 14


def test_too_little_to_hold_anything_out_still_trains() -> None:
    records = completions(np.array([0, 0, 1]), np.array([1, 2, 2]), np.full(3, AS_OF - DAY), 2)
    model = hybrid.fit(records, groups(), NO_METRICS, AS_OF, settings=QUICK)
    scores = score(model, records)
    assert np.isfinite(scores).all()
    assert model.holdout == {}
    assert decide(model.holdout, None).passed


def test_everybody_is_refused_every_action_about_equally_often() -> None:
    rows = sampled_opportunities(tastes_by_group(), ACTIONS, AS_OF, 0)
    refused = ~rows.completed
    times = np.zeros((PEOPLE, ACTIONS), int)
    np.add.at(times, (rows.user[refused], rows.action[refused]), 1)
    assert (times.max(axis=1) - times.min(axis=1) <= 1).all()
    assert times.sum(axis=0).std() < 0.1 * times.sum(axis=0).mean()


class TestCalibration:
    def test_it_finds_the_weights_that_made_the_data(self) -> None:
        draws = np.random.default_rng(8)
        design = np.column_stack([np.ones(60_000), draws.normal(size=(60_000, 2))])
        truth = np.array([-3.0, 1.5, -0.8])
        done = draws.random(60_000) < 1 / (1 + np.exp(-design @ truth))
        found = fit_logistic(design, done, np.ones(60_000), np.array([30.0, 10.0, 3.0]))
        np.testing.assert_allclose(found, truth, atol=0.08)

    def test_the_slope_is_never_negative(self) -> None:
        score = np.linspace(-5, 5, 500)
        design = np.column_stack([np.ones(500), score])
        found = fit_logistic(design, score < 0, np.ones(500), np.array([30.0, 10.0]))
        assert 0 < found[1] < 0.01
        assert found[0] == pytest.approx(0.0, abs=0.05)

    def test_what_never_happens_gets_a_large_but_finite_weight(self) -> None:
        draws = np.random.default_rng(9)
        repeated = draws.random(20_000) < 0.3
        score = draws.normal(size=20_000) + 3 * repeated
        done = (draws.random(20_000) < 0.2) & ~repeated
        design = np.column_stack([np.ones(20_000), score, repeated])
        found = fit_logistic(design, done, np.ones(20_000), np.array([30.0, 10.0, 3.0]))
        assert -30 < found[2] < -5


def test_a_list_is_judged_as_by_hand() -> None:
    judged = Judged(
        np.array([0]), np.array([[False, True, False, True]]), np.zeros((1, 4), bool), True
    )
    scores = np.array([[3.0, 2.0, 1.0, 0.0]], np.float32)
    best = judged.best(scores)
    ndcg, recall = judged.measures(best, np.take_along_axis(scores, best, axis=1), 2)
    assert recall.tolist() == [0.5]
    ideal = 1 + 1 / np.log2(3)
    np.testing.assert_allclose(ndcg, [1 / np.log2(3) / ideal])
