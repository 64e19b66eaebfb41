"""Facts as plain numbers and bools, and what rules see in them, worked out one by one."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any

from recommender.guardrails.expressions import compile_truth
from recommender.guardrails.facts import Facts, Needs
from recommender.guardrails.terms import Defined, Reading, Scope

Seen = Callable[[int], int]


def values_of(needs: Needs, facts: Facts) -> list[Any]:
    """The facts as expressions take them: numbers or bools, one entry a person."""
    found: list[Any] = []
    for row, truth, fact in zip(facts.matrix, needs.truths, needs.facts, strict=True):
        if isinstance(fact, Defined):
            found.append(needs.definitions[fact.name].evaluate(found))
        else:
            found.append((row == 1.0 if truth else row)[: len(facts.age)])
    return found


def versions(needs: Needs, facts: Facts, user: int) -> Iterator[tuple[list[Any], Seen]]:
    """The facts about one person, and which observation the reading at a place is.

    First as they stand, then as they would be by readings that dispute those.
    """
    for column in (user, *facts.beside[:, user].tolist()):
        if column >= 0:
            values: list[Any] = []
            for at, (truth, fact) in enumerate(zip(needs.truths, needs.facts, strict=True)):
                number = float(facts.matrix[at, column])
                defined = isinstance(fact, Defined) and needs.definitions[fact.name]
                plain = number == 1.0 if truth else number
                values.append(bool(defined.evaluate(values)) if defined else plain)
            yield values, _seen(needs, facts, column)


def _seen(needs: Needs, facts: Facts, column: int) -> Seen:
    def observation(place: int) -> int:
        known = int(facts.seen[needs.readings[place], column])
        return -1 if known < 0 else int(facts.known.observation[known])

    return observation


def looked_at(text: str, scope: Scope, texts: dict[str, str], values: list[Any]) -> list[int]:
    """Places of the readings that make an expression hold, in order.

    Of an ``or`` those of its first true side, otherwise all it looks at. ``texts`` are those of
    the definitions.
    """
    return list(dict.fromkeys(_looked_at(ast.parse(text, mode="eval").body, scope, texts, values)))


def _looked_at(
    node: ast.expr, scope: Scope, texts: dict[str, str], values: list[Any]
) -> Iterator[int]:
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
        holding = (s for s in node.values if compile_truth(ast.unparse(s), scope).evaluate(values))
        parts = [side for side in [next(holding, None)] if side]
    elif isinstance(node, ast.Name) and node.id in texts:
        parts = [ast.parse(texts[node.id], mode="eval").body]
    elif isinstance(node, ast.Name):
        yield from [scope.place(Reading(node.id))] if node.id in scope.metrics else []
        return
    elif isinstance(node, ast.Call):
        name, hours = ast.unparse(node.func), [ast.literal_eval(k.value) for k in node.keywords]
        if name in ("latest", "lowest", "highest"):
            metric = ast.literal_eval(node.args[0])
            yield scope.place(Reading(metric, name, float(hours[0]) if hours else None))
        return
    else:
        parts = [each for each in ast.iter_child_nodes(node) if isinstance(each, ast.expr)]
    for part in parts:
        yield from _looked_at(part, scope, texts, values)
