"""All rules at once: truths about many people worked out level by level instead of one by one.

``Expression.form`` says of what a truth is made. ``Program`` lines up everything that is asked of
single facts, then joins whole levels of ``and`` (an ``or`` is one whose parts and result are
turned round), eight people to a byte. Its answers are those of ``Expression.evaluate``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recommender.dataset import BoolArray, FloatArray, IntArray

Bits: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Within:
    """Whether a fact lies between two bounds or on one; false of an unknown one."""

    place: int
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class Reckoned:
    """What needs more than one number: worked out from the rows of facts."""

    evaluate: Callable[[Any], Any]


@dataclass(frozen=True, slots=True, eq=False)
class Every:
    """Whether every part holds."""

    parts: tuple[Form, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Denied:
    """Whether the part does not hold."""

    part: Form


Form: TypeAlias = Within | Reckoned | Every | Denied
NEVER = Denied(Every(()))


def some(parts: Sequence[Form]) -> Form:
    """Whether one part holds at least."""
    return Denied(Every(tuple(Denied(part) for part in parts)))


def known(place: int) -> Form:
    """Whether a fact is known."""
    return Within(place, -np.inf, np.inf)


def compared(place: int, symbol: str, limit: float) -> Form:
    """A fact compared with a number by one of ``< <= > >= == !=``."""
    if symbol == "!=":
        return Every((known(place), Denied(Within(place, limit, limit))))
    low, high = {
        "<": (-np.inf, np.nextafter(limit, -np.inf)),
        "<=": (-np.inf, limit),
        ">": (np.nextafter(limit, np.inf), np.inf),
        ">=": (limit, np.inf),
        "==": (limit, limit),
    }[symbol]
    return Within(place, float(low), float(high))


class _Term(NamedTuple):
    """A number of a row, and whether it is turned round."""

    row: int
    turned: bool


class _Level(NamedTuple):
    """Rows [first, last) as the ``and`` of gathered rows; both arrays [most parts, n_rows(, 1)]."""

    first: int
    last: int
    gather: IntArray
    turned: Bits


_Key: TypeAlias = Within | Reckoned | tuple[_Term, ...]


class _Plan:
    """Different rows that some forms need: of single facts, reckoned ones, then joined ones."""

    def __init__(self, inlined: Mapping[int, Form]) -> None:
        self._inlined = inlined
        self._met: dict[int, tuple[Form, _Term]] = {}
        self.rows: dict[_Key, int] = {(): 0}
        self.level: list[int] = [0]

    def term(self, form: Form) -> _Term:
        """Which row a form is; what it is made of stands in earlier ones."""
        if id(form) not in self._met:
            self._met[id(form)] = (form, self._found(form))
        return self._met[id(form)][1]

    def _found(self, form: Form) -> _Term:
        if isinstance(form, Denied):
            inner = self.term(form.part)
            return _Term(inner.row, not inner.turned)
        if isinstance(form, Every):
            parts = tuple(sorted({self.term(part) for part in form.parts}))
            if len(parts) == 1:
                return parts[0]
            return self._row(parts, 1 + max((self.level[part.row] for part in parts), default=-1))
        if isinstance(form, Within) and form.place in self._inlined:
            return self.term(self._inlined[form.place])
        return self._row(form, 0)

    def _row(self, key: _Key, level: int) -> _Term:
        if key not in self.rows:
            self.rows[key] = len(self.level)
            self.level.append(level)
        return _Term(self.rows[key], False)


class Program:
    """Forms made ready to be worked out together.

    Parameters
    ----------
    inlined
        By the place of a fact, what it stands for instead.
    """

    def __init__(self, forms: Sequence[Form], inlined: Mapping[int, Form] | None = None) -> None:
        plan = _Plan(inlined or {})
        roots = [plan.term(form) for form in forms]
        atoms = [key for key in plan.rows if isinstance(key, Within)]
        reckoned = [key for key in plan.rows if isinstance(key, Reckoned)]
        below = [key for key in plan.rows if key and not isinstance(key, Within | Reckoned)]
        joined = sorted(below, key=lambda key: plan.level[plan.rows[key]])
        keys: list[_Key] = [*atoms, *reckoned, (), *joined]
        order = [plan.rows[key] for key in keys]
        self._row_of = np.argsort(np.array(order, dtype=np.int64))
        self._place = np.array([atom.place for atom in atoms], dtype=np.int64)
        self._low = np.array([atom.low for atom in atoms], dtype=np.float64)[:, None]
        self._high = np.array([atom.high for atom in atoms], dtype=np.float64)[:, None]
        self._reckoned = [each.evaluate for each in reckoned]
        self._always = len(atoms) + len(reckoned)
        self._n_rows = len(order)
        self._levels = self._lined_up(joined, [plan.level[plan.rows[key]] for key in joined])
        self._roots = self._row_of[np.array([root.row for root in roots], dtype=np.int64)]
        self._turned = _turning([[root.turned for root in roots]])[0]

    def _lined_up(self, joined: Sequence[tuple[_Term, ...]], level: Sequence[int]) -> list[_Level]:
        levels, first = [], self._always + 1
        for number in sorted(set(level)):
            nodes = [parts for parts, of in zip(joined, level, strict=True) if of == number]
            most = max(len(parts) for parts in nodes)
            # Row 0 of the plan holds always and fills up what has fewer parts.
            full = [[*parts, *[_Term(0, False)] * (most - len(parts))] for parts in nodes]
            gather = self._row_of[np.array([[term.row for term in one] for one in full]).T]
            turned = _turning([[one[at].turned for one in full] for at in range(most)])
            levels.append(_Level(first, first + len(nodes), gather, turned))
            first += len(nodes)
        return levels

    def run(self, facts: FloatArray) -> BoolArray:
        """Which forms hold, [n_forms, n_people].

        Parameters
        ----------
        facts
            One row a fact, [n_facts, n_people]: truths as 0 or 1, NaN what is unknown.
        """
        n_people, n_atoms = facts.shape[1], len(self._place)
        truths = np.empty((self._n_rows, (n_people + 7) // 8), dtype=np.uint8)
        asked = facts.take(self._place, axis=0)
        within = (asked >= self._low) & (asked <= self._high)
        truths[:n_atoms] = np.packbits(within, axis=1)
        for row, evaluate in enumerate(self._reckoned, n_atoms):
            truths[row] = np.packbits(np.broadcast_to(evaluate(facts), n_people))
        truths[self._always] = 255
        for first, last, gather, turned in self._levels:
            truths[first:last] = np.bitwise_and.reduce(truths.take(gather, axis=0) ^ turned)
        found = truths[self._roots] ^ self._turned
        return np.unpackbits(found, axis=1, count=n_people).view(np.bool_)


def _turning(turned: Sequence[Sequence[bool]]) -> Bits:
    """What a byte of eight people is xored with, [..., 1]."""
    return np.where(np.array(turned, dtype=bool), 255, 0).astype(np.uint8)[..., None]
