"""Lists with and without guardrails, and what they come to in groups."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from histories import ACTIONS, CATALOGUE, END, METRICS, SPLIT, history
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.dataset import IntArray, Records
from recommender.domain import SECONDS_PER_DAY
from recommender.guardrails.rules import Rule
from recommender.leaderboard import harm as module
from recommender.leaderboard.harm import EVERYBODY, OTHER_RULES, Harm, harm_of
from recommender.leaderboard.held_out import HeldOut, hold_out, judged_records
from recommender.leaderboard.listed import Assess, Assessed, Shelf, first_places, resting_actions
from recommender.ranking import resting, varied_order

SHELF = Shelf(np.ones(ACTIONS, bool), np.arange(ACTIONS) % 2, np.zeros(ACTIONS), 30.0, 3.0, 0.85)
RULES = [
    Rule(name, 1, "withhold", severity, "true", "", "", "Somebody", "2024")
    for name, severity in (("sick", "critical"), ("few", "warning"))
]


@pytest.fixture(scope="module")
def held() -> HeldOut:
    return hold_out(history(), SPLIT, END, 0)


def has_condition(records: Records) -> IntArray:
    return np.unique(records.users.condition_user).astype(np.int64)


def withholding(best: int, sick: tuple[int, ...]) -> Assess:
    """Everybody's best action is ``best``; from people with a condition ``sick`` are withheld."""

    def assess(records: Records, at: float) -> Assessed:
        shape = (len(records.users), ACTIONS)
        score = np.tile(np.linspace(0.5, 0.1, ACTIONS), (shape[0], 1))
        score[:, best] = 0.9
        withheld = np.zeros(shape, bool)
        withheld[np.ix_(has_condition(records), sick)] = True
        rule = np.where(withheld, 0, -1)
        return Assessed(score, withheld, np.zeros(shape, bool), rule)

    return assess


def judged(held: HeldOut, assess: Assess, shelf: Shelf = SHELF) -> Harm:
    return harm_of(held, CATALOGUE, METRICS, assess, shelf, RULES, 0)


def test_a_withheld_favourite_is_one_near_miss_for_each_who_lacks_it(held: HeldOut) -> None:
    found = judged(held, withholding(best=12, sick=(12,)))
    everybody, by_group = found.groups[0], {one.group: one for one in found.groups}
    sick, well = by_group["type 2 diabetes"], by_group["none recorded"]
    assert (everybody.group, everybody.people) == (EVERYBODY, len(held.users))
    assert found.near_misses == sick.people
    assert sick.near_misses.value == 1.0
    assert sick.any_near_miss.value == 1.0
    assert sick.any_near_miss.low < 1.0
    assert well.near_misses.value == 0.0
    assert sick.near_misses_gap is not None
    assert sick.near_misses_gap.value == 1.0
    assert sick.withheld.value == pytest.approx(1 / ACTIONS)
    assert [
        (r.rule_id, r.severity, r.near_misses, r.people_near, r.people) for r in found.rules
    ] == [("sick", "critical", sick.people, sick.people, sick.people)]
    assert "a12" not in [one.action_id for one in sick.most_shown]
    top = well.most_shown[0]
    assert (top.share, top.elsewhere) == (1.0, 1.0) or top.action_id == "a12"


def test_withheld_far_down_the_list_is_no_near_miss(held: HeldOut) -> None:
    last = ACTIONS - 1
    found = judged(held, withholding(best=0, sick=(last,)))
    assert found.near_misses == 0
    assert found.rules[0].people > 20
    assert found.groups[0].withheld.value > 0


def test_who_is_left_with_a_short_list_is_counted(held: HeldOut) -> None:
    found = judged(held, withholding(best=0, sick=tuple(range(ACTIONS - 9, ACTIONS))))
    by_group = {one.group: one for one in found.groups}
    assert by_group["type 2 diabetes"].short_list.value == 1.0
    assert by_group["none recorded"].short_list.value == 0.0
    assert by_group["none recorded"].short_list.high > 0.0
    retired = replace(SHELF, active=np.arange(ACTIONS) < 9)
    assert judged(held, withholding(0, ()), retired).groups[0].short_list.value == 1.0


def test_small_groups_and_the_rules_that_would_give_them_away_are_left_out(
    held: HeldOut, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEAST_PEOPLE", 48)
    found = judged(held, withholding(best=0, sick=(0,)))
    assert all(one.people >= 48 for one in found.groups)
    assert found.left_out > 0
    monkeypatch.setattr(module, "LEAST_PEOPLE", 100)
    found = judged(held, withholding(best=0, sick=(0,)))
    assert [one.group for one in found.groups] == [EVERYBODY]
    assert [rule.rule_id for rule in found.rules] == [OTHER_RULES]
    monkeypatch.setattr(module, "LEAST_PEOPLE", 65)
    gaps = [one.near_misses_gap for one in judged(held, withholding(0, (0,))).groups]
    assert gaps[0] is None
    assert any(gap is not None for gap in gaps)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.sampled_from([1.0, 0.85, 0.3]))
def test_lists_are_those_of_a_live_answer(seed: int, n: int, variety: float) -> None:
    random = np.random.default_rng(seed)
    score = np.round(random.random((3, n)), 1)  # with ties
    eligible, domain = random.random((3, n)) < 0.6, random.integers(0, 4, n)
    found = first_places(score, eligible, domain, variety)
    for person in range(3):
        mine = np.flatnonzero(eligible[person])
        expected = mine[varied_order(score[person, mine], domain[mine], variety)][:10]
        shown = found[person][found[person] >= 0]
        np.testing.assert_array_equal(shown, expected)
        assert (found[person][len(shown) :] == -1).all()


def test_a_long_domain_runs_out_without_nonsense() -> None:
    n = 6000
    with np.errstate(all="raise", under="ignore"):
        found = first_places(np.ones((1, n)), np.arange(n)[None] < 3, np.zeros(n, int), 0.5)
    assert found[0].tolist() == [0, 1, 2] + [-1] * 7


def test_what_rests_is_what_rests_in_a_live_answer(held: HeldOut) -> None:
    shelf = replace(SHELF, repeat_days=np.linspace(0, 12, ACTIONS))
    n, at = len(held.users), SPLIT - 5 * SECONDS_PER_DAY  # some events are yet to come
    people = judged_records(held, np.arange(n))
    found = resting_actions(shelf, people.events, n, at)
    assert 0 < found.sum() < found.size
    for user in range(0, n, 17):
        alone = judged_records(held, np.array([user]))
        expected = resting(
            alone.events, shelf.repeat_days, at, dismiss_rest_days=30.0, snooze_rest_days=3.0
        )
        np.testing.assert_array_equal(found[user], expected)
