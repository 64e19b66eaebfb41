"""Every shipped rule on both sides of its threshold, and no threshold can move unnoticed."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
from cases import CASES
from guardrail_people import (
    NOW,
    conditions,
    metrics,
    one_action_a_tag,
    records_of,
    shipped_guard,
    shipped_rules,
    tags,
)

from recommender.domain import VERDICT_CODES, Audience
from recommender.guardrails.expressions import compile_truth
from recommender.guardrails.facts import FactReader, Needs
from recommender.guardrails.rules import ALERT, Rule, Rules
from recommender.guardrails.terms import Scope
from recommender.resources import data_path
from tests.plain_facts import values_of

RULES = {rule.rule_id: rule for rule in shipped_rules().rules}
ALWAYS = {"medicines_with_clinician_only"}  # its other side is the other audience


def test_every_rule_has_people_on_both_sides() -> None:
    assert set(CASES) == set(RULES)
    assert not [rule_id for rule_id, (fires, _) in CASES.items() if not fires]
    assert {rule_id for rule_id, (_, rests) in CASES.items() if not rests} == ALWAYS


@pytest.mark.parametrize("rule_id", list(CASES))
def test_rule_fires_and_rests(rule_id: str) -> None:
    fires, rests = CASES[rule_id]
    people = [*fires, *rests]
    needs = shipped_rules().needs
    facts = FactReader(needs, metrics()).read(records_of(*people), NOW)
    expression = shipped_rules().expressions[list(RULES).index(rule_id)]
    values = values_of(needs, facts)
    found = np.broadcast_to(expression.evaluate(values), len(people)).tolist()
    wrong = [
        who
        for who, held, index in zip(people, found, range(len(people)), strict=True)
        if held != (index < len(fires))
    ]
    assert wrong == []


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_rule_touches_its_tags_alone(rule: Rule) -> None:
    """What fires reaches the answer: at least its verdict on each of its tags, or its alert."""
    who = CASES[rule.rule_id][0][0]
    guard = shipped_guard()
    decisions = guard.decide(records_of(who), NOW, Audience.USER)
    if rule.verdict == ALERT:
        alerts = {alert.rule_id: alert for alert in guard.alerts(decisions, 0, Audience.USER)}
        assert alerts[rule.rule_id].text == rule.text_user
        return
    verdict = dict(zip(one_action_a_tag().ids, decisions.verdict[0].tolist(), strict=True))
    touched = [f"do-{tag}" for tag in tags() if rule.touches([tag])]
    assert touched
    assert all(verdict[action] >= VERDICT_CODES[rule.verdict] for action in touched)
    assert verdict["do-untagged"] == VERDICT_CODES["allow"]


def nudged(text: str) -> Iterator[str]:
    """The expression with one number moved, one comparison or one ``and``/``or`` changed."""
    whole = ast.parse(text, mode="eval")
    for place, node in enumerate(ast.walk(whole)):
        changes: list[tuple[str, object]] = []
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            step = 1 if float(node.value).is_integer() and "." not in repr(node.value) else 0.1
            changes = [("value", round(node.value + by, 6)) for by in (step, -step)]
        elif isinstance(node, ast.Compare):
            for symbol in range(len(node.ops)):
                ops = list(node.ops)
                for other in OTHERS[type(ops[symbol])]:
                    changes.append(("ops", [*ops[:symbol], other(), *ops[symbol + 1 :]]))
        elif isinstance(node, ast.BoolOp):
            changes = [("op", ast.Or() if isinstance(node.op, ast.And) else ast.And())]
        for name, value in changes:
            tree = ast.parse(text, mode="eval")
            setattr(list(ast.walk(tree))[place], name, value)
            yield ast.unparse(tree)


OTHERS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
}


@cache
def definitions() -> dict[str, str]:
    found = tomllib.loads(data_path("guardrails.toml").read_text())["definitions"]
    return {str(name): str(text) for name, text in found.items()}


def uses(name: str) -> set[str]:
    """Rules that use a definition, directly or through another one."""
    found = {rule_id for rule_id, rule in RULES.items() if names_in(rule.when) & {name}}
    for other, text in definitions().items():
        if name in names_in(text):
            found |= uses(other)
    return found


def names_in(text: str) -> set[str]:
    return {
        node.id for node in ast.walk(ast.parse(text, mode="eval")) if isinstance(node, ast.Name)
    }


def compiled(changed_name: str, changed_text: str, rule_ids: set[str]) -> Rules:
    scope = Scope(frozenset(metrics().names), frozenset(conditions()))
    for name, text in definitions().items():
        scope.definitions[name] = compile_truth(
            changed_text if name == changed_name else text, scope
        )
    rules = tuple(RULES[rule_id] for rule_id in sorted(rule_ids))
    texts = [changed_text if rule.rule_id == changed_name else rule.when for rule in rules]
    from_texts = tuple(compile_truth(text, scope) for text in texts)
    return Rules(rules, from_texts, Needs(tuple(scope.places), dict(scope.definitions)))


def some_case_fails(rules: Rules) -> bool:
    for rule, expression in zip(rules.rules, rules.expressions, strict=True):
        fires, rests = CASES[rule.rule_id]
        people = [*fires, *rests]
        facts = FactReader(rules.needs, metrics()).read(records_of(*people), NOW)
        values = values_of(rules.needs, facts)
        found = np.broadcast_to(expression.evaluate(values), len(people))
        if found.tolist() != [True] * len(fires) + [False] * len(rests):
            return True
    return False


def mutants() -> Iterator[tuple[str, str, set[str]]]:
    for rule_id, rule in RULES.items():
        for text in nudged(rule.when):
            yield rule_id, text, {rule_id}
    for name, text in definitions().items():
        for changed in nudged(text):
            yield name, changed, uses(name)


def test_no_threshold_can_move_unnoticed() -> None:
    survivors = [
        f"{name}: {text}"
        for name, text, affected in mutants()
        if not some_case_fails(compiled(name, text, affected))
    ]
    assert survivors == []
