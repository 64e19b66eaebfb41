"""Nobody gets an action whose own ``eligible`` they are not known to meet, alone or among many."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from guardrail_people import NOW, Person, metrics, person, records_of, shipped_rules
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.dataset import Events, Records
from recommender.domain import EVENT_CODES, Action, Catalogue, Eligibility, Sex, Verdict
from recommender.guardrails.check import Guard

DAY = 86_400.0
WITHHOLD = list(Verdict).index(Verdict.WITHHOLD)
WELL = {"systolic_bp": 118.0, "diastolic_bp": 76.0}


def action(name: str, eligible: Eligibility, *tags: str) -> Action:
    return Action(name, name, "activity", tags=tags, eligible=eligible)


def completed(records: Records, *done: tuple[int, int, float], kind: str = "complete") -> Records:
    """``done``: (user, action, days ago) each."""
    rows = sorted((user, NOW - days * DAY, which) for user, which, days in done)
    many = len(rows)
    return replace(
        records,
        events=Events(
            user=np.array([row[0] for row in rows], dtype=np.int32),
            action=np.array([row[2] for row in rows], dtype=np.int32),
            kind=np.full(many, EVENT_CODES[kind], dtype=np.int8),
            at=np.array([row[1] for row in rows]),
            request=np.full(many, -1),
            propensity=np.full(many, np.nan),
            value=np.full(many, np.nan),
        ),
    )


def rule_id(guard: Guard, records: Records, user: int = 0, place: int = 0) -> str | None:
    return guard.rule_id(int(guard.decide(records, NOW).rule[user, place]))


def guard_of(*actions: Action) -> Guard:
    return Guard(shipped_rules(), Catalogue(actions), metrics())


@pytest.mark.parametrize(
    ("eligible", "meets", "fails"),
    [
        (Eligibility(min_age=50), person(age=50), person(age=49)),
        (Eligibility(max_age=75), person(age=75), person(age=76)),
        (Eligibility(min_age=50), person(age=51), person("asthma", age=None)),
        (Eligibility(max_age=75), person(age=1), person("asthma", age=None)),
        (Eligibility(sex=Sex.FEMALE), person(sex="female"), person(sex="unknown")),
        (Eligibility(sex=Sex.MALE), person(sex="male"), person(sex="other")),
        (Eligibility(conditions_any=("copd", "asthma")), person("asthma"), person("stroke")),
        (Eligibility(conditions_none=("epilepsy",)), person("asthma"), person("epilepsy")),
    ],
)
def test_both_sides_of_every_field(eligible: Eligibility, meets: Person, fails: Person) -> None:
    guard = guard_of(action("a", eligible))
    assert rule_id(guard, records_of(meets)) is None
    assert rule_id(guard, records_of(fails)) == "eligibility"
    both = guard.decide(records_of(meets, fails), NOW)
    assert [guard.rule_id(int(place)) for place in both.rule[:, 0]] == [None, "eligibility"]
    assert both.verdict[1, 0] == WITHHOLD


def test_a_rule_that_withholds_is_named_first_and_a_caution_gives_way() -> None:
    eligible = Eligibility(conditions_any=("copd",))
    guard = guard_of(action("hot", eligible, "heat"), action("low", eligible, "alcohol"))
    assert rule_id(guard, records_of(person("pregnancy", **WELL)), place=0) == "pregnancy"
    caution = records_of(person("epilepsy", **WELL))
    assert rule_id(guard_of(action("low", Eligibility(), "alcohol")), caution) == "seizure_care"
    assert rule_id(guard, caution, place=1) == "eligibility"


def test_what_was_done_is_not_offered_until_its_days_are_over() -> None:
    guard = guard_of(action("test", Eligibility(not_done_within_days=365)))
    someone = records_of(person())
    assert rule_id(guard, someone) is None
    assert rule_id(guard, completed(someone, (0, 0, 364.9))) == "eligibility"
    assert rule_id(guard, completed(someone, (0, 0, 365.0))) is None
    assert rule_id(guard, completed(someone, (0, 0, 10.0), kind="view")) is None
    assert rule_id(guard, completed(someone, (0, 0, -1.0))) is None


def test_another_way_to_the_same_service_covers_for_its_own_days() -> None:
    camera = action("camera", Eligibility(not_done_within_days=3650), "screening:colorectal")
    stool = action("stool", Eligibility(not_done_within_days=365), "screening:colorectal")
    other = action("other", Eligibility(not_done_within_days=365), "screening:alcohol")
    guard = guard_of(camera, other, stool)
    people = records_of(person(age=60), person(age=60), person(age=60))
    done = completed(people, (0, 0, 2000.0), (1, 2, 200.0), (2, 2, 400.0))
    named = [[guard.rule_id(int(r)) for r in row] for row in guard.decide(done, NOW).rule]
    assert named == [
        ["eligibility", None, "eligibility"],
        ["eligibility", None, "eligibility"],
        [None, None, None],
    ]


def test_an_empty_eligible_asks_nothing() -> None:
    guard = guard_of(action("a", Eligibility()))
    assert rule_id(guard, records_of(person(age=None, sex="unknown"))) is None


def test_the_verdict_is_cited_with_a_version_and_without_a_reading() -> None:
    guard = guard_of(action("a", Eligibility(min_age=90)))
    records = records_of(person(**WELL))
    (grounds,) = guard.grounds(guard.decide(records, NOW), records)
    assert [(tuple(cited), actions) for cited, actions in grounds] == [
        (("withhold", "eligibility", 1, None, None), [0])
    ]
    assert guard.rule_named(grounds[0][0].rule_id) is not None


CONDITIONS = ("asthma", "copd", "epilepsy")
ELIGIBLE = st.builds(
    Eligibility,
    st.none() | st.integers(0, 99),
    st.none() | st.integers(0, 99),
    st.none() | st.sampled_from([Sex.FEMALE, Sex.MALE]),
    st.lists(st.sampled_from(CONDITIONS), max_size=2, unique=True).map(tuple),
    st.lists(st.sampled_from(CONDITIONS), max_size=2, unique=True).map(tuple),
)
PEOPLE: Callable[..., st.SearchStrategy[Person]] = lambda: st.builds(  # noqa: E731
    Person,
    st.none() | st.integers(0, 99),
    st.sampled_from(["female", "male", "other", "unknown"]),
    st.lists(st.sampled_from((*CONDITIONS, "stroke")), max_size=3, unique=True).map(tuple),
)


def plainly(eligible: Eligibility, who: Person) -> bool:
    """The same written for a reader: is this person known to meet it?"""
    if eligible.min_age is not None and (who.age is None or who.age < eligible.min_age):
        return False
    if eligible.max_age is not None and (who.age is None or who.age > eligible.max_age):
        return False
    if eligible.sex is not None and who.sex != eligible.sex.value:
        return False
    if eligible.conditions_any and not set(eligible.conditions_any) & set(who.has):
        return False
    return not set(eligible.conditions_none) & set(who.has)


@settings(deadline=None, max_examples=150)
@given(st.lists(ELIGIBLE, min_size=1, max_size=4), st.lists(PEOPLE(), min_size=1, max_size=4))
def test_many_at_once_are_decided_as_one_would_by_hand(
    asked: list[Eligibility], people: list[Person]
) -> None:
    guard = guard_of(*(action(f"a{n}", eligible) for n, eligible in enumerate(asked)))
    together = guard.decide(records_of(*people), NOW).verdict
    for user, who in enumerate(people):
        expected = [plainly(eligible, who) for eligible in asked]
        assert (together[user] != WITHHOLD).tolist() == expected
        alone = guard.decide(records_of(who), NOW).verdict[0]
        assert (alone != WITHHOLD).tolist() == expected
