"""The rule language itself: what each form means for one person and for several."""

from __future__ import annotations

import numpy as np
import pytest
from guardrail_people import NOW, Person, conditions, metrics, person, records_of

from recommender.guardrails.expressions import compile_truth
from recommender.guardrails.facts import FactReader, Needs
from recommender.guardrails.profile import completed_years
from recommender.guardrails.program import Program
from recommender.guardrails.terms import Scope
from tests.plain_facts import values_of

SERIES = Person(readings=(("glucose", 60, 30), ("glucose", 210, 5), ("glucose", 120, 1)))
SMOKER = person(attributes={"smoking_status": "current", "stairs": "12"})

HOLDS = [
    ("sex != 'male'", person(sex="female"), True),
    ("sex != 'male'", person(sex="male"), False),
    ("sex != 'male'", person(sex="unknown"), False),
    ("unknown(sex)", person(sex="unknown"), True),
    ("unknown(sex)", person(sex="other"), False),
    ("'male' == sex", person(sex="male"), True),
    ("attribute('smoking_status') != 'never'", SMOKER, True),
    ("attribute('smoking_status') != 'current'", SMOKER, False),
    ("attribute('smoking_status') != 'never'", person(), False),
    ("attribute('status') == 'current'", person(attributes={"status": " Current"}), True),
    ("attribute('done') == 'yes'", person(attributes={"done": True}), True),
    ("attribute('done') == 'yes'", person(attributes={"done": False}), False),
    ("attribute('done') == 'no'", person(attributes={"done": False}), True),
    ("attribute('done') == 'yes'", person(attributes={"done": 1}), False),
    ("unknown(attribute('done'))", person(attributes={"done": "  "}), True),
    ("unknown(attribute('done'))", person(attributes={"done": float("nan")}), True),
    ("days_since('on') == 1.5", person(attributes={"on": "2026-07-14"}), True),
    ("days_since('on') == 1", person(attributes={"on": "2026-07-14T14:00:00+02:00"}), True),
    ("days_since('on') >= 0", person(attributes={"on": "2026-07-16"}), False),
    ("days_since('on') >= 0", person(attributes={"on": 2020}), False),
    ("unknown(days_since('on'))", person(attributes={"on": "last year"}), True),
    ("unknown(days_since('on'))", person(), True),
    ("attribute('smoking_status') != 'never'", person(attributes={"smoking_status": None}), False),
    ("unknown(attribute('smoking_status'))", person(attributes={"smoking_status": None}), True),
    ("unknown(attribute('smoking_status'))", SMOKER, False),
    ("attribute('stairs') >= 12", SMOKER, True),
    ("attribute('stairs') > 12", SMOKER, False),
    ("attribute('stairs') < 99", person(attributes={"stairs": "many"}), False),
    ("attribute('stairs') < 99", person(attributes={"stairs": True}), False),
    ("attribute('stairs') < 99", person(attributes={"stairs": ["1"]}), False),
    ("age != 40", person(age=41), True),
    ("age != 40", person(age=40), False),
    ("age != 40", person(age=None), False),
    ("age == 40", person(age=40), True),
    ("20 <= age < 40", person(age=40), False),
    ("20 <= age < 40", person(age=20), True),
    ("not age < 50", person(age=None), True),
    ("age > -1", person(age=0), True),
    ("age > -1", person(age=-3), False),
    ("unknown(age)", person(age=-3), True),
    ("age + 2 * 3 - 1 == 45", person(age=40), True),
    ("age / 4 == 10", person(age=40), True),
    ("latest('glucose') == 120", SERIES, True),
    ("glucose == 120", SERIES, True),
    ("highest('glucose', hours=24) == 210", SERIES, True),
    ("highest('glucose', hours=4) == 120", SERIES, True),
    ("lowest('glucose', hours=24) == 120", SERIES, True),
    ("lowest('glucose', hours=30) == 60", SERIES, True),
    ("unknown(lowest('glucose', hours=0.5))", SERIES, True),
    ("glucose > systolic_bp", SERIES, False),
    ("glucose > hba1c", person(glucose=99, hba1c=5), True),
    ("has('stroke') or has('asthma') and age > 50", person("asthma"), False),
    ("(has('stroke') or has('asthma')) and age == 40", person("asthma"), True),
]


@pytest.mark.parametrize(("text", "who", "expected"), HOLDS)
def test_meaning(text: str, who: Person, expected: bool) -> None:
    scope = Scope(frozenset(metrics().names), frozenset(conditions()))
    expression = compile_truth(text, scope)
    needs = Needs(tuple(scope.places), {})
    alone = FactReader(needs, metrics()).read(records_of(who), NOW)
    assert bool(expression.evaluate(values_of(needs, alone))) is expected
    among = FactReader(needs, metrics()).read(records_of(person("gout"), who, SMOKER), NOW)
    assert bool(expression.evaluate(values_of(needs, among))[1]) is expected


def test_leap_day_birthday_comes_on_the_first_of_march() -> None:
    born = np.array(["2000-02-29"], dtype="M8[s]").astype(float)
    ages = [
        completed_years(born, float(np.datetime64(day, "s").astype(float)))[0]
        for day in ("2018-02-28", "2018-03-01", "2020-02-28", "2020-02-29")
    ]
    assert ages == [17, 18, 19, 20]


def test_reading_seen_is_that_of_the_side_that_holds() -> None:
    scope = Scope(frozenset(metrics().names), frozenset(conditions()))
    expression = compile_truth("age > 30 and (systolic_bp > 150 or glucose > 100)", scope)
    needs = Needs(tuple(scope.places), {})
    records = records_of(person(systolic_bp=120, glucose=140))
    facts = FactReader(needs, metrics()).read(records, NOW)
    (counts,) = Program([look.when for look in expression.witness]).run(facts.matrix)
    rows = [needs.readings[look.place] for look in expression.witness]
    seen = facts.known.observation[facts.seen[rows, 0]][counts]
    assert records.observations.value[seen].tolist() == [140]
