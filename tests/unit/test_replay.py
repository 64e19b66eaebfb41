"""Replaying history: what each entrant knows, and what it must not know."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from histories import (
    ACTIONS,
    CATALOGUE,
    END,
    METRICS,
    PEOPLE,
    SLATE,
    SPLIT,
    by_scores,
    history,
    random_matrix,
)

from recommender.dataset import Events, IntArray, Records
from recommender.domain import (
    EVENT_CODES,
    SECONDS_PER_DAY,
)
from recommender.errors import NothingToLearnError
from recommender.leaderboard import baselines as baselines_module
from recommender.leaderboard import held_out, tally
from recommender.leaderboard.baselines import baselines
from recommender.leaderboard.board import Judged, judge
from recommender.leaderboard.curves import live_scores
from recommender.leaderboard.effects import feature_effects
from recommender.leaderboard.entrants import Entrant, model_entrant, single_parts
from recommender.leaderboard.held_out import HeldOut, hold_out
from recommender.leaderboard.history import recent_only
from recommender.leaderboard.policies import policy_lines
from recommender.leaderboard.replay import replay
from recommender.models import hybrid


@pytest.fixture(scope="module")
def records() -> Records:
    return history()


@pytest.fixture(scope="module")
def held(records: Records) -> HeldOut:
    return hold_out(records, SPLIT, END, seed=0)


@pytest.fixture(scope="module")
def model(held: HeldOut) -> hybrid.HybridModel:
    return hybrid.fit(held.past, CATALOGUE, METRICS, SPLIT)


def test_the_past_ends_at_the_split_and_the_question_begins_after_it(
    records: Records, held: HeldOut
) -> None:
    assert held.past.events.at.max() <= SPLIT < held.rows.at.min()
    assert len(held.past.events) < len(records.events)
    assert len(held.past.users) == PEOPLE
    assert len(held.users) == PEOPLE - 10


def test_ties_gain_nothing_from_the_catalogues_order(held: HeldOut) -> None:
    same = np.zeros((len(held.users), ACTIONS))
    orders = {
        tuple(replay(held, by_scores(same).scores, ACTIONS, seed).top[0].tolist())
        for seed in range(5)
    }
    assert len(orders) == 5


def trained(model: hybrid.HybridModel, held: HeldOut) -> list[Entrant]:
    return [*single_parts(model, held, CATALOGUE, METRICS, 0), model_entrant(model, held)]


def guessing(held: HeldOut, p: float = 0.3) -> Judged:
    """A model that gives everything the same probability."""
    log_odds = np.full((len(held.users), ACTIONS), np.log(p / (1 - p)))
    return judge(held, by_scores(log_odds, probability=True), ACTIONS, 0)


def test_nothing_after_the_split_changes_a_score(records: Records, held: HeldOut) -> None:
    events = records.events
    later = events.at > SPLIT
    random = np.random.default_rng(9)
    scrambled = events.action.copy()
    scrambled[later] = random.integers(0, ACTIONS, int(later.sum()))
    other = hold_out(replace(records, events=replace(events, action=scrambled)), SPLIT, END, 0)
    people = np.arange(20)
    for one, two in zip(baselines(held, CATALOGUE, 0), baselines(other, CATALOGUE, 0), strict=True):
        assert one.settings == two.settings
        np.testing.assert_array_equal(one.scores(people), two.scores(people), err_msg=one.name)
    model, again = (hybrid.fit(h.past, CATALOGUE, METRICS, SPLIT) for h in (held, other))
    for one, two in zip(trained(model, held), trained(again, other), strict=True):
        np.testing.assert_array_equal(one.scores(people), two.scores(people), err_msg=one.name)


def test_every_baseline_takes_part_and_knows_what_it_should(held: HeldOut) -> None:
    found = {e.name: e for e in baselines(held, CATALOGUE, 0)}
    assert list(found) == [
        "random", "popularity_count", "popularity_rate", "popularity_recent", "ials", "ease",
    ]  # fmt: skip
    everyone = np.arange(len(held.users))
    past = held.past.events
    done = past.action[past.kind == EVENT_CODES["complete"]]
    counts = np.bincount(done, minlength=ACTIONS)
    np.testing.assert_array_equal(found["popularity_count"].scores(everyone)[0], counts)
    np.testing.assert_array_equal(np.argmax(found["popularity_rate"].scores(everyone), axis=1), 13)
    new = np.flatnonzero(np.bincount(past.user, minlength=PEOPLE)[held.users] == 0)
    assert len(new) == 14
    for name in ("ials", "ease"):
        np.testing.assert_array_equal(
            np.argsort(found[name].scores(new)[0]), np.argsort(counts), err_msg=name
        )
    chance = found["random"].scores(everyone)
    assert len({tuple(np.argsort(row)) for row in chance}) == len(everyone)


def test_ease_finds_what_goes_together() -> None:
    """Whoever did 0 did 1; those who did only 0 so far should be told 1 before anything else."""
    counts = np.zeros((60, 6))
    counts[:40, [0, 1]] = 1.0
    counts[40:50, 0] = 1.0
    counts[30:60, 4] = 1.0
    user, action = np.nonzero(counts)
    n = len(user)
    nothing = np.full(n, np.nan)
    events = Events(
        user.astype(np.int32), action.astype(np.int32),
        np.full(n, EVENT_CODES["complete"], np.int8), np.zeros(n),
        np.full(n, -1, np.int64), nothing, nothing,
    )  # fmt: skip
    base = hold_out(history(people=60), SPLIT, END, 0)
    held = replace(base, past=replace(base.past, events=events), users=np.arange(60))
    scores = baselines_module._ease(held, {"ridge": 1.0}, 6, 0)(np.arange(40, 50))
    assert (scores[:, [0, 4]] > 0).all()  # each speaks for the other, nothing for itself
    scores[:, [0, 4]] = -np.inf
    assert (np.argmax(scores, axis=1) == 1).all()


def test_few_people_are_sampled_the_same_way_each_time(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_out, "MOST_SCORED", 30 * ACTIONS)
    most = held_out.most_judged(ACTIONS, held_out.MOST_SCORED)
    one, two, other = (hold_out(records, SPLIT, END, seed, most) for seed in (1, 1, 2))
    assert (len(one.users), one.active) == (30, PEOPLE - 10)
    np.testing.assert_array_equal(one.users, two.users)
    assert set(one.users) != set(other.users)
    assert one.rows.user.max() < 30
    assert len(one.propensity) == len(one.rows) == len(one.request)


def test_too_little_is_refused(records: Records) -> None:
    with pytest.raises(NothingToLearnError, match="before"):
        hold_out(records, -1.0, END, 0)
    with pytest.raises(NothingToLearnError, match="completed"):
        hold_out(records, END + 1, END + 2, 0)


def test_live_scores_know_the_day_before_and_not_the_day(
    records: Records, held: HeldOut, model: hybrid.HybridModel
) -> None:
    live = live_scores(model, records, held)
    hybrid_now = model_entrant(model, held)
    frozen = replay(held, hybrid_now.scores, ACTIONS, 0).row_score
    day = ((held.rows.at - SPLIT) // SECONDS_PER_DAY).astype(int)
    assert live[day == 0] == pytest.approx(frozen[day == 0])
    assert np.abs(live[day > 3] - frozen[day > 3]).max() > 0.01
    ends = records.events.at <= SPLIT + 5 * SECONDS_PER_DAY
    short = replace(records, events=Events(
        *(getattr(records.events, name)[ends] for name in Events.__dataclass_fields__)
    ))  # fmt: skip
    assert live_scores(model, short, held)[day <= 5] == pytest.approx(live[day <= 5])


def test_policies_are_estimated_from_the_log(held: HeldOut) -> None:
    """Under uniform logging, lists of the two best actions bring their own completion rates."""
    best = np.zeros((len(held.users), ACTIONS))
    best[:, [12, 13, 11]] = 1.0
    one = judge(held, by_scores(best), ACTIONS, 0)
    line = policy_lines(held, [one], guessing(held), ACTIONS, 0)[0]
    rows = held.rows
    rates = [rows.completed[rows.action == action].mean() for action in (11, 12, 13)]
    assert line.slate == SLATE
    assert line.estimates.refusal is None
    assert line.estimates.snips is not None
    assert line.estimates.snips.value == pytest.approx(sum(rates), rel=0.05)
    assert line.estimates.logged.value == pytest.approx(rows.completed.mean() * SLATE)


def test_policies_that_show_what_was_never_shown_are_refused_and_narrowed(held: HeldOut) -> None:
    kept = held.rows.action != 5
    rows = held.rows.select(kept)
    never = replace(
        held, rows=rows, propensity=held.propensity[kept] * 1.05, request=held.request[kept]
    )
    matrix = np.zeros((len(held.users), ACTIONS))
    matrix[:, [5, 9, 10]] = 1.0
    one = judge(held, by_scores(matrix), ACTIONS, 0)
    line = policy_lines(never, [one], guessing(never), ACTIONS, 0)[0]
    assert "never shown" in str(line.estimates.refusal)
    assert line.among_shown is not None
    assert line.among_shown.unsupported == 0.0


def test_less_history_forgets_events_and_keeps_readings(held: HeldOut) -> None:
    short = recent_only(held, 7)
    assert short.past.events.at.min() > SPLIT - 7 * SECONDS_PER_DAY
    assert len(short.past.observations) == len(held.past.observations)
    np.testing.assert_array_equal(short.pair_action, held.pair_action)


def test_effects_name_features_of_the_model(model: hybrid.HybridModel) -> None:
    found = feature_effects(model)
    assert {effect.part for effect in found} <= {"profile", "biometrics", "behaviour"}
    assert all(np.isfinite(effect.log_odds) for effect in found)
    assert any(effect.kind == "steps" for effect in found)


def test_a_log_without_impressions_is_ranked_all_the_same(records: Records) -> None:
    events = records.events
    done: IntArray = np.flatnonzero(events.kind == EVENT_CODES["complete"])
    only = Events(*(getattr(events, name)[done] for name in Events.__dataclass_fields__))
    held = hold_out(replace(records, events=only), SPLIT, END, 0)
    found = [judge(held, e, ACTIONS, 0) for e in baselines(held, CATALOGUE, 0)]
    assert [one.entrant.name for one in found] == [
        "random", "popularity_count", "popularity_recent", "ials", "ease",
    ]  # fmt: skip
    assert all("log_loss" not in one.tallies for one in found)
    assert tally.mean(found[1].tallies["ndcg_at_10"]) > tally.mean(found[0].tallies["ndcg_at_10"])
    assert policy_lines(held, found, found[0], ACTIONS, 0) == ()


def test_completions_still_to_come_are_allowed_for(records: Records) -> None:
    """A window that ends before half of the completions came says the same as a whole one."""
    events = records.events
    random = np.random.default_rng(4)
    late = np.where(events.kind == EVENT_CODES["complete"], random.uniform(0, 6, len(events)), 0.0)
    at = events.at + late * SECONDS_PER_DAY
    order = np.lexsort((at, events.user))
    moved = replace(events, at=at)
    slow = replace(
        records,
        events=Events(*(getattr(moved, n)[order] for n in Events.__dataclass_fields__)),
    )
    found = []
    for end in (END - 4 * SECONDS_PER_DAY, END + 7 * SECONDS_PER_DAY):
        held = hold_out(slow, SPLIT - 6 * SECONDS_PER_DAY, end, 0)
        one = judge(held, by_scores(random_matrix(held)), ACTIONS, 0)
        line = policy_lines(held, [one], guessing(held), ACTIONS, 0)[0]
        found.append(line.estimates.logged.value)
    assert found[0] == pytest.approx(found[1], rel=0.06)


def test_each_part_is_a_model_of_its_own(held: HeldOut, model: hybrid.HybridModel) -> None:
    """Trained alone, not taken out of the hybrid; each knows only what it should."""
    settings = hybrid.ModelSettings()
    people = held_out.judged_records(held, np.arange(len(held.users)))
    for switch, nothing in (("use_factors", [4]), ("use_features", [1, 2, 3])):
        alone = hybrid.fit(
            held.past, CATALOGUE, METRICS, SPLIT, settings=replace(settings, **{switch: False})
        ).score(people, SPLIT)
        assert not alone[:, :, nothing].any()
        assert alone.any(axis=(0, 1)).sum() >= 2
    features, factors, both = trained(model, held)
    assert [e.name for e in (features, factors, both)] == ["features", "factors", "hybrid"]
    everyone = np.arange(len(held.users))
    new = np.flatnonzero(np.bincount(held.past.events.user, minlength=PEOPLE)[held.users] == 0)
    assert np.ptp(features.scores(everyone)[new], axis=0).max() > 0.01
    parts = model.score(people, SPLIT)
    assert np.abs(features.scores(everyone) - parts[:, :, :4].sum(axis=2)).max() > 0.01
    assert np.abs(factors.scores(everyone) - parts[:, :, 0] - parts[:, :, 4]).max() > 0.01
    losses = [
        tally.mean(judge(held, e, ACTIONS, 0).tallies["log_loss"])
        for e in (features, factors, both)
    ]
    assert losses[2] < 1.01 * min(losses)
    assert both.settings["rank"] == hybrid.ModelSettings().rank
    assert both.settings["trust_in_factors"] == model.parameters.trust.factor


def test_ease_stays_away_from_very_large_catalogues(
    held: HeldOut, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert baselines_module.left_out(ACTIONS) == ()
    monkeypatch.setattr(baselines_module, "MOST_EASE", ACTIONS - 1)
    names = [entrant.name for entrant in baselines(held, CATALOGUE, 0)]
    assert names[-1] == "ials"
    assert "EASE takes no part" in baselines_module.left_out(ACTIONS)[0]
