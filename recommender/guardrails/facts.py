"""What the rules need to know about people, taken from their records up to an instant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.dataset import FloatArray, IntArray, Records
from recommender.domain import SECONDS_PER_DAY, MetricsList
from recommender.guardrails.profile import OneProfile, Profiles, profile_facts
from recommender.guardrails.terms import Defined, Expression, Fact, Has, Reading

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


@dataclass(frozen=True)
class _Readings:
    """Readings that count, sorted by key = user * number of metrics + metric, then by time."""

    n_users: int
    n_metrics: int
    key: IntArray
    at: FloatArray
    value: FloatArray
    index: IntArray


class FactReader:
    """Gathers what the rules need to know about people.

    Only plausible readings not after the instant asked about count. A reading exactly as old as
    its freshness, or as its ``hours``, still counts.

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
        self._metric = np.array([metrics.index[one.metric] for _, one in needs.latest], np.int64)
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
        readings = self._read_readings(records, as_of, values)
        kind = OneProfile if n_users == 1 else Profiles
        profile = kind(records.users, asked, as_of)
        for place, gather, fact in self._of_profile:
            values[place] = gather(profile, fact)
        for place, evaluate in self._defined:
            values[place] = evaluate(values)
        return Facts(n_users, values, readings)

    def _read_readings(
        self, records: Records, as_of: float, values: list[Any]
    ) -> dict[int, IntArray]:
        known = self._that_count(records, as_of)
        found, which = _latest(known, self._metric, as_of - self._window)
        alone = known.n_users == 1
        seen = dict(zip(self._latest, which, strict=True))
        for place, value in zip(
            self._latest, found[:, 0].tolist() if alone else found, strict=True
        ):
            values[place] = value
        for place, metric, window, kind in self._extremes:
            extreme, seen[place] = _extreme(known, metric, as_of - window, kind)
            values[place] = extreme.item() if alone else extreme
        return seen

    def _that_count(self, records: Records, as_of: float) -> _Readings:
        all_of = records.observations
        kind, value, at = all_of.metric, all_of.value, all_of.at
        counts = (at <= as_of) & (value >= self._low[kind]) & (value <= self._high[kind])
        index = np.flatnonzero(counts)
        key = all_of.user.astype(np.int64) * self._n_metrics + kind
        if len(index) < len(key):
            key, at, value = key[index], at[index], value[index]
        return _Readings(len(records.users), self._n_metrics, key, at, value, index)


def _window(reading: Reading, metrics: MetricsList) -> float:
    if reading.hours is not None:
        return reading.hours * _SECONDS_PER_HOUR
    return metrics.metrics[metrics.index[reading.metric]].fresh_days * SECONDS_PER_DAY


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
