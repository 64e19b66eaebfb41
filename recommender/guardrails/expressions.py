"""The small language in which guardrail rules say when they apply.

Python's expression syntax, of which only this is allowed: ``and``, ``or``, ``not``; the
comparisons ``< <= > >= == !=``, chained or not; numbers, quoted words, ``+ - *`` and division by a
number; names of metrics and of the rule file's own definitions; ``age`` (completed years), ``sex``,
``unknown_person``; and the calls

- ``has('pregnancy')``: the condition is on record;
- ``attribute('smoking_status') == 'current'``: a further column of the user;
- ``days_since('last_colonoscopy')``: days since the date in such a column, unknown without one;
- ``latest('glucose', hours=24)``, ``lowest(...)``, ``highest(...)``: over plausible readings that
  recent (``latest`` without hours uses the metric's freshness, as a bare metric name does);
- ``unknown(systolic_bp)``: nothing fresh is known.

A comparison with something unknown is false, ``!=`` included. ``not (age >= 50)`` therefore means
"is not known to be 50 or older" and holds for an unknown age.

Nothing is evaluated by Python itself: the syntax tree is checked node by node and turned into
closures over a list of facts. The same closure serves one person (facts are numbers) and many
(facts are arrays with one entry a person).
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from recommender.domain import SEX_CODES
from recommender.errors import RuleError
from recommender.guardrails.comparisons import compare
from recommender.guardrails.forms import Constant, Denied, Reckoned, known, true
from recommender.guardrails.terms import (
    Age,
    DaysSince,
    Defined,
    Expression,
    FactValues,
    Has,
    Reading,
    Scope,
    SexIs,
    TextIs,
    UnknownPerson,
    all_seen,
    alternative,
    amount_of,
    conjunction,
    expect,
    fold,
    negation,
    of_fact,
)


def compile_truth(text: str, scope: Scope) -> Expression:
    """Check and compile an expression that must be true or false.

    Raises
    ------
    RuleError
        It does not parse, uses something outside the language, or names something unknown.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval")
        return expect(_compile(tree.body, scope), "truth", tree.body)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise RuleError(f"{text[:200]!r} is not an expression: {error}") from error


def _compile(node: ast.expr, scope: Scope) -> Expression:
    compiler = _COMPILERS.get(type(node))
    if compiler is None:
        raise RuleError(f"{ast.unparse(node)!r}: {type(node).__name__} is not part of the language")
    return compiler(node, scope)


def _constant(node: ast.Constant, scope: Scope) -> Expression:
    value = node.value
    if isinstance(value, str):
        return Expression("text", lambda _: value, (), value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise RuleError(f"{value!r} is neither a number nor a word")
    number = float(value)
    return Expression("number", lambda _: number, (), number, None, Constant(number))


def _name(node: ast.Name, scope: Scope) -> Expression:
    name = node.id
    if name in scope.definitions:
        place = scope.place(Defined(name))
        value, witness = operator.itemgetter(place), scope.definitions[name].witness
        return Expression("truth", value, witness, None, true(place))
    if name == "age":
        return of_fact(Age(), "number", scope)
    if name == "sex":
        return Expression("sex", lambda _: None, ())
    if name == "unknown_person":
        return of_fact(UnknownPerson(), "truth", scope)
    if name in scope.metrics:
        return of_fact(Reading(name), "number", scope)
    raise RuleError(f"{name!r} is neither a metric nor a definition given above it")


def _call(node: ast.Call, scope: Scope) -> Expression:
    name = node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)
    call = _CALLS.get(name)
    if call is None:
        raise RuleError(f"{name!r} is not a function of the language")
    if len(node.args) != 1 or (node.keywords and name not in _WINDOWED):
        raise RuleError(f"{ast.unparse(node)!r}: {name} takes one argument")
    return call(node, scope)


def _word(node: ast.Call) -> str:
    argument = node.args[0]
    if not isinstance(argument, ast.Constant) or not isinstance(argument.value, str):
        raise RuleError(f"{ast.unparse(node)!r}: a quoted name is needed")
    return argument.value


def _has(node: ast.Call, scope: Scope) -> Expression:
    condition = _word(node)
    if condition not in scope.conditions:
        raise RuleError(f"{condition!r} is not a known condition")
    return of_fact(Has(condition), "truth", scope)


def _attribute(node: ast.Call, scope: Scope) -> Expression:
    return Expression("attribute", lambda _: None, (), _word(node))


def _days_since(node: ast.Call, scope: Scope) -> Expression:
    return of_fact(DaysSince(_word(node)), "number", scope)


def _unknown(node: ast.Call, scope: Scope) -> Expression:
    subject = _compile(node.args[0], scope)
    if subject.kind == "sex":
        return of_fact(SexIs(SEX_CODES["unknown"]), "truth", scope)
    if subject.kind == "attribute":
        return of_fact(TextIs(str(subject.constant), None), "truth", scope)
    number = expect(subject, "number", node.args[0])
    value = number.evaluate

    def evaluate(facts: FactValues) -> Any:
        found = value(facts)
        return found != found  # only NaN differs from itself

    form = Denied(known(amount_of(number)))
    return Expression("truth", evaluate, (), None, form)


def _windowed(node: ast.Call, scope: Scope) -> Expression:
    metric = _word(node)
    if metric not in scope.metrics:
        raise RuleError(f"{metric!r} is not a known metric")
    kind = ast.unparse(node.func)
    hours = _hours(node)
    if hours is None and kind != "latest":
        raise RuleError(f"{ast.unparse(node)!r}: {kind} needs hours=")
    return of_fact(Reading(metric, kind, hours), "number", scope)


def _hours(node: ast.Call) -> float | None:
    if not node.keywords:
        return None
    value = node.keywords[0].value
    known = len(node.keywords) == 1 and node.keywords[0].arg == "hours"
    number = value.value if isinstance(value, ast.Constant) else None
    if not known or isinstance(number, bool) or not isinstance(number, int | float) or number <= 0:
        raise RuleError(f"{ast.unparse(node)!r}: only hours=, a number above 0, is allowed")
    return float(number)


_WINDOWED = ("latest", "lowest", "highest")
_CALLS: Mapping[str, Callable[[ast.Call, Scope], Expression]] = {
    "has": _has,
    "attribute": _attribute,
    "days_since": _days_since,
    "unknown": _unknown,
} | dict.fromkeys(_WINDOWED, _windowed)


def _bool_op(node: ast.BoolOp, scope: Scope) -> Expression:
    parts = [expect(_compile(value, scope), "truth", value) for value in node.values]
    if isinstance(node.op, ast.And):
        return conjunction(parts)
    return alternative(parts)


def _unary_op(node: ast.UnaryOp, scope: Scope) -> Expression:
    inner = _compile(node.operand, scope)
    value = inner.evaluate
    if isinstance(node.op, ast.Not):
        return negation(expect(inner, "truth", node.operand))
    if isinstance(node.op, ast.USub):
        expect(inner, "number", node.operand)
        amount = Reckoned("*", Constant(-1.0), amount_of(inner))
        return Expression("number", lambda facts: -value(facts), inner.witness, None, None, amount)
    raise RuleError(f"{ast.unparse(node)!r}: this operator is not part of the language")


_ARITHMETIC: Mapping[type[ast.operator], tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Add: ("+", operator.add),
    ast.Sub: ("-", operator.sub),
    ast.Mult: ("*", operator.mul),
    ast.Div: ("/", operator.truediv),
}


def _bin_op(node: ast.BinOp, scope: Scope) -> Expression:
    sides = [expect(_compile(side, scope), "number", side) for side in (node.left, node.right)]
    if type(node.op) not in _ARITHMETIC:
        raise RuleError(f"{ast.unparse(node)!r}: this operator is not part of the language")
    if isinstance(node.op, ast.Div) and not sides[1].constant:
        raise RuleError(f"{ast.unparse(node)!r}: only division by a number other than 0 is allowed")
    symbol, join = _ARITHMETIC[type(node.op)]
    amount = Reckoned(symbol, amount_of(sides[0]), amount_of(sides[1]))
    return Expression("number", fold(join, sides), all_seen(sides), None, None, amount)


def _compare(node: ast.Compare, scope: Scope) -> Expression:
    sides = [_compile(side, scope) for side in (node.left, *node.comparators)]
    return compare(sides, node, scope)


_COMPILERS: Mapping[type[ast.expr], Callable[[Any, Scope], Expression]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Call: _call,
    ast.BoolOp: _bool_op,
    ast.UnaryOp: _unary_op,
    ast.BinOp: _bin_op,
    ast.Compare: _compare,
}
