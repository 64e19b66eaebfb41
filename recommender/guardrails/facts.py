"""What the rules need to know about people, taken from their records up to an instant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.dataset import FloatArray, IntArray, Records
from recommender.domain import SECONDS_PER_DAY, MetricsList
from recommender.guardrails.profile import OneProfile, Profiles, profile_facts
from recommender.guardrails.standing import Arbiter, Readings, Standing
from recommender.guardrails.terms import Defined, Expression, Fact, Has, Reading

_SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True)
class Dispute:
    """What the facts would be if the other of two disagreeing readings counted.

    Attributes
    ----------
    users
        Of which people, ascending.
    values, readings
        As in ``Facts``, with one entry for each of ``users``.
    """

    users: IntArray
    values: list[Any]
    readings: Mapping[int, IntArray]


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
    disputes
        The same facts with readings that dispute each other at their lowest, then at their highest;
        empty where none do.
    rivals, set_aside
        By metric name, for those that have any: readings that dispute each other (the latest, the
        lowest, the highest) and spikes that were not believed, as observations, [3 or 1, n_users]
        and -1 for none.
    """

    n_users: int
    values: list[Any]
    readings: Mapping[int, IntArray]
    disputes: Sequence[Dispute] = ()
    rivals: Mapping[str, IntArray] = field(default_factory=dict)
    set_aside: Mapping[str, IntArray] = field(default_factory=dict)

    def versions(self, user: int) -> Iterator[tuple[list[Any], Mapping[int, int]]]:
        """The facts about one person as plain numbers and bools, and each reading's observation.

        First as they stand, then as they would be by readings that dispute those.
        """
        yield self.of(user), self._seen[user]
        for dispute in self.disputes:
            at = int(np.searchsorted(dispute.users, user))
            if at < len(dispute.users) and dispute.users[at] == user:
                seen_then = {place: int(seen[at]) for place, seen in dispute.readings.items()}
                yield _plain(dispute.values, at, self.n_users), seen_then

    def rival(self, user: int, observation: int) -> int | None:
        """A reading that disputes this one, as an observation; None if none does."""
        for group in self.rivals.values():
            found = group[:, user].tolist()
            if observation in found:
                return next((each for each in found if each not in (observation, -1)), None)
        return None

    def of(self, user: int) -> list[Any]:
        """The facts about one person as they stand, as plain numbers and bools."""
        return self.values if self.n_users == 1 else self._rows[user]

    @cached_property
    def _rows(self) -> list[list[Any]]:
        """The facts about each person."""
        columns = (values.tolist() for values in self.values)
        return list(map(list, zip(*columns, strict=True))) or [[]] * self.n_users

    @cached_property
    def _seen(self) -> list[dict[int, int]]:
        """By person, the observation behind each reading."""
        columns = [seen.tolist() for seen in self.readings.values()]
        rows = zip(*columns, strict=True) if columns else [()] * self.n_users
        return [dict(zip(self.readings, row, strict=True)) for row in rows]


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


def _plain(values: list[Any], at: int, n_users: int) -> list[Any]:
    return values if n_users == 1 else [value[at].item() for value in values]


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
        self._of_profile = profile_facts(needs.facts)
        self._defined = [
            (place, needs.definitions[fact.name].evaluate)
            for place, fact in enumerate(needs.facts)
            if isinstance(fact, Defined)
        ]

    def read(self, records: Records, as_of: float) -> Facts:
        """Gather the facts about every user of ``records``; ``as_of`` is in seconds since 1970."""
        n_users, asked = len(records.users), self._needs.conditions
        values: list[Any] = [None] * len(self._needs.facts)
        known = self.that_count(records, as_of)
        standing = self._arbiter.standing(known)
        readings = self._read_readings(known, standing.place, as_of, values)
        kind = OneProfile if n_users == 1 else Profiles
        profile = kind(records.users, asked, as_of)
        for place, gather, fact in self._of_profile:
            values[place] = gather(profile, fact)
        self._define(values)
        facts = Facts(n_users, values, readings)
        if standing.disputed.any() or (standing.set_aside >= 0).any():
            return self._with_doubts(facts, known, standing, as_of)
        return facts

    def _define(self, values: list[Any]) -> None:
        for place, evaluate in self._defined:
            values[place] = evaluate(values)

    def _with_doubts(
        self, facts: Facts, known: Readings, standing: Standing, as_of: float
    ) -> Facts:
        """The facts with what disputes them, of those people of whom anything does."""
        users = np.flatnonzero(standing.disputed.any(axis=0))
        disputes = []
        for other in (standing.low, standing.high) if len(users) else ():
            values = facts.values if facts.n_users == 1 else [each[users] for each in facts.values]
            values = list(values)
            seen = {place: each[users] for place, each in facts.readings.items()}
            seen |= self._latest_readings(known, other[:, users], as_of, values)
            self._define(values)
            disputes.append(Dispute(users, values, seen))
        rows = np.flatnonzero(standing.disputed.any(axis=1)).tolist()
        bounds = np.stack([standing.place, standing.low, standing.high])
        bounds = np.where(standing.disputed, bounds, -1)
        aside = np.flatnonzero((standing.set_aside >= 0).any(axis=1)).tolist()
        return replace(
            facts,
            disputes=disputes,
            rivals={self._names[row]: known.observation(bounds[:, row]) for row in rows},
            set_aside={
                self._names[row]: known.observation(standing.set_aside[None, row]) for row in aside
            },
        )

    def _latest_readings(
        self, known: Readings, standing: IntArray, as_of: float, values: list[Any]
    ) -> dict[int, IntArray]:
        """Fill in the latest values from the places of the standing readings."""
        place = standing[self._row]
        fresh = (place >= 0) & (known.at_place(place) >= (as_of - self._window)[:, None])
        found = np.where(fresh, known.value_at(place), np.nan)
        which = np.where(fresh, known.observation(place), -1)
        alone = known.n_users == 1
        for number, value in zip(
            self._latest, found[:, 0].tolist() if alone else found, strict=True
        ):
            values[number] = value
        return dict(zip(self._latest, which, strict=True))

    def _read_readings(
        self, known: Readings, standing: IntArray, as_of: float, values: list[Any]
    ) -> dict[int, IntArray]:
        seen = self._latest_readings(known, standing, as_of, values)
        alone = known.n_users == 1
        for place, metric, window, kind in self._extremes:
            extreme, seen[place] = _extreme(known, metric, as_of - window, kind)
            values[place] = extreme.item() if alone else extreme
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
