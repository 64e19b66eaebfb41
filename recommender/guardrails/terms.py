"""What compiled rule expressions are made of: the facts they ask for, and how they join."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from recommender.errors import RuleError
from recommender.guardrails.forms import (
    ALWAYS,
    Amount,
    Denied,
    Every,
    FactAt,
    Form,
    some,
    true,
)

FactValues: TypeAlias = Sequence[Any]
"""One value a fact: a float or bool for one person, an array with one entry a person for many."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A number taken from a metric's readings; ``hours`` None means the metric's freshness."""

    metric: str
    kind: str = "latest"
    hours: float | None = None


@dataclass(frozen=True, slots=True)
class Age:
    """Completed years, NaN if unknown."""


@dataclass(frozen=True, slots=True)
class SexIs:
    """Whether the recorded sex has this code of ``domain.SEX_CODES``."""

    code: int


@dataclass(frozen=True, slots=True)
class Has:
    """Whether a condition is on record."""

    condition: str


@dataclass(frozen=True, slots=True)
class TextIs:
    """Whether an attribute is exactly this word; ``word`` None asks whether it is unknown."""

    attribute: str
    word: str | None


@dataclass(frozen=True, slots=True)
class NumberOf:
    """An attribute as a number, NaN if it is none."""

    attribute: str


@dataclass(frozen=True, slots=True)
class DaysSince:
    """Days since the date that an attribute holds, NaN if it holds none or one to come."""

    attribute: str


@dataclass(frozen=True, slots=True)
class UnknownPerson:
    """Whether neither a birth date nor any condition is on record."""


@dataclass(frozen=True, slots=True)
class Defined:
    """The value of one of the rule file's own definitions."""

    name: str


Fact: TypeAlias = (
    Reading | Age | SexIs | Has | TextIs | NumberOf | DaysSince | UnknownPerson | Defined
)
Evaluate: TypeAlias = Callable[[FactValues], Any]


class Look(NamedTuple):
    """A reading that is looked at, by the place of its fact, wherever ``when`` holds."""

    place: int
    when: Form


Witness: TypeAlias = tuple[Look, ...]


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked, compiled expression.

    Attributes
    ----------
    kind
        ``truth``, ``number``, ``text`` (a quoted word), ``sex`` or ``attribute``.
    evaluate
        Its value for given facts.
    witness
        The readings that made it true: of an ``or`` those of its first true side, otherwise all
        it looks at.
    constant
        The number or word itself where it is one.
    form
        Of what a truth is made, for ``program``.
    amount
        Of what a number is made.
    """

    kind: str
    evaluate: Evaluate
    witness: Witness
    constant: float | str | None = None
    form: Form | None = None
    amount: Amount | None = None


def form_of(found: Expression) -> Form:
    """Of what a truth is made."""
    assert found.form is not None
    return found.form


def amount_of(found: Expression) -> Amount:
    """Of what a number is made."""
    assert found.amount is not None
    return found.amount


@dataclass
class Scope:
    """The names an expression may use, and the facts asked for so far, each at its place."""

    metrics: Collection[str]
    conditions: Collection[str]
    definitions: dict[str, Expression] = field(default_factory=dict)
    places: dict[Fact, int] = field(default_factory=dict)

    def place(self, fact: Fact) -> int:
        """Place of a fact among all facts; asked twice it is the same."""
        return self.places.setdefault(fact, len(self.places))


def expect(found: Expression, kind: str, node: ast.expr) -> Expression:
    """The expression itself if it is of this kind.

    Raises
    ------
    RuleError
        It is of another kind.
    """
    if found.kind != kind:
        raise RuleError(f"{ast.unparse(node)!r} is a {found.kind}, a {kind} is needed")
    return found


def all_seen(parts: Sequence[Expression]) -> Witness:
    """Witness of what needs every part: the readings of all of them."""
    return tuple(dict.fromkeys(look for part in parts for look in part.witness))


def first_true_seen(parts: Sequence[Expression]) -> Witness:
    """Witness of what needs one part: the readings of the first that holds."""
    seen: list[Look] = []
    if any(part.witness for part in parts):
        for place, part in enumerate(parts):
            first = (*(Denied(form_of(each)) for each in parts[:place]), form_of(part))
            seen += (Look(look.place, Every((*first, look.when))) for look in part.witness)
    return tuple(seen)


def of_fact(fact: Fact, kind: str, scope: Scope) -> Expression:
    """An expression whose value is a single fact."""
    place = scope.place(fact)
    witness = (Look(place, ALWAYS),) if isinstance(fact, Reading) else ()
    form = true(place) if kind == "truth" else None
    return Expression(kind, operator.itemgetter(place), witness, None, form, FactAt(place))


def conjunction(parts: Sequence[Expression]) -> Expression:
    """An expression that holds if every part does."""
    form = Every(tuple(map(form_of, parts)))
    return Expression("truth", fold(operator.and_, parts), all_seen(parts), None, form)


def alternative(parts: Sequence[Expression]) -> Expression:
    """An expression that holds if one part does."""
    form = some(list(map(form_of, parts)))
    return Expression("truth", fold(operator.or_, parts), first_true_seen(parts), None, form)


def negation(part: Expression) -> Expression:
    """An expression that holds if the part does not, and looks where that looks."""
    value = part.evaluate
    # Unlike `not` and `~`, xor negates a bool and an array of bools alike.
    form = Denied(form_of(part))
    return Expression("truth", lambda facts: value(facts) ^ True, part.witness, None, form)


def fold(join: Callable[[Any, Any], Any], parts: Sequence[Expression]) -> Evaluate:
    """Evaluate parts, at least two, and join their values from the left."""
    first, *rest = [part.evaluate for part in parts]
    if len(rest) == 1:
        second = rest[0]
        return lambda facts: join(first(facts), second(facts))

    def evaluate(facts: FactValues) -> Any:
        value = first(facts)
        for other in rest:
            value = join(value, other(facts))
        return value

    return evaluate
