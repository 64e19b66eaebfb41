"""What must hold of the guardrails for anybody at all."""

from __future__ import annotations

import tomllib

import numpy as np
import pytest
from guardrail_people import (
    NOW,
    Person,
    conditions,
    metrics,
    one_action_a_tag,
    records_of,
    shipped_guard,
    shipped_rules,
    tags,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.dataset import Records
from recommender.domain import VERDICT_CODES, Audience
from recommender.errors import RuleError
from recommender.guardrails.expressions import compile_truth
from recommender.guardrails.terms import Scope
from recommender.resources import data_path
from tests.plain_facts import looked_at, versions

WATCHED = (
    "systolic_bp", "diastolic_bp", "resting_heart_rate", "oxygen_saturation", "glucose",
    "body_mass_index", "body_weight", "body_height", "phq9", "audit_c", "pack_years",
)  # fmt: skip
HOURS = st.sampled_from(
    [-1.0, 0.0, 0.1, 0.2, 1.0, 23.9, 24.0, 24.1, 167.0, 169.0, 719.0, 721.0, 4321.0]
)
GUARD = shipped_guard()
DEFINED = tomllib.loads(data_path("guardrails.toml").read_text())["definitions"]


@st.composite
def readings(draw: st.DrawFn) -> tuple[str, float, float]:
    metric = metrics().metrics[metrics().index[draw(st.sampled_from(WATCHED))]]
    value = draw(st.floats(metric.plausible_low - 5, metric.plausible_high + 5))
    return metric.name, value, draw(HOURS)


PEOPLE = st.builds(
    Person,
    age=st.none() | st.integers(0, 100),
    sex=st.sampled_from(["female", "male", "other", "unknown"]),
    has=st.lists(st.sampled_from([*conditions(), "gout"]), max_size=4, unique=True).map(tuple),
    readings=st.lists(readings(), max_size=8, unique_by=lambda row: (row[0], row[2])).map(tuple),
    attributes=st.dictionaries(
        st.sampled_from(["smoking_status", "years_since_quitting"]),
        st.sampled_from(["never", "former", "current", 3, 15.5, "10", None, float("nan"), True]),
    ),
)


def decided(records: Records, as_of: float = NOW) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    found = GUARD.decide(records, as_of, Audience.USER)
    return found.verdict, found.rule, found.alerts


@settings(max_examples=60, deadline=None)
@given(st.lists(PEOPLE, min_size=2, max_size=12))
def test_many_at_once_are_decided_as_one_by_one(people: list[Person]) -> None:
    together = decided(records_of(*people))
    for place, who in enumerate(people):
        for alone, among in zip(decided(records_of(who)), together, strict=True):
            assert alone[0].tolist() == among[place].tolist()


@settings(max_examples=60, deadline=None)
@given(PEOPLE)
def test_later_readings_change_nothing(who: Person) -> None:
    past = tuple(row for row in who.readings if row[2] >= 0)
    before = Person(who.age, who.sex, who.has, past, who.attributes)
    for with_future, without in zip(
        decided(records_of(who)), decided(records_of(before)), strict=True
    ):
        assert with_future.tolist() == without.tolist()


@settings(max_examples=100, deadline=None)
@given(PEOPLE)
def test_verdict_is_that_of_its_rule_and_no_stricter_rule_holds(who: Person) -> None:
    verdict, rule, _ = decided(records_of(who))
    facts, needs = GUARD.decide(records_of(who), NOW).facts, shipped_rules().needs
    for place, action in enumerate(one_action_a_tag().actions):
        holding = [
            number
            for number, (each, expression) in enumerate(
                zip(shipped_rules().rules, shipped_rules().expressions, strict=True)
            )
            if each.verdict != "alert"
            and each.touches(action.tags)
            and any(expression.evaluate(values) for values, _ in versions(needs, facts, 0))
        ]
        codes = [VERDICT_CODES[shipped_rules().rules[number].verdict] for number in holding]
        strictest = max(codes, default=VERDICT_CODES["allow"])
        assert verdict[0, place] == strictest
        named = next((n for n, c in zip(holding, codes, strict=True) if c == strictest), -1)
        assert rule[0, place] == named


@settings(max_examples=100, deadline=None)
@given(PEOPLE)
def test_vigorous_needs_known_age_and_fresh_pressure(who: Person) -> None:
    verdict, _, _ = decided(records_of(who))
    known = {
        name
        for name, value, hours in who.readings
        if 0 <= hours <= 720
        and metrics().metrics[metrics().index[name]].plausible_low <= value
        and value <= metrics().metrics[metrics().index[name]].plausible_high
    }
    if who.age is None or not {"systolic_bp", "diastolic_bp"} <= known:
        assert verdict[0, tags().index("vigorous_exercise")] == VERDICT_CODES["withhold"]


@settings(max_examples=60, deadline=None)
@given(PEOPLE)
def test_removing_what_is_known_never_clears_vigorous(who: Person) -> None:
    place = tags().index("vigorous_exercise")
    stripped = Person(None, "unknown", who.has, (), {})
    before, after = (decided(records_of(each))[0][0, place] for each in (who, stripped))
    assert after >= before


WRITTEN = (
    "age sex systolic_bp glucose has('stroke') attribute('x') 'male' 1 2.5 -1 ( ) , . [ ] { } = == "
    "!= < <= > >= and or not if else lambda : * ** / // % @ ~ | hours= latest('glucose', lowest( "
    "unknown( __import__ eval( print( := await yield f'{age}' b'' None True 1e999 1j ... *age"
)
PIECES = WRITTEN.split()


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join) | st.text(max_size=30))
def test_whatever_is_written_compiles_or_is_refused(text: str) -> None:
    scope = Scope(frozenset(metrics().names), frozenset(conditions()))
    try:
        found = compile_truth(text, scope)
    except RuleError:
        return
    assert found.kind == "truth"


@pytest.mark.parametrize(
    "text", ["not " * 3000 + "age < 1", "(" * 500 + "age < 1" + ")" * 500, "age < 1" + "0" * 400]
)
def test_oversized_expressions_are_refused(text: str) -> None:
    with pytest.raises(RuleError):
        compile_truth(text, Scope(frozenset(), frozenset()))


def rival_of(records: Records, seen: int) -> set[int]:
    """Other readings of the same person and metric."""
    told = records.observations
    same = (told.user == told.user[seen]) & (told.metric == told.metric[seen])
    return set(np.flatnonzero(same).tolist()) - {seen}


@settings(max_examples=150, deadline=None)
@given(st.lists(PEOPLE, max_size=4))
def test_what_is_cited_is_what_the_rule_looked_at(people: list[Person]) -> None:
    records = records_of(*people)
    decisions, rules = GUARD.decide(records, NOW), shipped_rules()
    scope = Scope(frozenset(metrics().names), frozenset(conditions()))
    scope.places |= {fact: place for place, fact in enumerate(rules.needs.facts)}
    scope.definitions |= rules.needs.definitions
    ids = [f"o{number}" for number in range(len(records.observations))]
    for user, grounds in enumerate(GUARD.grounds(decisions, records)):
        for cited, actions in grounds:
            place = GUARD.rule_ids.index(cited.rule_id)
            assert decisions.rule[user, actions].tolist() == [place] * len(actions)
            found = next(
                (
                    [seen(at) for at in looked_at(rules.rules[place].when, scope, DEFINED, values)]
                    for values, seen in versions(rules.needs, decisions.facts, user)
                    if rules.expressions[place].evaluate(values)
                ),
                [],
            )
            known = [each for each in found if each >= 0]
            assert GUARD.readings_seen(decisions, user, place) == tuple(known)
            assert cited.reading == next((ids[each] for each in known), None)
            if cited.rival:
                assert ids.index(cited.rival) in rival_of(records, known[0])
