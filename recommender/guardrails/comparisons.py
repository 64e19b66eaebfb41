"""Comparisons of the rule language, in which anything compared with the unknown is false."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from recommender.domain import SEX_CODES
from recommender.errors import RuleError
from recommender.guardrails.program import Form, compared
from recommender.guardrails.terms import (
    Evaluate,
    Expression,
    Fact,
    NumberOf,
    Scope,
    SexIs,
    TextIs,
    all_seen,
    alternative,
    conjunction,
    expect,
    negation,
    of_fact,
)

_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_SYMBOLS: Mapping[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
_MIRRORED: Mapping[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.Gt,
    ast.LtE: ast.GtE,
    ast.Gt: ast.Lt,
    ast.GtE: ast.LtE,
}


def compare(sides: Sequence[Expression], node: ast.Compare, scope: Scope) -> Expression:
    """Join the compiled sides of a comparison, one more than it has symbols.

    Raises
    ------
    RuleError
        The sides can't be compared in this way.
    """
    links = [
        _link(sides[i], symbol, sides[i + 1], node, scope) for i, symbol in enumerate(node.ops)
    ]
    return links[0] if len(links) == 1 else conjunction(links)


def _link(
    left: Expression, symbol: ast.cmpop, right: Expression, node: ast.Compare, scope: Scope
) -> Expression:
    kinds = {left.kind, right.kind}
    if type(symbol) not in _COMPARISONS or "truth" in kinds:
        raise RuleError(f"{ast.unparse(node)!r}: this comparison is not part of the language")
    if "text" in kinds:
        return _word_link(left, symbol, right, node, scope)
    left, right = (_as_number(side, node, scope) for side in (left, right))
    evaluate, seen = _number_link(left, symbol, right), all_seen((left, right))
    return Expression("truth", evaluate, seen, None, _form(left, symbol, right))


def _form(left: Expression, symbol: ast.cmpop, right: Expression) -> Form | None:
    """Of a fact compared with a number, either way round."""
    if left.place is not None and isinstance(right.constant, float):
        return compared(left.place, _SYMBOLS[type(symbol)], right.constant)
    if right.place is not None and isinstance(left.constant, float):
        mirrored = _MIRRORED.get(type(symbol), type(symbol))
        return compared(right.place, _SYMBOLS[mirrored], left.constant)
    return None


def _number_link(left: Expression, symbol: ast.cmpop, right: Expression) -> Evaluate:
    holds, first, second = _COMPARISONS[type(symbol)], left.evaluate, right.evaluate
    if isinstance(symbol, ast.NotEq):
        # NaN differs from everything; here it must compare as false like the rest.
        return lambda facts: (first(facts) < second(facts)) | (first(facts) > second(facts))
    if isinstance(right.constant, float):
        limit = right.constant
        return lambda facts: holds(first(facts), limit)
    return lambda facts: holds(first(facts), second(facts))


def _as_number(side: Expression, node: ast.Compare, scope: Scope) -> Expression:
    if side.kind == "attribute":
        return of_fact(NumberOf(str(side.constant)), "number", scope)
    return expect(side, "number", node)


def _word_link(
    left: Expression, symbol: ast.cmpop, right: Expression, node: ast.Compare, scope: Scope
) -> Expression:
    subject, word = (right, left) if left.kind == "text" else (left, right)
    if subject.kind not in ("sex", "attribute") or not isinstance(symbol, ast.Eq | ast.NotEq):
        raise RuleError(
            f"{ast.unparse(node)!r}: words are compared with == or != to sex or attribute"
        )
    same, missing = _word_facts(subject, str(word.constant), scope)
    if isinstance(symbol, ast.Eq):
        return same
    return negation(alternative((same, missing)))


def _word_facts(subject: Expression, word: str, scope: Scope) -> tuple[Expression, Expression]:
    if subject.kind == "attribute":
        name = str(subject.constant)
        facts: tuple[Fact, Fact] = TextIs(name, word), TextIs(name, None)
    elif word in SEX_CODES:
        facts = SexIs(SEX_CODES[word]), SexIs(SEX_CODES["unknown"])
    else:
        raise RuleError(f"{word!r} is not a sex; known: {', '.join(SEX_CODES)}")
    return of_fact(facts[0], "truth", scope), of_fact(facts[1], "truth", scope)
