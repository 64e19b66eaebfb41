"""All rules at once: truths about many people worked out together instead of one by one.

``Expression.form`` says of what a truth is made. ``Program`` lines up all numbers that are worked
out of facts, then everything that is asked of single numbers, then whatever joins these by ``and``
(an ``or`` is one whose parts and result are turned round), 64 people to a word. Its answers are
those of ``Expression.evaluate``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recommender.compiled import compiled
from recommender.dataset import BoolArray, FloatArray, IntArray
from recommender.guardrails.forms import (
    Amount,
    Constant,
    Denied,
    Every,
    FactAt,
    Form,
    Reckoned,
    Within,
)

Words: TypeAlias = NDArray[np.uint64]

_SYMBOLS = ("constant", "+", "-", "*", "/", "<", "<=", "==")


class _Term(NamedTuple):
    """A number of a row, and whether it is turned round."""

    row: int
    turned: bool


_Key: TypeAlias = Within | tuple[_Term, ...]


class _Plan:
    """Different rows that some forms need, each after those that it is made of."""

    def __init__(self, inlined: Mapping[int, Form]) -> None:
        self._inlined = inlined
        self._met: dict[int, tuple[Form, _Term]] = {}
        self.rows: dict[_Key, int] = {(): 0}
        self.worked_out: dict[Amount, int] = {}

    def term(self, form: Form) -> _Term:
        """Which row a form is; what it is made of stands in earlier ones."""
        if id(form) not in self._met:
            self._met[id(form)] = (form, self._found(form))
        return self._met[id(form)][1]

    def amount(self, amount: Amount) -> int:
        """A fact's place, or -1, -2, ... of the numbers worked out."""
        if isinstance(amount, FactAt):
            return amount.place
        if isinstance(amount, Reckoned):
            self.amount(amount.left)
            self.amount(amount.right)
        return -1 - self.worked_out.setdefault(amount, len(self.worked_out))

    def _found(self, form: Form) -> _Term:
        if isinstance(form, Denied):
            inner = self.term(form.part)
            return _Term(inner.row, not inner.turned)
        if isinstance(form, Every):
            parts = tuple(sorted({self.term(part) for part in form.parts}))
            return parts[0] if len(parts) == 1 else self._row(parts)
        if isinstance(form.of, FactAt) and form.of.place in self._inlined:
            return self.term(self._inlined[form.of.place])
        self.amount(form.of)
        return self._row(form)

    def _row(self, key: _Key) -> _Term:
        return _Term(self.rows.setdefault(key, len(self.rows)), False)


class _Tables(NamedTuple):
    """A program as arrays.

    Attributes
    ----------
    symbol, left, right, number
        Of each number worked out: place in ``_SYMBOLS``, both sides as ``_Plan.amount`` gives
        them, and its value if it is a constant.
    of, low, high
        Of each row that asks for a number: which one, and its bounds.
    first, row, turned
        Of each further row the places of its parts, [n_rows + 1]; of each part its row, and what
        that is xored with: all ones or 0.
    root, root_turned
        The same of each form.
    """

    symbol: IntArray
    left: IntArray
    right: IntArray
    number: FloatArray
    of: IntArray
    low: FloatArray
    high: FloatArray
    first: IntArray
    row: IntArray
    turned: Words
    root: IntArray
    root_turned: Words


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
        asked = [key for key in plan.rows if isinstance(key, Within)]
        joined = [key for key in plan.rows if not isinstance(key, Within)]
        keys: list[_Key] = [*asked, *joined]
        place = {plan.rows[key]: at for at, key in enumerate(keys)}
        parts = [part for key in joined for part in key]
        self._tables = _Tables(
            *_sums(plan),
            _ints([plan.amount(each.of) for each in asked]),
            np.array([each.low for each in asked], dtype=np.float64),
            np.array([each.high for each in asked], dtype=np.float64),
            np.cumsum([0, *map(len, joined)], dtype=np.int64),
            _ints([place[part.row] for part in parts]),
            _turning(parts),
            _ints([place[root.row] for root in roots]),
            _turning(roots),
        )

    def run(self, facts: FloatArray) -> BoolArray:
        """Which forms hold, [n_people, n_forms].

        Parameters
        ----------
        facts
            One row a fact, [n_facts, n_people]: truths as 0 or 1, NaN what is unknown.
        """
        return _run(np.ascontiguousarray(facts, dtype=np.float64), self._tables)


def _sums(plan: _Plan) -> tuple[IntArray, IntArray, IntArray, FloatArray]:
    """The first four of ``_Tables``."""
    rows = []
    for amount in plan.worked_out:
        if isinstance(amount, Reckoned):
            sides = plan.amount(amount.left), plan.amount(amount.right)
            rows.append((_SYMBOLS.index(amount.symbol), *sides, np.nan))
        elif isinstance(amount, Constant):
            rows.append((0, 0, 0, amount.number))
    symbol, left, right, number = zip(*rows, strict=True) if rows else ((), (), (), ())
    return _ints(symbol), _ints(left), _ints(right), np.array(number, dtype=np.float64)


def _ints(numbers: Sequence[int]) -> IntArray:
    return np.array(numbers, dtype=np.int64)


def _turning(terms: Sequence[_Term]) -> Words:
    """What words of the terms' rows are xored with."""
    return np.array([~np.uint64(0) if term.turned else 0 for term in terms], dtype=np.uint64)


@compiled
def _run(facts: FloatArray, tables: _Tables) -> BoolArray:
    """Which forms hold, [n_people, n_forms], of facts [n_facts, n_people]; 64 people at a time."""
    n_people, n_asked, n_joined = facts.shape[1], len(tables.of), len(tables.first) - 1
    holds = np.empty((n_people, len(tables.root)), np.bool_)
    sums = np.empty((len(tables.symbol), 64))
    truths = np.empty(n_asked + n_joined, np.uint64)
    for begin in range(0, n_people, 64):
        many = min(64, n_people - begin)
        _reckon(facts[:, begin : begin + many], tables, sums)
        for asked in range(n_asked):
            of, low, high = tables.of[asked], tables.low[asked], tables.high[asked]
            row = facts[of, begin : begin + many] if of >= 0 else sums[-1 - of, :many]
            word = np.uint64(0)
            for person in range(many):
                word |= np.uint64(low <= row[person] <= high) << np.uint64(person)
            truths[asked] = word
        for joined in range(n_joined):
            word = ~np.uint64(0)
            for part in range(tables.first[joined], tables.first[joined + 1]):
                word &= truths[tables.row[part]] ^ tables.turned[part]
            truths[n_asked + joined] = word
        for form in range(len(tables.root)):
            word = truths[tables.root[form]] ^ tables.root_turned[form]
            for person in range(many):
                holds[begin + person, form] = (word >> np.uint64(person)) & np.uint64(1) != 0
    return holds


@compiled
def _reckon(facts: FloatArray, tables: _Tables, sums: FloatArray) -> None:
    """Fill in the numbers worked out of facts [n_facts, n_people], [n_sums, at least n_people]."""
    for at in range(len(tables.symbol)):
        symbol, left, right = tables.symbol[at], tables.left[at], tables.right[at]
        for person in range(facts.shape[1]):
            if symbol == 0:
                sums[at, person] = tables.number[at]
                continue
            one = facts[left, person] if left >= 0 else sums[-1 - left, person]
            two = facts[right, person] if right >= 0 else sums[-1 - right, person]
            if symbol == 1:
                made = one + two
            elif symbol == 2:
                made = one - two
            elif symbol == 3:
                made = one * two
            elif symbol == 4:
                made = one / two
            elif symbol == 5:
                made = 1.0 if one < two else 0.0
            elif symbol == 6:
                made = 1.0 if one <= two else 0.0
            else:
                made = 1.0 if one == two else 0.0
            sums[at, person] = made
