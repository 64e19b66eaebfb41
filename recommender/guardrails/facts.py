"""What the rules need to know about people, taken from their records up to an instant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from recommender.compiled import compiled
from recommender.dataset import FloatArray, Int32Array, IntArray, Records
from recommender.domain import SECONDS_PER_DAY, MetricsList
from recommender.guardrails.forms import Form
from recommender.guardrails.profile import ProfileReader
from recommender.guardrails.standing import (
    Arbiter,
    Limits,
    Readings,
    Standing,
    standing,
    that_count,
    typed,
)
from recommender.guardrails.terms import (
    Age,
    DaysSince,
    Defined,
    Expression,
    Fact,
    NumberOf,
    Reading,
    form_of,
)

_SECONDS_PER_HOUR = 3600.0
_NUMBERS = (Age, DaysSince, NumberOf, Reading)
_KINDS = {"latest": 0, "highest": 1, "lowest": -1}


@dataclass(frozen=True)
class Needs:
    """What a set of rules asks for.

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
    def readings(self) -> dict[int, int]:
        """Places of everything that comes from observations -> their rows in ``Facts.seen``."""
        places = (place for place, fact in enumerate(self.facts) if isinstance(fact, Reading))
        return {place: row for row, place in enumerate(places)}

    @cached_property
    def truths(self) -> tuple[bool, ...]:
        """Which facts are true or false, not numbers."""
        return tuple(not isinstance(fact, _NUMBERS) for fact in self.facts)

    @cached_property
    def defined(self) -> dict[int, Form]:
        """Places of definitions -> what they stand for."""
        return {
            place: form_of(self.definitions[fact.name])
            for place, fact in enumerate(self.facts)
            if isinstance(fact, Defined)
        }


@dataclass(frozen=True)
class Facts:
    """Facts about some people.

    There is a column for each person and, to the right of these, two more for those of whom any
    reading is disputed: with disputed readings at their lowest for all of them, then at their
    highest.

    Attributes
    ----------
    matrix
        One row a fact, in the order in which the rules asked for them: numbers, NaN where unknown,
        and truths as 0 or 1; 0 of definitions, [n_facts, n_columns].
    age
        Completed years, NaN where unknown, [n_users].
    beside
        Columns of each person's disputes: the lowest and the highest, -1 for none, [2, n_users].
    seen
        Which of ``known`` each reading is, -1 if unknown, [n_readings, n_columns]; rows as in
        ``Needs.readings``.
    known, standing
        The readings that count, and which stand.
    """

    matrix: FloatArray
    age: FloatArray
    beside: IntArray
    seen: IntArray
    known: Readings
    standing: Standing


class _Asked(NamedTuple):
    """Facts that are readings; each array has one entry a reading.

    Attributes
    ----------
    place
        Among all facts.
    kind
        As ``_KINDS`` has them.
    metric, row
        The metric, and where it stands among those whose latest reading is asked for, or -1.
    window
        Seconds for which it counts.
    """

    place: IntArray
    kind: IntArray
    metric: IntArray
    row: IntArray
    window: FloatArray


class FactReader:
    """Gathers what the rules need to know about people.

    Only plausible readings not after the instant asked about count; which of them stands for a
    metric is decided in ``standing``. A reading exactly as old as its freshness, or as its
    ``hours``, still counts.

    Parameters
    ----------
    metrics
        The list that the records' metric indices refer to.

    Attributes
    ----------
    standing_row
        By the row of ``Facts.seen``: which row of ``Standing`` is of the same metric, or -1.
    """

    def __init__(self, needs: Needs, metrics: MetricsList) -> None:
        asked = [(at, fact) for at, fact in enumerate(needs.facts) if isinstance(fact, Reading)]
        latest = sorted({metrics.index[one.metric] for _, one in asked if one.kind == "latest"})
        row = {metric: place for place, metric in enumerate(latest)}
        metric = [metrics.index[one.metric] for _, one in asked]
        self._asked = _Asked(
            np.array([place for place, _ in asked], dtype=np.int64),
            np.array([_KINDS[one.kind] for _, one in asked], dtype=np.int64),
            np.array(metric, dtype=np.int64),
            np.array([row.get(each, -1) for each in metric], dtype=np.int64),
            np.array([_window(one, metrics) for _, one in asked], dtype=np.float64),
        )
        self.standing_row = self._asked.row
        self._arbiter = Arbiter(np.array(latest, dtype=np.int64), metrics)
        self._profiles = ProfileReader(needs.facts)

    def read(self, records: Records, as_of: float) -> Facts:
        """Gather the facts about every user of ``records``; ``as_of`` is in seconds since 1970."""
        profile, age = self._profiles.read(records.users, as_of)
        told, limits = typed(records.observations), self._arbiter.limits
        matrix, beside, seen, known, places = _gathered(
            profile, *told, limits, self._asked, float(as_of)
        )
        return Facts(matrix, age, beside, seen, known, Standing(places))


def _window(reading: Reading, metrics: MetricsList) -> float:
    if reading.hours is not None:
        return reading.hours * _SECONDS_PER_HOUR
    return metrics.metrics[metrics.index[reading.metric]].fresh_days * SECONDS_PER_DAY


@compiled
def _gathered(
    profile: FloatArray,
    user: Int32Array,
    metric: Int32Array,
    value: FloatArray,
    at: FloatArray,
    limits: Limits,
    asked: _Asked,
    as_of: float,
) -> tuple[FloatArray, IntArray, IntArray, Readings, IntArray]:
    """``matrix``, ``beside``, ``seen``, ``known`` and the places of ``standing`` of ``Facts``.

    Of the facts in profiles, [n_facts, n_users], and observations, [n_readings].
    """
    known = that_count(user, metric, value, at, limits, as_of)
    places = standing(known, profile.shape[1], limits)
    whose, beside = _columns(places)
    matrix, seen = _read(profile, whose, known, places, asked, as_of)
    return matrix, beside, seen, known, places


@compiled
def _columns(places: IntArray) -> tuple[IntArray, IntArray]:
    """Of whom each column is, [n_columns], and ``Facts.beside``, of ``Standing.places``."""
    n_users = places.shape[2]
    user = np.empty(3 * n_users, np.int64)
    beside = np.full((2, n_users), -1, np.int64)
    disputed = 0
    for who in range(n_users):
        user[who] = who
        for row in range(places.shape[1]):
            if places[1, row, who] != places[2, row, who]:
                beside[0, who] = n_users + disputed
                disputed += 1
                break
    for who in range(n_users):
        if beside[0, who] >= 0:
            beside[1, who] = beside[0, who] + disputed
            user[beside[0, who]] = user[beside[1, who]] = who
    return user[: n_users + 2 * disputed], beside


@compiled
def _read(
    profile: FloatArray,
    user: IntArray,
    known: Readings,
    places: IntArray,
    asked: _Asked,
    as_of: float,
) -> tuple[FloatArray, IntArray]:
    """``Facts.matrix`` and ``Facts.seen``.

    ``profile`` is [n_facts, n_users], ``user`` of whom each column is, ``places`` as in
    ``Standing``.
    """
    n_users, n_columns = profile.shape[1], len(user)
    disputed = (n_columns - n_users) // 2
    matrix = np.empty((len(profile), n_columns))
    seen = np.full((len(asked.place), n_columns), -1, np.int64)
    for fact in range(len(profile)):
        for column in range(n_columns):
            matrix[fact, column] = profile[fact, user[column]]
    for row in range(len(asked.place)):
        oldest = as_of - asked.window[row]
        if asked.kind[row] != 0:
            extreme = seen[row, :n_users]
            _extreme(known, asked.metric[row], oldest, float(asked.kind[row]), extreme)
        for column in range(n_columns):
            if asked.kind[row] != 0:
                place = seen[row, user[column]]
            else:
                version = 0 if column < n_users else 1 if column < n_users + disputed else 2
                place = places[version, asked.row[row], user[column]]
                if place >= 0 and known.at[place] < oldest:
                    place = -1
            seen[row, column] = place
            matrix[asked.place[row], column] = known.value[place] if place >= 0 else np.nan
    return matrix, seen


@compiled
def _extreme(known: Readings, metric: int, oldest: float, sign: float, extreme: IntArray) -> None:
    """Fill in the highest (``sign`` 1) or lowest (-1) reading not older than ``oldest``.

    Of several that are equal the latest; ``extreme`` comes as -1, [n_users].
    """
    for place in range(len(known.user)):
        if known.metric[place] == metric and known.at[place] >= oldest:
            best = extreme[known.user[place]]
            if best < 0 or sign * known.value[place] >= sign * known.value[best]:
                extreme[known.user[place]] = place
