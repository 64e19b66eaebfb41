"""What the rules need to know about people, taken from their records up to an instant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.dataset import BoolArray, FloatArray, IntArray, ObjectArray, Records, Users
from recommender.domain import SECONDS_PER_DAY, MetricsList
from recommender.guardrails.terms import (
    Age,
    Defined,
    Expression,
    Fact,
    Has,
    NumberOf,
    Reading,
    SexIs,
    TextIs,
    UnknownPerson,
)

_SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True)
class Facts:
    """Facts about some people.

    Attributes
    ----------
    values
        One entry a fact, in the order in which the rules asked for them: a Python number or bool if
        ``n_users`` is one, else an array with one entry a person.
    readings
        For each reading among the facts, by its place: which observation it is (an index into
        ``Records.observations``, -1 if unknown), one entry a person.
    """

    n_users: int
    values: list[Any]
    readings: Mapping[int, IntArray]

    def of(self, user: int) -> list[Any]:
        """The facts about one person, as plain numbers and bools."""
        if self.n_users == 1:
            return self.values
        return [value[user].item() for value in self.values]


@dataclass(frozen=True)
class Needs:
    """What a set of rules asks for, sorted by kind once, so that gathering is quick.

    Attributes
    ----------
    facts
        Every fact at its place.
    definitions
        Expressions behind ``Defined`` facts, in the order in which they may refer to each other.
    """

    facts: tuple[Fact, ...]
    definitions: Mapping[str, Expression]

    @cached_property
    def latest(self) -> tuple[tuple[int, Reading], ...]:
        """Places and readings of the latest values."""
        return tuple(pair for pair in self.readings if pair[1].kind == "latest")

    @cached_property
    def extremes(self) -> tuple[tuple[int, Reading], ...]:
        """Places and readings of the lowest and highest values."""
        return tuple(pair for pair in self.readings if pair[1].kind != "latest")

    @cached_property
    def readings(self) -> tuple[tuple[int, Reading], ...]:
        """Places of everything that comes from observations."""
        return tuple((at, fact) for at, fact in enumerate(self.facts) if isinstance(fact, Reading))

    @cached_property
    def conditions(self) -> dict[str, int]:
        """Conditions asked for, numbered."""
        names = (fact.condition for fact in self.facts if isinstance(fact, Has))
        return {name: number for number, name in enumerate(names)}


def facts_from(needs: Needs, records: Records, metrics: MetricsList, as_of: float) -> Facts:
    """Gather what the rules need to know about every user of ``records``.

    Only plausible readings not after ``as_of`` (seconds since 1970) count. A reading exactly as old
    as its freshness, or as its ``hours``, still counts.
    """
    values: list[Any] = [None] * len(needs.facts)
    readings = _gather_readings(needs, records, metrics, as_of, values)
    profile = _Profile(records.users, needs, as_of)
    for place, fact in enumerate(needs.facts):
        gather = _PROFILE_FACTS.get(type(fact))
        if gather is not None:
            values[place] = gather(profile, fact)
    if len(records.users) == 1:
        values = [None if value is None else value[0].item() for value in values]
    for place, fact in enumerate(needs.facts):
        if isinstance(fact, Defined):
            values[place] = needs.definitions[fact.name].evaluate(values)
    return Facts(len(records.users), values, readings)


@dataclass(frozen=True)
class _Readings:
    """Readings that count, sorted by key = user * number of metrics + metric, then by time."""

    n_users: int
    n_metrics: int
    key: IntArray
    at: FloatArray
    value: FloatArray
    index: IntArray


def _gather_readings(
    needs: Needs, records: Records, metrics: MetricsList, as_of: float, values: list[Any]
) -> dict[int, IntArray]:
    known = _that_count(records, metrics, as_of)
    seen: dict[int, IntArray] = {}
    if needs.latest:
        places = [place for place, _ in needs.latest]
        number = np.array([metrics.index[reading.metric] for _, reading in needs.latest])
        oldest = np.array([as_of - _window(reading, metrics) for _, reading in needs.latest])
        found, which = _latest(known, number, oldest)
        for place, one_value, one_index in zip(places, found, which, strict=True):
            values[place], seen[place] = one_value, one_index
    for place, reading in needs.extremes:
        number_of = metrics.index[reading.metric]
        oldest_at = as_of - _window(reading, metrics)
        values[place], seen[place] = _extreme(known, number_of, oldest_at, reading.kind)
    return seen


def _window(reading: Reading, metrics: MetricsList) -> float:
    if reading.hours is not None:
        return reading.hours * _SECONDS_PER_HOUR
    return metrics.metrics[metrics.index[reading.metric]].fresh_days * SECONDS_PER_DAY


def _that_count(records: Records, metrics: MetricsList, as_of: float) -> _Readings:
    all_of = records.observations
    low = np.array([metric.plausible_low for metric in metrics.metrics])
    high = np.array([metric.plausible_high for metric in metrics.metrics])
    kind, value, at = all_of.metric, all_of.value, all_of.at
    counts = (at <= as_of) & (value >= low[kind]) & (value <= high[kind])
    index = np.flatnonzero(counts)
    key = all_of.user.astype(np.int64) * len(metrics) + kind
    if len(index) < len(key):
        key, at, value = key[index], at[index], value[index]
    return _Readings(len(records.users), len(metrics), key, at, value, index)


def _latest(
    known: _Readings, metric: IntArray, oldest: FloatArray
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Latest value and its observation for each asked metric and user, [n_asked, n_users]."""
    wanted = metric[:, None] + np.arange(known.n_users)[None, :] * known.n_metrics
    if not len(known.key):
        return np.full(wanted.shape, np.nan), np.full(wanted.shape, -1)
    last = np.maximum(np.searchsorted(known.key, wanted, side="right") - 1, 0)
    fresh = (known.key[last] == wanted) & (known.at[last] >= oldest[:, None])
    return np.where(fresh, known.value[last], np.nan), np.where(fresh, known.index[last], -1)


def _extreme(
    known: _Readings, metric: int, oldest: float, kind: str
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Lowest or highest value not older than ``oldest`` and its observation, one a user."""
    found, which = np.full(known.n_users, np.nan), np.full(known.n_users, -1, dtype=np.int64)
    inside = np.flatnonzero((known.at >= oldest) & (known.key % known.n_metrics == metric))
    sign = 1.0 if kind == "highest" else -1.0
    ordered = inside[np.argsort(sign * known.value[inside], kind="stable")]
    user = known.key[ordered] // known.n_metrics
    # Where a user comes more than once the last assignment stands: the most extreme reading.
    found[user], which[user] = known.value[ordered], known.index[ordered]
    return found, which


class _Profile:
    """Profile facts about all users of a record, each worked out at most once."""

    def __init__(self, users: Users, needs: Needs, as_of: float) -> None:
        self.users, self.needs, self.as_of = users, needs, as_of

    @cached_property
    def age(self) -> FloatArray:
        return completed_years(self.users.born_at, self.as_of)

    @cached_property
    def has(self) -> BoolArray:
        """[n_conditions asked for, n_users]."""
        numbers = self.needs.conditions
        flags = np.zeros((len(numbers) + 1, len(self.users)), dtype=bool)
        names = self.users.condition_name.tolist()
        # Conditions that no rule asks for all land in the spare last row.
        which = [numbers.get(name, -1) for name in names]
        flags[which, self.users.condition_user] = True
        return flags

    @cached_property
    def unknown_person(self) -> BoolArray:
        unknown: BoolArray = np.isnan(self.age)
        unknown[self.users.condition_user] = False
        return unknown

    def attribute(self, name: str) -> ObjectArray:
        column = self.users.attributes.get(name)
        if column is None:
            return np.full(len(self.users), None, dtype=object)
        return np.asarray(column, dtype=object)


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


def _sex_is(profile: _Profile, fact: Any) -> BoolArray:
    return np.asarray(profile.users.sex == fact.code)


def _text_is(profile: _Profile, fact: Any) -> BoolArray:
    values = profile.attribute(fact.attribute)
    if fact.word is None:
        # None and NaN stand for unknown; NaN is what differs from itself.
        return np.asarray((values == None) | (values != values), dtype=bool)  # noqa: E711
    return np.asarray(values == fact.word, dtype=bool)


def _number_of(profile: _Profile, fact: Any) -> FloatArray:
    values = profile.attribute(fact.attribute)
    return np.fromiter((_as_number(value) for value in values), np.float64, len(values))


def _as_number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return float("nan")
    try:
        return float(value)
    except ValueError:
        return float("nan")


_PROFILE_FACTS: Mapping[type[Any], Callable[[_Profile, Any], Any]] = {
    Age: lambda profile, _: profile.age,
    SexIs: _sex_is,
    Has: lambda profile, fact: profile.has[profile.needs.conditions[fact.condition]],
    TextIs: _text_is,
    NumberOf: _number_of,
    UnknownPerson: lambda profile, _: profile.unknown_person,
}
