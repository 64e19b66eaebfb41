"""What the rules need to know about people, taken from their records up to an instant."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recommender.dataset import FloatArray, IntArray, Records
from recommender.domain import SECONDS_PER_DAY, MetricsList
from recommender.guardrails.profile import ProfileReader, completed_years
from recommender.guardrails.program import Program
from recommender.guardrails.standing import Arbiter, Readings, Standing
from recommender.guardrails.terms import (
    Age,
    DaysSince,
    Defined,
    Expression,
    Fact,
    FactValues,
    NumberOf,
    Reading,
    form_of,
)

_SECONDS_PER_HOUR = 3600.0
_NUMBERS = (Age, DaysSince, NumberOf, Reading)


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
    def truths(self) -> tuple[bool, ...]:
        """Which facts are true or false, not numbers."""
        return tuple(not isinstance(fact, _NUMBERS) for fact in self.facts)


@dataclass(frozen=True)
class Dispute:
    """What the facts would be if the other of two disagreeing readings counted.

    Attributes
    ----------
    users
        Of which people, ascending.
    matrix, readings
        As in ``Facts``, with one entry for each of ``users``.
    """

    users: IntArray
    matrix: FloatArray
    readings: Mapping[int, IntArray]


@dataclass(frozen=True)
class Facts:
    """Facts about some people.

    Attributes
    ----------
    matrix
        One row a fact, in the order in which the rules asked for them: numbers, NaN where unknown,
        and truths as 0 or 1, [n_facts, n_users].
    columns
        The same, and to the right of it the matrix of each dispute.
    age
        Completed years, NaN where unknown, [n_users].
    readings
        For each reading among the facts, by its place: which observation it is (an index into
        ``Records.observations``, -1 if unknown), one entry a person.
    disputes
        The same facts with readings that dispute each other at their lowest, then at their highest;
        empty where none do.
    rivals, set_aside
        By metric name, for those that have any: readings that dispute each other (the latest, the
        lowest, the highest) and spikes that were not believed, as observations, [3 or 1, n_users]
        and -1 for none.
    """

    needs: Needs
    matrix: FloatArray
    columns: FloatArray
    age: FloatArray
    readings: Mapping[int, IntArray]
    disputes: Sequence[Dispute] = ()
    rivals: Mapping[str, IntArray] = field(default_factory=dict)
    set_aside: Mapping[str, IntArray] = field(default_factory=dict)

    @property
    def n_users(self) -> int:
        """How many people."""
        return len(self.age)

    @property
    def values(self) -> FactValues:
        """The facts as expressions take them: numbers or bools, one entry a person."""
        rows = zip(self.matrix, self.needs.truths, strict=True)
        return [row == 1.0 if truth else row for row, truth in rows]

    def versions(self, user: int) -> Iterator[tuple[FactValues, Callable[[int], int]]]:
        """The facts about one person as plain numbers and bools, and which observation a
        reading is.

        First as they stand, then as they would be by readings that dispute those.
        """
        yield self.of(user), _seen(self.readings, user)
        for dispute in self.disputes:
            at = int(np.searchsorted(dispute.users, user))
            if at < len(dispute.users) and dispute.users[at] == user:
                yield self._plain(dispute.matrix, at), _seen(dispute.readings, at)

    def rival(self, user: int, observation: int) -> int | None:
        """A reading that disputes this one, as an observation; None if none does."""
        return self._rival_of.get((user, observation))

    @cached_property
    def _rival_of(self) -> dict[tuple[int, int], int]:
        """For a person's reading the first other one that disputes it, by metric."""
        found: dict[tuple[int, int], int] = {}
        for group in self.rivals.values():
            for user in np.flatnonzero((group >= 0).any(axis=0)).tolist():
                three = [each for each in group[:, user].tolist() if each != -1]
                for one in three:
                    other = next((each for each in three if each != one), None)
                    if other is not None:
                        found.setdefault((user, one), other)
        return found

    @cached_property
    def seen(self) -> dict[int, list[int]]:
        """``readings`` as plain numbers."""
        return {place: each.tolist() for place, each in self.readings.items()}

    def of(self, user: int) -> FactValues:
        """The facts about one person as they stand, as plain numbers and bools."""
        if user not in self._kept:
            self._kept[user] = self._plain(self.matrix, user)
        return self._kept[user]

    @cached_property
    def _kept(self) -> dict[int, FactValues]:
        """Of whom more than one rule asks, by person."""
        return {}

    def _plain(self, matrix: FloatArray, user: int) -> FactValues:
        found = zip(matrix[:, user].tolist(), self.needs.truths, strict=True)
        return [value == 1.0 if truth else value for value, truth in found]


def _seen(readings: Mapping[int, IntArray], user: int) -> Callable[[int], int]:
    """Which observation is behind the reading at a place."""
    return lambda place: int(readings[place][user])


class FactReader:
    """Gathers what the rules need to know about people.

    Only plausible readings not after the instant asked about count; which of them stands for a
    metric is decided in ``standing``. A reading exactly as old as its freshness, or as its
    ``hours``, still counts.

    Parameters
    ----------
    metrics
        The list that the records' metric indices refer to.
    """

    def __init__(self, needs: Needs, metrics: MetricsList) -> None:
        self._needs, self._n_metrics = needs, len(metrics)
        self._low = np.array([metric.plausible_low for metric in metrics.metrics])
        self._high = np.array([metric.plausible_high for metric in metrics.metrics])
        self._latest = [place for place, _ in needs.latest]
        asked = np.array([metrics.index[one.metric] for _, one in needs.latest], np.int64)
        which, self._row = np.unique(asked, return_inverse=True)
        self._arbiter = Arbiter(which, metrics)
        self._names = [metrics.names[number] for number in which]
        self._window = np.array([_window(one, metrics) for _, one in needs.latest])
        self._extremes = [
            (place, metrics.index[one.metric], _window(one, metrics), one.kind)
            for place, one in needs.extremes
        ]
        self._profiles = ProfileReader(needs.facts)
        defined = {
            place: form_of(needs.definitions[fact.name])
            for place, fact in enumerate(needs.facts)
            if isinstance(fact, Defined)
        }
        self._defined = list(defined)
        self._definitions = Program(list(defined.values()), defined)

    def read(self, records: Records, as_of: float) -> Facts:
        """Gather the facts about every user of ``records``; ``as_of`` is in seconds since 1970."""
        users = records.users
        matrix = np.zeros((len(self._needs.facts) + 1, len(users)))
        age = completed_years(users.born_at, as_of)
        self._profiles.fill(matrix, users, age, as_of)
        matrix = matrix[:-1]
        known = self.that_count(records, as_of)
        standing = self._arbiter.standing(known)
        readings = self._read_readings(known, standing.place, as_of, matrix)
        whose = np.flatnonzero(standing.disputed.any(axis=0))
        # Those of whom anything is disputed twice more: by the lowest, and by the highest.
        disputed = matrix[:, whose]
        columns = np.concatenate([matrix, disputed, disputed], axis=1) if len(whose) else matrix
        disputes = self._disputes(columns, readings, whose, known, standing, as_of)
        # Whatever is defined is worked out once, of all columns.
        if self._defined:
            columns[self._defined] = self._definitions.run(columns).T
        matrix = columns[:, : len(age)]
        facts = Facts(self._needs, matrix, columns, age, readings, disputes)
        if disputes or (standing.set_aside >= 0).any():
            return self._with_names(facts, known, standing)
        return facts

    def _disputes(
        self,
        columns: FloatArray,
        readings: Mapping[int, IntArray],
        users: IntArray,
        known: Readings,
        standing: Standing,
        as_of: float,
    ) -> list[Dispute]:
        """What disputes the facts of those people of whom anything does; fills in its columns."""
        disputes = []
        first = len(standing.disputed.T)
        for other in (standing.low, standing.high) if len(users) else ():
            matrix, first = columns[:, first : first + len(users)], first + len(users)
            seen = {place: each[users] for place, each in readings.items()}
            seen |= self._latest_readings(known, other[:, users], as_of, matrix)
            disputes.append(Dispute(users, matrix, seen))
        return disputes

    def _with_names(self, facts: Facts, known: Readings, standing: Standing) -> Facts:
        """The facts with which readings dispute each other, and which were set aside."""
        rows = np.flatnonzero(standing.disputed.any(axis=1)).tolist()
        bounds = np.stack([standing.place, standing.low, standing.high])
        bounds = np.where(standing.disputed, bounds, -1)
        aside = np.flatnonzero((standing.set_aside >= 0).any(axis=1)).tolist()
        return replace(
            facts,
            rivals={self._names[row]: known.observation(bounds[:, row]) for row in rows},
            set_aside={
                self._names[row]: known.observation(standing.set_aside[None, row]) for row in aside
            },
        )

    def _latest_readings(
        self, known: Readings, standing: IntArray, as_of: float, matrix: FloatArray
    ) -> dict[int, IntArray]:
        """Fill in the latest values from the places of the standing readings."""
        place = standing[self._row]
        fresh = (place >= 0) & (known.at_place(place) >= (as_of - self._window)[:, None])
        found = np.where(fresh, known.value_at(place), np.nan)
        which = np.where(fresh, known.observation(place), -1)
        matrix[self._latest] = found
        return dict(zip(self._latest, which, strict=True))

    def _read_readings(
        self, known: Readings, standing: IntArray, as_of: float, matrix: FloatArray
    ) -> dict[int, IntArray]:
        seen = self._latest_readings(known, standing, as_of, matrix)
        for place, metric, window, kind in self._extremes:
            matrix[place], seen[place] = _extreme(known, metric, as_of - window, kind)
        return seen

    def that_count(self, records: Records, as_of: float) -> Readings:
        """Plausible readings not after an instant."""
        all_of = records.observations
        kind, value, at = all_of.metric, all_of.value, all_of.at
        counts = (at <= as_of) & (value >= self._low[kind]) & (value <= self._high[kind])
        index = np.flatnonzero(counts)
        key = all_of.user.astype(np.int64) * self._n_metrics + kind
        if len(index) < len(key):
            key, at, value = key[index], at[index], value[index]
        return Readings(len(records.users), self._n_metrics, key, at, value, index)


def _window(reading: Reading, metrics: MetricsList) -> float:
    if reading.hours is not None:
        return reading.hours * _SECONDS_PER_HOUR
    return metrics.metrics[metrics.index[reading.metric]].fresh_days * SECONDS_PER_DAY


def _extreme(
    known: Readings, metric: int, oldest: float, kind: str
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
