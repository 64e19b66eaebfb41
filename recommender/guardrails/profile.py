"""What the rules ask of profiles: birth dates, sex, conditions and further columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from recommender.compiled import compiled
from recommender.dataset import FloatArray, Int8Array, Int32Array, IntArray, ObjectArray, Users
from recommender.domain import SECONDS_PER_DAY
from recommender.guardrails.terms import (
    Age,
    DaysSince,
    Fact,
    Has,
    NumberOf,
    SexIs,
    TextIs,
    UnknownPerson,
)


class _Asked(NamedTuple):
    """What is asked of profiles, by the places of facts.

    Attributes
    ----------
    age, stranger
        Places of ``Age`` and ``UnknownPerson``.
    sex
        Places of ``SexIs`` and their codes, [2, n].
    text
        Places of ``TextIs``, their attributes and words by number, [3, n].
    number
        Places of what is a number if an attribute is known.
    """

    age: IntArray
    stranger: IntArray
    sex: IntArray
    text: IntArray
    number: IntArray


class ProfileReader:
    """Answers those of some facts that profiles answer.

    Parameters
    ----------
    facts
        Each at its place.
    """

    def __init__(self, facts: Sequence[Fact]) -> None:
        placed = list(enumerate(facts))
        self._n_facts = len(facts)
        self._condition = {fact.condition: at for at, fact in placed if isinstance(fact, Has)}
        self._number = [(at, f.attribute) for at, f in placed if isinstance(f, NumberOf)]
        self._since = [(at, f.attribute) for at, f in placed if isinstance(f, DaysSince)]
        texts = [(at, fact) for at, fact in placed if isinstance(fact, TextIs)]
        columns = {name: row for row, name in enumerate({f.attribute: 0 for _, f in texts})}
        self._words: dict[str, dict[object, int]] = {name: {None: 0} for name in columns}
        for _, fact in texts:
            words = self._words[fact.attribute]
            words.setdefault(_spelled(fact.word), len(words))
        self._asked = _Asked(
            _rows(1, [(place,) for place, fact in placed if isinstance(fact, Age)])[0],
            _rows(1, [(place,) for place, fact in placed if isinstance(fact, UnknownPerson)])[0],
            _rows(2, [(at, fact.code) for at, fact in placed if isinstance(fact, SexIs)]),
            _rows(
                3,
                [
                    (at, columns[f.attribute], self._words[f.attribute][_spelled(f.word)])
                    for at, f in texts
                ],
            ),
            _rows(1, [(at,) for at, _ in (*self._number, *self._since)])[0],
        )

    def read(self, users: Users, as_of: float) -> tuple[FloatArray, FloatArray]:
        """One row a fact, [n_facts, n_users]: 0 where profiles have no say, NaN what is unknown.

        And beside it completed years, NaN if unknown, [n_users].
        """
        which = [self._condition.get(name, -1) for name in users.condition_name.tolist()]
        age = completed_years(users.born_at, as_of)
        matrix = _filled(
            self._n_facts,
            age,
            np.ascontiguousarray(users.sex, dtype=np.int8),
            np.ascontiguousarray(users.condition_user, dtype=np.int32),
            np.array(which, dtype=np.int64),
            self._codes(users),
            self._asked,
        )
        self._fill_numbers(matrix, users.attributes, as_of)
        return matrix, age

    def _codes(self, users: Users) -> IntArray:
        """Numbers of the words asked for, [n_columns, n_users]: 0 of the unknown, -1 of others."""
        codes = np.zeros((len(self._words), len(users)), dtype=np.int64)
        for row, (name, words) in enumerate(self._words.items()):
            if name in users.attributes:
                codes[row] = [_code(value, words) for value in users.attributes[name].tolist()]
        return codes

    def _fill_numbers(
        self, matrix: FloatArray, attributes: Mapping[str, ObjectArray], as_of: float
    ) -> None:
        for place, name in self._number:
            if name in attributes:
                matrix[place] = [_as_number(value) for value in attributes[name].tolist()]
        for place, name in self._since:
            if name in attributes:
                instants = np.array([_instant(value) for value in attributes[name].tolist()])
                days = (as_of - instants) / SECONDS_PER_DAY
                matrix[place] = np.where(days >= 0, days, np.nan)


def _rows(count: int, columns: Sequence[tuple[int, ...]]) -> IntArray:
    """Tuples of so many numbers as rows, [count, n_tuples]."""
    return np.array(columns, dtype=np.int64).reshape(-1, count).T.copy()


@compiled
def _filled(
    n_facts: int,
    age: FloatArray,
    sex: Int8Array,
    condition_user: Int32Array,
    condition: IntArray,
    codes: IntArray,
    asked: _Asked,
) -> FloatArray:
    """What ``ProfileReader.read`` gives, [n_facts, n_users], all but numbers of attributes.

    ``condition`` has the place of each pair's fact, -1 if nobody asks; ``codes`` are numbers of
    words, [n_columns, n_users].
    """
    matrix = np.zeros((n_facts, len(age)))
    has_none = np.ones(len(age), np.bool_)
    for pair in range(len(condition)):
        if condition_user[pair] < 0 or condition_user[pair] >= len(age):
            raise IndexError("a condition of nobody")
        has_none[condition_user[pair]] = False
        if condition[pair] >= 0:
            matrix[condition[pair], condition_user[pair]] = 1.0
    for user in range(len(age)):
        for place in asked.age:
            matrix[place, user] = age[user]
        for place in asked.stranger:
            matrix[place, user] = has_none[user] and np.isnan(age[user])
        for place in asked.number:
            matrix[place, user] = np.nan
        for at in range(asked.sex.shape[1]):
            matrix[asked.sex[0, at], user] = sex[user] == asked.sex[1, at]
        for at in range(asked.text.shape[1]):
            matrix[asked.text[0, at], user] = codes[asked.text[1, at], user] == asked.text[2, at]
    return matrix


def _code(value: object, words: Mapping[object, int]) -> int:
    word = _spelled(value)
    return words.get(word, -1) if word is None or isinstance(word, str) else -1


def _spelled(value: object) -> object:
    """A word as it is compared: lower case, no blanks around it; None where nothing is known."""
    if isinstance(value, bool):
        return "yes" if value else "no"  # as JSON has it
    if isinstance(value, str):
        return value.strip().casefold() or None
    return None if value != value else value  # only NaN differs from itself


def completed_years(born_at: FloatArray, as_of: float) -> FloatArray:
    """Age in completed calendar years at an instant, NaN where unknown or not yet born.

    >>> born = np.array(["2000-02-29", "1999-03-01"], dtype="M8[s]").astype(float)
    >>> completed_years(born, np.datetime64("2018-02-28", "s").astype(float)).tolist()
    [17.0, 18.0]
    """
    return _years(np.ascontiguousarray(born_at, dtype=np.float64), float(as_of))


@compiled
def _years(born_at: FloatArray, as_of: float) -> FloatArray:
    """What ``completed_years`` gives, [n_users]."""
    age = np.full(len(born_at), np.nan)
    months, day = _month_and_day(as_of)
    for user in range(len(born_at)):
        if np.isfinite(born_at[user]):
            born_months, born_day = _month_and_day(born_at[user])
            years = (months - born_months - (1 if day < born_day else 0)) // 12
            if years >= 0:
                age[user] = years
    return age


@compiled
def _month_and_day(at: float) -> tuple[int, int]:
    """Months since the year 0 and the day of the month, of seconds since 1970.

    Counted from 1 March of the year 0, so that leap days come last in their year.
    """
    days = int(np.floor(at / SECONDS_PER_DAY)) + 719_468
    cycle = days // 146_097  # of 400 years
    day = days - cycle * 146_097
    year = (day - day // 1_460 + day // 36_524 - day // 146_096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    return 12 * (400 * cycle + year) + month + 2, day - (153 * month + 2) // 5 + 1


def _instant(value: object) -> float:
    """Seconds since 1970 of a date (midnight UTC) or an instant, NaN for anything else."""
    return _instant_of(value) if isinstance(value, str) else float("nan")


@lru_cache(maxsize=65_536)
def _instant_of(text: str) -> float:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return float("nan")
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _as_number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return float("nan")
    try:
        return float(value)
    except ValueError:
        return float("nan")
