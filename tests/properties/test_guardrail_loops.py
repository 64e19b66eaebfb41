"""The guardrails' compiled loops find what plain Python finds."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from guardrail_people import NOW, conditions, metrics, no_events, shipped_rules
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.dataset import Events, Observations, Records, Users
from recommender.domain import (
    EVENT_CODES,
    SECONDS_PER_DAY,
    SEX_CODES,
    VERDICT_CODES,
    Action,
    Catalogue,
    Eligibility,
)
from recommender.guardrails.check import Guard
from recommender.guardrails.deciding import decided, touched
from recommender.guardrails.eligibility import EligibilityCheck
from recommender.guardrails.facts import FactReader, Needs
from recommender.guardrails.profile import completed_years
from recommender.guardrails.rules import Rule
from recommender.guardrails.standing import (
    DIVISORS,
    SETTLING_S,
    SLOW_S,
    TOGETHER_S,
    Arbiter,
)
from recommender.guardrails.terms import Reading

# Slow, divided by, quick, and never disputed.
KINDS = ("body_weight", "body_height", "systolic_bp", "step_count")
AGES = (-60.0, 0.0, 60.0, TOGETHER_S, TOGETHER_S + 1, SETTLING_S, 9e4, SLOW_S, 3 * SLOW_S, 1e8)
SHARES = (-0.1, 0.0, 0.3, 0.32, 0.33, 0.4, 0.8, 1.0, 1.1)

Told = tuple[int, str, float, float]
"""User, metric, value and seconds ago."""


@st.composite
def told(draw: st.DrawFn) -> Told:
    name = draw(st.sampled_from(KINDS))
    metric = metrics().metrics[metrics().index[name]]
    span = metric.plausible_high - metric.plausible_low
    value = metric.plausible_low + draw(st.sampled_from(SHARES)) * span
    off = draw(st.sampled_from([0.0, 0.0, metric.agree_within or 1.0, 0.5]))
    return draw(st.integers(0, 2)), name, value + off, draw(st.sampled_from(AGES))


def observations_of(rows: list[Told]) -> Observations:
    rows = sorted(rows, key=lambda row: (row[0], metrics().index[row[1]], -row[3]))
    return Observations(
        np.array([row[0] for row in rows], np.int32),
        np.array([metrics().index[row[1]] for row in rows], np.int32),
        np.array([row[2] for row in rows], np.float64),
        np.array([NOW - row[3] for row in rows], np.float64),
    )


def counting(told: Observations, user: int, name: str) -> list[tuple[float, float, int]]:
    """Value, instant and place of each reading that counts, oldest first."""
    number = metrics().index[name]
    metric = metrics().metrics[number]
    return [
        (value, at, place)
        for place, (who, kind, value, at) in enumerate(
            zip(*(x.tolist() for x in (told.user, told.metric, told.value, told.at)), strict=True)
        )
        if (who, kind) == (user, number)
        and at <= NOW
        and metric.plausible_low <= value <= metric.plausible_high
    ]


def plainly_standing(rows: list[tuple[float, float, int]], name: str) -> tuple[int, int, int, int]:
    """Observations: what stands, the lowest, the highest, what is set aside; -1 for none."""
    metric = metrics().metrics[metrics().index[name]]
    aside = -1
    if metric.jump is not None and len(rows) > 2:
        earlier, before, last = rows[-3:]
        far = abs(last[0] - before[0]) > metric.jump * before[0]
        agreed = abs(before[0] - earlier[0]) <= metric.jump * earlier[0]
        if far and agreed and last[1] - before[1] <= SLOW_S:
            aside, rows = last[2], rows[:-1]
    if not rows:
        return -1, -1, -1, aside
    value, at, stands = rows[-1]
    beside = []
    if (agree := metric.agree_within) is not None:
        beside = [row for row in rows[:-1] if at - row[1] <= TOGETHER_S]
        two = rows[-3:-1] if len(rows) > 2 and at - rows[-3][1] <= SETTLING_S else []
        if two and (
            all(value - row[0] > agree for row in two) or all(row[0] - value > agree for row in two)
        ):
            beside += two
    # Of equal ones the latest.
    beside = sorted({*beside, rows[-1]}, key=lambda row: rows.index(row), reverse=True)
    low, high = (choose(beside, key=lambda row: row[0]) for choose in (min, max))
    apart = high[0] - low[0]
    at_once = len(rows) > 1 and rows[-2][1] == at and rows[-2][0] != value
    if not (agree is not None and (apart > agree or (apart > 0 and at_once))):
        return stands, stands, stands, aside
    bounds = (high[2], low[2]) if name in DIVISORS else (low[2], high[2])
    return stands, *bounds, aside


@settings(max_examples=400, deadline=None)
@given(st.lists(told(), max_size=14))
def test_what_stands_and_what_disputes_it(rows: list[Told]) -> None:
    told = observations_of(rows)
    asked = np.array([metrics().index[name] for name in reversed(KINDS)])
    arbiter = Arbiter(asked, metrics())
    known = arbiter.that_count(told, NOW)
    standing = arbiter.standing(known, 4)
    observation = np.append(known.observation, -1)  # so that -1 is -1
    for row, name in enumerate(reversed(KINDS)):
        for user in range(4):
            found = tuple(observation[standing.places[:, row, user]].tolist())
            assert found == plainly_standing(counting(told, user, name), name)
            assert standing.disputed[row, user] == (found[1] != found[2])


READINGS = (
    Reading("systolic_bp"),
    Reading("body_height"),
    Reading("systolic_bp", "latest", 0.25),
    Reading("systolic_bp", "highest", 6),
    Reading("body_weight", "lowest", 9000),
    Reading("step_count", "highest", 24),
)


def plainly_read(told: Observations, fact: Reading, user: int, version: int) -> int:
    """Which observation a reading is in one version of the facts, -1 for none."""
    rows = counting(told, user, fact.metric)
    days = metrics().metrics[metrics().index[fact.metric]].fresh_days
    oldest = NOW - (days * SECONDS_PER_DAY if fact.hours is None else fact.hours * 3600)
    if fact.kind == "latest":
        standing = plainly_standing(rows, fact.metric)[version]
        return standing if standing >= 0 and told.at[standing] >= oldest else -1
    inside = [row for row in reversed(rows) if row[1] >= oldest]
    choose = max if fact.kind == "highest" else min
    return choose(inside, key=lambda row: row[0])[2] if inside else -1


@settings(max_examples=200, deadline=None)
@given(st.lists(told(), max_size=14))
def test_readings_among_the_facts(rows: list[Told]) -> None:
    told = observations_of(rows)
    needs = Needs(READINGS, {})
    facts = FactReader(needs, metrics()).read(Records(users_of(4), no_events(), told), NOW)
    asked = {fact.metric for fact in READINGS if fact.kind == "latest"}
    for user in range(4):
        stands = [plainly_standing(counting(told, user, name), name) for name in sorted(asked)]
        disputed = any(low != high for _, low, high, _ in stands)
        assert (facts.beside[:, user] >= 0).tolist() == [disputed, disputed]
        for version in range(3 if disputed else 1):
            column = user if version == 0 else facts.beside[version - 1, user]
            for place, fact in enumerate(READINGS):
                expected = plainly_read(told, fact, user, version)
                known = facts.seen[needs.readings[place], column]
                assert (facts.known.observation[known] if known >= 0 else -1) == expected
                value = told.value[expected] if expected >= 0 else np.nan
                assert np.array_equal(facts.matrix[place, column], value, equal_nan=True)


def users_of(count: int, pairs: list[tuple[int, str]] | None = None, sex: int = 0) -> Users:
    pairs = pairs or []
    return Users(
        np.array([f"u{number}" for number in range(count)], dtype=object),
        np.full(count, np.nan),
        np.full(count, sex, np.int8),
        np.array([user for user, _ in pairs], np.int32),
        np.array([name for _, name in pairs], dtype=object),
    )


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.none() | st.dates(date(1899, 1, 1)), max_size=5),
    st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)),
)
def test_completed_years(born: list[date | None], now: datetime) -> None:
    midnight = datetime(1970, 1, 1, tzinfo=UTC)
    born_at = [np.nan if day is None else (day - date(1970, 1, 1)).days * 86400.0 for day in born]
    as_of = (now.replace(microsecond=0, tzinfo=UTC) - midnight) / timedelta(seconds=1)
    expected = [
        np.nan
        if day is None or day > now.date()
        else now.year - day.year - ((now.month, now.day) < (day.month, day.day))
        for day in born
    ]
    found = completed_years(np.array(born_at, np.float64), as_of)
    assert np.array_equal(found, np.array(expected, np.float64), equal_nan=True)


DEMANDS = st.builds(
    Eligibility,
    min_age=st.none() | st.integers(0, 80),
    max_age=st.none() | st.integers(0, 80),
    sex=st.none() | st.sampled_from(["female", "male"]),
    conditions_any=st.lists(st.sampled_from(conditions()[:4]), max_size=2, unique=True).map(tuple),
    conditions_none=st.lists(st.sampled_from(conditions()[:4]), max_size=2, unique=True).map(tuple),
    not_done_within_days=st.none() | st.sampled_from([1.0, 30.0]),
)
TAGS = st.sampled_from([(), ("screening:a",), ("screening:a", "vaccination:b"), ("heat",)])
EVENTS = st.tuples(
    st.integers(0, 1),
    st.integers(0, 3),
    st.sampled_from([EVENT_CODES["complete"], 0]),
    st.sampled_from([-1.0, 0.0, 1.0, 86399.0, 86400.0, 2.6e6]),
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(DEMANDS, TAGS), min_size=4, max_size=4),
    st.lists(st.none() | st.integers(0, 90), min_size=2, max_size=2),
    st.sampled_from(sorted(SEX_CODES.values())),
    st.sets(st.tuples(st.integers(0, 1), st.sampled_from([*conditions()[:4], "other"]))),
    st.lists(EVENTS, max_size=5),
)
def test_whom_actions_are_for(
    actions: list[tuple[Eligibility, tuple[str, ...]]],
    ages: list[int | None],
    sex: int,
    has: set[tuple[int, str]],
    told: list[tuple[int, int, int, float]],
) -> None:
    catalogue = Catalogue(
        tuple(Action(f"a{n}", "", "", tags=tags, eligible=e) for n, (e, tags) in enumerate(actions))
    )
    told.sort(key=lambda row: (row[0], -row[3]))
    events = Events(
        np.array([row[0] for row in told], np.int32),
        np.array([row[1] for row in told], np.int32),
        np.array([row[2] for row in told], np.int8),
        np.array([NOW - row[3] for row in told], np.float64),
        *(np.zeros(len(told)) for _ in range(3)),  # type: ignore[arg-type]
    )
    records = Records(users_of(2, sorted(has), sex), events, observations_of([]))
    age = np.array([np.nan if each is None else each for each in ages], np.float64)
    found = EligibilityCheck(catalogue).ineligible(records, age, NOW)
    for user in range(2):
        mine = {name for who, name in has if who == user}
        for place, (demand, tags) in enumerate(actions):
            done = any(
                who == user
                and kind == EVENT_CODES["complete"]
                and 0 <= ago < (actions[one][0].not_done_within_days or 0) * SECONDS_PER_DAY
                and (one == place or {*actions[one][1]} & {*tags} - {"heat"})
                for who, one, kind, ago in told
            )
            assert found[user, place] == (done or not meets(demand, ages[user], sex, mine))


def meets(demand: Eligibility, age: int | None, sex: int, has: set[str]) -> bool:
    return (
        (demand.min_age is None or (age is not None and age >= demand.min_age))
        and (demand.max_age is None or (age is not None and age <= demand.max_age))
        and (demand.sex is None or SEX_CODES[demand.sex] == sex)
        and (not demand.conditions_any or bool(has & {*demand.conditions_any}))
        and not has & {*demand.conditions_none}
    )


def rule_named(name: str, verdict: str, *tags: str) -> Rule:
    return Rule(name, 1, verdict, "info", "age > 1", "t", "t", "s", "2026", tags)


RULES = (
    rule_named("careful", "caution", "*"),
    rule_named("no_heat", "withhold", "heat"),
    rule_named("alarm", "alert"),
    rule_named("no_cold_or_heat", "withhold", "cold", "heat"),
    rule_named("careful_heat", "caution", "heat"),
    rule_named("eligibility", "withhold"),
)
DECIDING = [1, 3, 0, 4]
OF_ACTIONS = (("heat",), ("cold",), (), ("cold", "heat"), ("heat",))


@given(st.integers(0, 4), st.integers(0, 2**32 - 1))
def test_the_first_rule_that_holds_decides(n_users: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    actions = tuple(Action(f"a{n}", "", "", tags=tags) for n, tags in enumerate(OF_ACTIONS))
    disputed = np.flatnonzero(draw.integers(0, 2, n_users))
    beside = np.full((2, n_users), -1)
    beside[:, disputed] = n_users + np.arange(2 * len(disputed)).reshape(2, -1)
    holds = draw.random((n_users + 2 * len(disputed), 7)) < 0.3
    in_play = draw.random(4) < 0.8
    ineligible = draw.random((n_users, 5)) < 0.3
    alerting = draw.random(3) < 0.8
    tables = touched(RULES, DECIDING, Catalogue(actions))
    verdict, rule, alerts = decided(holds, beside, in_play, alerting, ineligible, tables)
    for user in range(n_users):
        columns = [user, *(column for column in beside[:, user] if column >= 0)]
        holding = [bool(in_play[n] and holds[columns, n].any()) for n in range(4)]
        raised = [bool(alerting[n] and holds[columns, 4 + n].any()) for n in range(3)]
        assert alerts[user].tolist() == raised
        for action, tags in enumerate(OF_ACTIONS):
            mine = [
                place
                for place, held_ in zip(DECIDING, holding, strict=True)
                if held_ and RULES[place].touches(tags)
            ]
            named = mine[0] if mine else -1
            if ineligible[user, action] and (named < 0 or RULES[named].verdict != "withhold"):
                named = 5
            assert rule[user, action] == named
            expected = "allow" if named < 0 else RULES[named].verdict
            assert verdict[user, action] == VERDICT_CODES[expected]


@pytest.mark.parametrize("wrong", ["reading of nobody", "metric", "condition", "action", "event"])
def test_what_points_nowhere_is_an_error(wrong: str) -> None:
    """The compiled loops check no bounds by themselves."""
    told = observations_of([(9 if wrong == "reading of nobody" else 0, "systolic_bp", 120.0, 1.0)])
    told.metric[:] = 10_000 if wrong == "metric" else told.metric
    events = Events(
        np.array([9 if wrong == "event" else 0], np.int32),
        np.array([9 if wrong == "action" else 0], np.int32),
        np.array([EVENT_CODES["complete"]], np.int8),
        np.array([NOW]),
        *np.zeros((3, 1)),  # type: ignore[arg-type]
    )
    users = users_of(2, [(9 if wrong == "condition" else 0, "stroke")])
    catalogue = Catalogue((Action("a", "", "", tags=("heat",)),))
    guard = Guard(shipped_rules(), catalogue, metrics())
    with pytest.raises(IndexError):
        guard.decide(Records(users, events, told), NOW)
