"""What the rules ask of profiles: birth dates, sex, conditions and further columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache

import numpy as np

from recommender.dataset import FloatArray, IntArray, ObjectArray, Users
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


class ProfileReader:
    """Fills in those of some facts that profiles answer.

    Parameters
    ----------
    facts
        Each at its place.
    """

    def __init__(self, facts: Sequence[Fact]) -> None:
        placed = list(enumerate(facts))
        self._age = [place for place, fact in placed if isinstance(fact, Age)]
        self._stranger = [place for place, fact in placed if isinstance(fact, UnknownPerson)]
        self._condition = {fact.condition: at for at, fact in placed if isinstance(fact, Has)}
        self._sex, self._code = _pairs([(at, f.code) for at, f in placed if isinstance(f, SexIs)])
        self._number = [(at, f.attribute) for at, f in placed if isinstance(f, NumberOf)]
        self._since = [(at, f.attribute) for at, f in placed if isinstance(f, DaysSince)]
        self._unknown = np.array([at for at, _ in (*self._number, *self._since)], dtype=np.int64)
        texts = [(at, fact) for at, fact in placed if isinstance(fact, TextIs)]
        columns = {name: row for row, name in enumerate({f.attribute: 0 for _, f in texts})}
        self._words: dict[str, dict[object, int]] = {name: {None: 0} for name in columns}
        for _, fact in texts:
            words = self._words[fact.attribute]
            words.setdefault(_spelled(fact.word), len(words))
        self._text = np.array([at for at, _ in texts], dtype=np.int64)
        self._column, self._word = _pairs(
            [
                (columns[fact.attribute], self._words[fact.attribute][_spelled(fact.word)])
                for _, fact in texts
            ]
        )

    def fill(self, matrix: FloatArray, users: Users, age: FloatArray, as_of: float) -> None:
        """Fill in rows of [n_facts + 1, n_users], of zeros; the last one takes what nobody asks.

        ``age`` is in completed years, NaN if unknown.
        """
        matrix[self._age] = age
        matrix[self._sex] = users.sex == self._code[:, None]
        which = [self._condition.get(name, -1) for name in users.condition_name.tolist()]
        matrix[np.array(which, dtype=np.int64), users.condition_user] = 1.0
        stranger = np.isnan(age)
        stranger[users.condition_user] = False
        matrix[self._stranger] = stranger
        matrix[self._text] = self._codes(users)[self._column] == self._word[:, None]
        matrix[self._unknown] = np.nan
        self._fill_numbers(matrix, users.attributes, as_of)

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


def _pairs(pairs: Sequence[tuple[int, int]]) -> IntArray:
    """Pairs as two rows."""
    return np.array(pairs, dtype=np.int64).reshape(-1, 2).T


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
    known = np.isfinite(born_at)
    born_months, born_day = _month_and_day(np.where(known, born_at, 0.0))
    months, day = _month_and_day(np.array([as_of]))
    years = (months - born_months - (day < born_day)) // 12
    age: FloatArray = np.where(known & (years >= 0), years, np.nan)
    return age


def _month_and_day(at: FloatArray) -> tuple[IntArray, IntArray]:
    days = np.floor(at / SECONDS_PER_DAY).astype(np.int64).astype("M8[D]")
    months = days.astype("M8[M]")
    return months.astype(np.int64), (days - months.astype("M8[D]")).astype(np.int64)


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
