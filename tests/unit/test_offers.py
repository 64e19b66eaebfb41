"""What a model would offer, and what the gate makes of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.drift.feeds import FeedDrift
from recommender.drift.measure import Drift
from recommender.drift.offers import LIST_LENGTH, Offers, Withholding, gini, offers, seen
from recommender.gate import decide
from recommender.gate_limits import GateLimits

RULES = [("first", 1), ("second", 2), ("warns", 1)]
WITHHOLDING = [True, True, False]


def test_lists_near_misses_and_rules_by_hand() -> None:
    score = np.array([[0.9, 0.5, 0.1], [0.2, 0.8, 0.4], [0.3, 0.2, 0.1], [np.nan, 0.2, 0.1]])
    rule = np.array([[0, -1, -1], [-1, 2, -1], [1, 1, 0], [-1, -1, -1]], dtype=np.int16)
    withheld = (rule == 0) | (rule == 1)
    one = seen(score[:2], withheld[:2], rule[:2], 3)
    other = seen(score[2:], withheld[2:], rule[2:], 3)
    assert one.lists[:, :4].tolist() == [[1, 2, -1, -1], [1, 2, 0, -1]]
    found = offers([one, other], 3, RULES, WITHHOLDING, ("third",))
    assert found is not None
    assert (found.people, found.actions, found.listed) == (4, 3, 3)
    assert (found.full, found.empty, found.unscored) == (0.25, 0.25, 0.25)
    # The first person's best is withheld by the first rule, the third's by the second.
    assert found.near == 0.5
    assert found.rules == {
        "first": Withholding(people=0.5, pairs=2 / 12, near=0.25),
        "second": Withholding(people=0.25, pairs=2 / 12, near=0.25),
    }
    assert found.withheld == pytest.approx(4 / 12)
    assert found.versions == {"first": 1, "second": 2, "warns": 1}
    # Two people have the second and third action, one all three, so that places go 1, 3, 3.
    assert found.gini == pytest.approx(gini(np.array([1, 3, 3])))


def test_nobody_and_nothing_to_offer_say_nothing() -> None:
    nobody = seen(np.empty((0, 3)), np.empty((0, 3), bool), np.empty((0, 3), np.int16), 3)
    assert offers([nobody], 3, RULES, WITHHOLDING) is None
    assert offers([], 0, RULES, WITHHOLDING) is None


@given(st.integers(1, 40), st.integers(1, 25), st.integers(0, 2**20), st.floats(0, 1))
def test_figures_are_shares_however_people_are_cut_up(
    people: int, actions: int, seed: int, share: float
) -> None:
    random = np.random.default_rng(seed)
    score = random.random((people, actions))
    rule = np.where(random.random((people, actions)) < share, 0, -1).astype(np.int16)
    cut = int(random.integers(0, people + 1))
    whole = offers([seen(score, rule == 0, rule, 3)], actions, RULES, WITHHOLDING)
    halves = [seen(score[part], rule[part] == 0, rule[part], 3) for part in np.s_[:cut, cut:]]
    if not cut or cut == people:
        halves = halves[:1] if cut else halves[1:]
    assert offers(halves, actions, RULES, WITHHOLDING) == whole
    assert whole is not None
    for value in (whole.full, whole.empty, whole.near, whole.withheld, whole.gini, whole.coverage):
        assert -1e-9 <= value <= 1
    assert whole.near <= whole.rules["first"].people
    lengths = actions - (rule == 0).sum(axis=1)
    assert whole.empty == (lengths == 0).mean()
    assert whole.full == (lengths >= min(LIST_LENGTH, actions)).mean()


def test_what_concerns_few_people_is_no_figure() -> None:
    small = replace(USUAL, people=100, rules={"few": Withholding(0.19, 0.1, 0.19)})
    assert not any(segment == "few" for (_, segment), _ in small.figures())


USUAL = Offers(
    people=2000,
    actions=100,
    listed=60,
    top_share=0.5,
    top_share_se=0.003,
    gini=0.74,
    full=1.0,
    empty=0.0,
    unscored=0.0,
    near=0.12,
    rules={
        "smokers": Withholding(people=0.76, pairs=0.10, near=0.10),
        "pregnant": Withholding(people=0.02, pairs=0.01, near=0.02),
    },
    versions={"smokers": 2, "pregnant": 1, "crisis": 1},
)


def drift(now: Offers, before: Offers = USUAL, days: float = 1.0) -> Drift:
    return Drift((), before=dict(before.figures()), offers=now, days=days)


def rules(smokers: Withholding, pregnant: Withholding | None = None) -> Offers:
    known = {"smokers": smokers, "pregnant": pregnant or USUAL.rules["pregnant"]}
    return replace(USUAL, rules=known, near=sum(one.near for one in known.values()))


def added(new: Withholding, **others: Withholding) -> Offers:
    known = {**USUAL.rules, **others, "new": new}
    near = sum(one.near for one in known.values())
    return replace(USUAL, rules=known, near=near, versions={**USUAL.versions, "new": 1})


SMOKERS = USUAL.rules["smokers"]
GONE = Withholding(0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (replace(USUAL, empty=0.08, full=0.99), "more people have an empty list: 8.0%"),
        (replace(USUAL, full=0.9), "fewer people have a full list: 90.0%, it was 100.0%"),
        (replace(USUAL, listed=25), "of 100 actions only 25 stand in anybody's first 10"),
        (replace(USUAL, top_share=0.8, gini=0.9), "10 most listed actions take 80% of all places"),
        (replace(USUAL, unscored=0.001), "0.10% of people have actions without a score"),
        (
            replace(USUAL, versions={"smokers": 2, "pregnant": 1}),
            "no longer in force: crisis (2 rules, it was 3)",
        ),
        (replace(USUAL, versions={**USUAL.versions, "smokers": 1}), "older than those of the"),
        (rules(replace(SMOKERS, near=0.2)), "withheld for 22.0% of people, it was 12.0%"),
        (rules(SMOKERS, Withholding(0.4, 0.01, 0.02)), "pregnant (from 40.0% of people, it was 2"),
        (rules(GONE), "smokers (from 76.0% of people, now from 0.0%)"),
        (rules(SMOKERS, GONE), "pregnant (from 2.0% of people, now from 0.0%)"),
    ],
)
def test_each_fault_holds_back(now: Offers, said: str) -> None:
    [reason] = decide({}, {}, drift(now)).reasons
    assert said in reason


@pytest.mark.parametrize(
    "now",
    [
        USUAL,
        replace(USUAL, empty=0.04, full=0.96),
        # A catalogue that grew fivefold, and one of which most was retired.
        replace(USUAL, actions=500, listed=70, gini=0.93),
        replace(USUAL, actions=20, listed=19, top_share=0.8, gini=0.4),
        replace(USUAL, top_share=0.7, gini=0.85),
        replace(USUAL, versions={"smokers": 3, "pregnant": 1}, switched_off=("crisis",)),
        rules(replace(SMOKERS, near=0.14)),
        rules(replace(SMOKERS, people=0.2)),
        # A rule further up now withholds the same, and a new rule is no fault of the model.
        added(SMOKERS, smokers=GONE),
        added(Withholding(0.5, 0.2, 0.4)),
        # Rules that were changed on purpose.
        replace(rules(SMOKERS, GONE), versions={**USUAL.versions, "pregnant": 2}),
        replace(
            rules(SMOKERS, Withholding(0.4, 0.1, 0.3)), versions={**USUAL.versions, "pregnant": 2}
        ),
        rules(SMOKERS, Withholding(0.2, 0.01, 0.02)),
        # So few people that chance may do it.
        replace(USUAL, people=1000, rules={**USUAL.rules, "pregnant": Withholding(0.01, 0.01, 0)}),
        replace(USUAL, people=30, empty=0.1, full=0.9),
    ],
)
def test_what_is_usual_chance_or_on_purpose_passes(now: Offers) -> None:
    assert decide({}, {}, drift(now)).reasons == ()


def test_without_a_run_in_force_only_missing_scores_count() -> None:
    assert decide({}, None, drift(replace(USUAL, empty=1.0, full=0.0))).passed
    assert not decide({}, None, drift(replace(USUAL, unscored=0.001))).passed


def test_a_run_from_before_such_figures_says_nothing() -> None:
    assert decide({}, {}, Drift((), offers=replace(USUAL, empty=1.0, versions={}))).passed


def test_what_was_unknown_may_dwindle_while_no_run_was_published() -> None:
    dwindled = rules(replace(SMOKERS, people=0.1, pairs=0.01))
    assert not decide({}, {}, drift(dwindled)).passed
    assert decide({}, {}, drift(dwindled, days=8.0)).passed
    assert not decide({}, {}, drift(rules(GONE), days=8.0)).passed
    risen = rules(SMOKERS, Withholding(0.4, 0.01, 0.02))
    assert decide({}, {}, drift(risen, days=8.0)).passed


def test_a_forced_run_is_the_new_normal() -> None:
    for now in (replace(USUAL, listed=25), rules(GONE), replace(USUAL, versions={"smokers": 2})):
        assert not decide({}, {}, drift(now)).passed
        assert decide({}, {}, drift(now, before=now)).passed


SILENT = FeedDrift("steps/watch", 0.5, 0.85, 0.0, usual_day=100.0, day=0.1)


@pytest.mark.parametrize(
    ("feed", "arrived", "holds"),
    [
        (SILENT, 1.0, True),
        (replace(SILENT, day=0.3), 1.0, False),
        (SILENT, 0.35, False),  # records arrive late, on that night as well
        (replace(SILENT, day=0.05), 0.35, True),
        (replace(SILENT, day=0.0), 0.25, False),  # so late that the last day is always small
        (SILENT, None, False),
        (replace(SILENT, share=0.01), 1.0, False),
        (replace(SILENT, day=None), 1.0, False),
    ],
)
def test_a_feed_that_fell_silent_today(feed: FeedDrift, arrived: float | None, holds: bool) -> None:
    before = {("feed_ratio", "steps/watch"): 1.0}
    if arrived is not None:
        before["feed_day", "steps/watch"] = arrived
    reasons = decide({}, {}, Drift((), feeds=(feed,), before=before)).reasons
    assert [reason.startswith("feeds fell silent") for reason in reasons] == [True] * holds


def test_a_stop_that_is_expected_holds_nothing_back() -> None:
    stopped = replace(SILENT, ratio=0.0, day=0.0)
    before = {("feed_ratio", "steps/watch"): 1.0, ("feed_day", "steps/watch"): 1.0}
    found = Drift((), feeds=(stopped,), before=before)
    assert len(decide({}, {}, found).reasons) == 1  # one fault, said once
    for names in ("steps/watch", "event/rate, steps/w*", "*"):
        assert decide({}, {}, found, GateLimits(gate_expected_stops=names)).passed
    for names in ("steps", "event/*", " , "):
        assert not decide({}, {}, found, GateLimits(gate_expected_stops=names)).passed
    odd = replace(stopped, ratio=1.0, day=1.0, shift=2.0)
    shifted = Drift((), feeds=(odd,), before=before)
    assert not decide({}, {}, shifted, GateLimits(gate_expected_stops="*")).passed
