"""Of what the truths and numbers of rules are made, for ``program`` to work out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np


@dataclass(frozen=True, slots=True)
class FactAt:
    """The number that is a fact."""

    place: int


@dataclass(frozen=True, slots=True)
class Constant:
    """A number that is written in the rule."""

    number: float


@dataclass(frozen=True, slots=True)
class Reckoned:
    """What one of ``+ - * /`` makes of two numbers; 1 or 0 of ``< <= ==``."""

    symbol: str
    left: Amount
    right: Amount


Amount: TypeAlias = FactAt | Constant | Reckoned


@dataclass(frozen=True, slots=True)
class Within:
    """Whether a number lies between two bounds or on one; false of an unknown one."""

    of: Amount
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class Every:
    """Whether every part holds."""

    parts: tuple[Form, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Denied:
    """Whether the part does not hold."""

    part: Form


Form: TypeAlias = Within | Every | Denied
ALWAYS = Every(())
NEVER = Denied(ALWAYS)


def some(parts: Sequence[Form]) -> Form:
    """Whether one part holds at least."""
    return Denied(Every(tuple(Denied(part) for part in parts)))


def true(place: int) -> Form:
    """Whether a fact that is a truth holds."""
    return Within(FactAt(place), 1.0, 1.0)


def known(amount: Amount) -> Form:
    """Whether a number is known."""
    return Within(amount, -np.inf, np.inf)


def compared(left: Amount, symbol: str, right: Amount) -> Form:
    """Two numbers compared by one of ``< <= > >= == !=``; false where one is unknown."""
    if symbol in (">", ">="):
        return compared(right, {">": "<", ">=": "<="}[symbol], left)
    if symbol == "!=":
        return some((compared(left, "<", right), compared(right, "<", left)))
    if isinstance(right, Constant):
        limit = right.number
        low = limit if symbol == "==" else -np.inf
        return Within(left, low, float(np.nextafter(limit, -np.inf)) if symbol == "<" else limit)
    if isinstance(left, Constant):
        limit = left.number
        high = limit if symbol == "==" else np.inf
        return Within(right, float(np.nextafter(limit, np.inf)) if symbol == "<" else limit, high)
    return Within(Reckoned(symbol, left, right), 1.0, 1.0)
