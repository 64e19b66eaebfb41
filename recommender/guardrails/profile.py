"""What the rules ask of profiles: of one person in plain values, of many in arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any, Protocol

import numpy as np

from recommender.dataset import BoolArray, FloatArray, IntArray, ObjectArray, Users
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

_UNKNOWN = float("nan")
_FIRST_DAY = date(1970, 1, 1)


class Profile(Protocol):
    """Profile facts, of one person as plain values or of many as arrays with one entry each."""

    @property
    def sex(self) -> Any:
        """Codes of ``domain.SEX_CODES``."""

    @property
    def age(self) -> Any:
        """Completed calendar years, NaN where unknown or not yet born."""

    @property
    def unknown_person(self) -> Any:
        """Whether neither a usable birth date nor any condition is on record."""

    def has(self, condition: str) -> Any:
        """Whether a condition is on record."""

    def attribute(self, name: str) -> Any:
        """A further column as it is, None where it is not known."""

    def word_is(self, name: str, word: str | None) -> Any:
        """Whether a further column is this word in any spelling, or for None, whether unknown."""

    def number(self, name: str) -> Any:
        """A further column as a number, NaN where it is none."""

    def days_since(self, name: str) -> Any:
        """Days since the date in a further column, NaN where there is none or it is to come."""


class OneProfile:
    """The profile of the only person in ``users``."""

    def __init__(self, users: Users, _asked: Mapping[str, int], as_of: float) -> None:
        self._users, self._as_of = users, as_of
        self._conditions = frozenset(users.condition_name.tolist())
        self.sex = int(users.sex[0])
        self.age = _age(float(users.born_at[0]), as_of)
        self.unknown_person = self.age != self.age and not self._conditions

    def has(self, condition: str) -> bool:
        """See ``Profile``."""
        return condition in self._conditions

    def attribute(self, name: str) -> object:
        """See ``Profile``."""
        column = self._users.attributes.get(name)
        return None if column is None else column[0]

    def word_is(self, name: str, word: str | None) -> bool:
        """See ``Profile``."""
        return _spelled(self.attribute(name)) == _spelled(word)

    def number(self, name: str) -> float:
        """See ``Profile``."""
        return _as_number(self.attribute(name))

    def days_since(self, name: str) -> float:
        """See ``Profile``."""
        days = (self._as_of - _instant(self.attribute(name))) / SECONDS_PER_DAY
        return days if days >= 0 else _UNKNOWN


class Profiles:
    """The profiles of many people.

    Parameters
    ----------
    asked
        Conditions that may be asked for, numbered.
    """

    def __init__(self, users: Users, asked: Mapping[str, int], as_of: float) -> None:
        self._users, self._asked, self._as_of = users, asked, as_of
        self._words: dict[str, ObjectArray] = {}
        self.sex = users.sex
        self.age = completed_years(users.born_at, as_of)

    @cached_property
    def _has(self) -> BoolArray:
        """[n_conditions asked for + 1, n_users]; what nobody asks for is in the last row."""
        flags = np.zeros((len(self._asked) + 1, len(self._users)), dtype=bool)
        which = [self._asked.get(name, -1) for name in self._users.condition_name.tolist()]
        flags[which, self._users.condition_user] = True
        return flags

    @cached_property
    def unknown_person(self) -> BoolArray:
        """See ``Profile``."""
        unknown: BoolArray = np.isnan(self.age)
        unknown[self._users.condition_user] = False
        return unknown

    def has(self, condition: str) -> BoolArray:
        """See ``Profile``."""
        found: BoolArray = self._has[self._asked[condition]]
        return found

    def attribute(self, name: str) -> ObjectArray:
        """See ``Profile``."""
        column = self._users.attributes.get(name)
        if column is None:
            return np.full(len(self._users), None, dtype=object)
        return np.asarray(column, dtype=object)

    def word_is(self, name: str, word: str | None) -> BoolArray:
        """See ``Profile``."""
        if name not in self._users.attributes:
            return np.full(len(self._users), word is None)
        if name not in self._words:
            values = map(_spelled, self.attribute(name))
            self._words[name] = np.fromiter(values, dtype=object, count=len(self._users))
        same: BoolArray = np.asarray(self._words[name] == _spelled(word), dtype=bool)
        return same

    def number(self, name: str) -> FloatArray:
        """See ``Profile``."""
        values = self.attribute(name)
        return np.fromiter(map(_as_number, values), np.float64, len(values))

    def days_since(self, name: str) -> FloatArray:
        """See ``Profile``."""
        column = self._users.attributes.get(name)
        if column is None:
            return np.full(len(self._users), np.nan)
        instants = np.fromiter(map(_instant, column), np.float64, len(column))
        days = (self._as_of - instants) / SECONDS_PER_DAY
        return np.where(days >= 0, days, np.nan)


Gather = Callable[[Profile, Any], Any]


def profile_facts(facts: Sequence[Fact]) -> list[tuple[int, Gather, Fact]]:
    """Those of the facts that a profile answers: place, how to get it, what is asked."""
    return [
        (place, _GATHER[type(fact)], fact)
        for place, fact in enumerate(facts)
        if type(fact) in _GATHER
    ]


def _spelled(value: object) -> object:
    """A word as it is compared: lower case, no blanks around it; None where nothing is known."""
    if isinstance(value, bool):
        return "yes" if value else "no"  # as JSON has it
    if isinstance(value, str):
        return value.strip().casefold() or None
    return None if value != value else value  # only NaN differs from itself


_GATHER: Mapping[type[Any], Gather] = {
    Age: lambda profile, _: profile.age,
    SexIs: lambda profile, fact: profile.sex == fact.code,
    Has: lambda profile, fact: profile.has(fact.condition),
    TextIs: lambda profile, fact: profile.word_is(fact.attribute, fact.word),
    NumberOf: lambda profile, fact: profile.number(fact.attribute),
    DaysSince: lambda profile, fact: profile.days_since(fact.attribute),
    UnknownPerson: lambda profile, _: profile.unknown_person,
}


def _age(born_at: float, as_of: float) -> float:
    """As ``completed_years``, of one person."""
    if born_at != born_at:
        return _UNKNOWN
    born, today = (
        _FIRST_DAY + timedelta(days=instant // SECONDS_PER_DAY) for instant in (born_at, as_of)
    )
    years = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    return float(years) if years >= 0 else _UNKNOWN


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
