"""All rules at once say what each expression says by itself, of whatever facts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.dataset import BoolArray, FloatArray
from recommender.guardrails.expressions import compile_truth
from recommender.guardrails.facts import Needs
from recommender.guardrails.program import Program
from recommender.guardrails.terms import Expression, Scope, form_of
from tests.guardrail_people import metrics, shipped_rules

NUMBERS = (
    "age",
    "glucose",
    "highest('glucose', hours=24)",
    "body_weight / 2",
    "-age",
    "age - 18.5 * glucose",
    "days_since('seen')",
)
LIMITS = ("0", "1", "18.5", "50", "-50")
TRUTHS = (
    "has('stroke')",
    "sex == 'female'",
    "sex != 'male'",
    "unknown(sex)",
    "attribute('smokes') != 'yes'",
    "attribute('smokes') == 'no'",
    "attribute('packs') >= 1",
    "unknown(age)",
    "unknown(age + glucose)",
    "unknown_person",
    "first_defined",
    "second_defined",
)
SYMBOLS = ("<", "<=", ">", ">=", "==", "!=")
DEFINED = {
    "first_defined": "age >= 50 or not has('stroke')",
    "second_defined": "first_defined and glucose != 50 or not first_defined and age < 1",
}

SIDES = st.sampled_from(NUMBERS + LIMITS)
COMPARED = st.builds("{} {} {}".format, SIDES, st.sampled_from(SYMBOLS), SIDES)
CHAINED = st.builds("{} {} {}".format, COMPARED, st.sampled_from(SYMBOLS), SIDES)
TEXTS = st.recursive(
    st.sampled_from(TRUTHS) | COMPARED | CHAINED,
    lambda inner: st.one_of(
        st.builds("not ({})".format, inner),
        st.lists(inner, min_size=2, max_size=4).map(lambda parts: f"({') and ('.join(parts)})"),
        st.lists(inner, min_size=2, max_size=4).map(lambda parts: f"({') or ('.join(parts)})"),
    ),
    max_leaves=12,
)


def one_by_one(expressions: list[Expression], needs: Needs, matrix: FloatArray) -> BoolArray:
    """Each expression asked by itself of each person, in plain numbers and bools."""
    found = []
    for column in matrix.T.tolist():
        pairs = zip(column, needs.truths, strict=True)
        values = [value == 1.0 if truth else value for value, truth in pairs]
        found.append([bool(each.evaluate(values)) for each in expressions])
    return np.array(found, dtype=bool).reshape(len(matrix.T), len(expressions)).T


def facts_at_random(needs: Needs, limits: list[float], n_people: int, seed: int) -> FloatArray:
    """Numbers at, just beside and far from what rules compare with, or unknown; truths 0 or 1."""
    draw = np.random.default_rng(seed)
    shape = (len(needs.facts), n_people)
    exact = draw.choice([*limits, np.inf, -np.inf, 0.0], shape)
    beside = np.nextafter(exact, draw.choice([-np.inf, np.inf], shape))
    numbers = np.where(draw.random(shape) < 0.3, beside, exact)
    numbers[draw.random(shape) < 0.2] = np.nan
    truths = np.array(needs.truths, dtype=bool)[:, None]
    return np.where(truths, draw.integers(0, 2, shape).astype(float), numbers)


@pytest.mark.filterwarnings("ignore:invalid value")
@settings(max_examples=150, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=6), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_any_expressions(texts: list[str], n_people: int, seed: int) -> None:
    scope = Scope(frozenset(metrics().names), frozenset({"stroke"}))
    for name, text in DEFINED.items():
        scope.definitions[name] = compile_truth(text, scope)
    expressions = [compile_truth(text, scope) for text in texts]
    needs = Needs(tuple(scope.places), dict(scope.definitions))
    matrix = facts_at_random(needs, [float(limit) for limit in LIMITS], n_people, seed)
    found = Program([form_of(each) for each in expressions]).run(matrix).T
    assert found.tolist() == one_by_one(expressions, needs, matrix).tolist()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_shipped_rules(seed: int) -> None:
    needs, expressions = shipped_rules().needs, list(shipped_rules().expressions)
    expressions += needs.definitions.values()
    limits = [1.0, 18.0, 25.0, 30.0, 40.0, 50.0, 65.0, 90.0, 120.0, 140.0, 180.0, 365.0]
    matrix = facts_at_random(needs, limits, 21, seed)
    with np.errstate(invalid="ignore"):
        found = Program([form_of(each) for each in expressions]).run(matrix).T
    assert found.tolist() == one_by_one(expressions, needs, matrix).tolist()


def test_what_a_definition_stands_for_is_worked_out_with_it() -> None:
    scope = Scope(frozenset(metrics().names), frozenset({"stroke"}))
    for name, text in DEFINED.items():
        scope.definitions[name] = compile_truth(text, scope)
    compile_truth("second_defined", scope)
    forms = {
        place: form_of(scope.definitions[fact.name])
        for fact, place in scope.places.items()
        if hasattr(fact, "name")
    }
    needs = Needs(tuple(scope.places), dict(scope.definitions))
    matrix = facts_at_random(needs, [0.0, 1.0, 50.0], 40, 3)
    found = Program(list(forms.values()), forms).run(matrix).T
    for place in sorted(forms, key=lambda at: needs.facts[at].name):  # type: ignore[union-attr]
        own = [scope.definitions[needs.facts[place].name]]  # type: ignore[union-attr]
        matrix[place] = one_by_one(own, needs, matrix)[0]
        assert found[list(forms).index(place)].tolist() == (matrix[place] == 1.0).tolist()
