"""Comparisons of the rule language, in which anything compared with the unknown is false."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from recommender.domain import SEX_CODES
from recommender.errors import RuleError
from recommender.guardrails.forms import compared
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
    amount_of,
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
    form = compared(amount_of(left), _SYMBOLS[type(symbol)], amount_of(right))
    return Expression(
        "truth", _number_link(left, symbol, right), all_seen((left, right)), None, form
    )


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
