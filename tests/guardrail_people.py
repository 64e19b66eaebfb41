"""People for guardrail tests, written down in one line each, and the shipped rules."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache

import numpy as np

from recommender.dataset import Events, Observations, Records, Users
from recommender.domain import SEX_CODES, Action, Catalogue, MetricsList
from recommender.guardrails.check import Guard
from recommender.guardrails.rules import Rules, load_rules
from recommender.metrics_list import load_metrics
from recommender.resources import data_path

NOW = datetime(2026, 7, 15, 12, 0, tzinfo=UTC).timestamp()
HOUR = 3600.0


@dataclass(frozen=True)
class Person:
    """``readings``: (metric, value, hours ago) each."""

    age: int | None = 40
    sex: str = "female"
    has: tuple[str, ...] = ()
    readings: tuple[tuple[str, float, float], ...] = ()
    attributes: dict[str, object] = field(default_factory=dict)


def person(
    has: str = "",
    *,
    age: int | None = 40,
    sex: str = "female",
    attributes: dict[str, object] | None = None,
    **readings: float | tuple[float, float],
) -> Person:
    """``systolic_bp=180`` is a reading of an hour ago, ``systolic_bp=(180, 5)`` one of five."""
    timed = [
        (metric, *(value if isinstance(value, tuple) else (value, 1.0)))
        for metric, value in readings.items()
    ]
    return Person(age, sex, tuple(has.split()), tuple(timed), attributes or {})


def vocabulary(file: str, key: str) -> tuple[str, ...]:
    return tuple(entry["name"] for entry in tomllib.loads(data_path(file).read_text())[key])


@cache
def metrics() -> MetricsList:
    return load_metrics(data_path("metrics.toml"))


@cache
def tags() -> tuple[str, ...]:
    return vocabulary("tags.toml", "tag")


@cache
def conditions() -> tuple[str, ...]:
    return vocabulary("conditions.toml", "condition")


@cache
def shipped_rules() -> Rules:
    return load_rules(data_path("guardrails.toml"), metrics(), tags(), conditions())


def one_action_a_tag() -> Catalogue:
    """Action ``i`` carries tag ``i`` only; the last carries none."""
    tagged = [Action(f"do-{tag}", tag, "activity", tags=(tag,)) for tag in tags()]
    return Catalogue((*tagged, Action("do-untagged", "untagged", "activity")))


def shipped_guard() -> Guard:
    return Guard(shipped_rules(), one_action_a_tag(), metrics())


def _born_at(age: int | None) -> float:
    if age is None:
        return float("nan")
    born = date(2026 - age, 7, 15)  # the birthday is the day of NOW
    return datetime(born.year, born.month, born.day, tzinfo=UTC).timestamp()


def records_of(*people: Person) -> Records:
    owned = [(user, name) for user, who in enumerate(people) for name in who.has]
    rows = sorted(
        (user, metrics().index[metric], NOW - hours * HOUR, value)
        for user, who in enumerate(people)
        for metric, value, hours in who.readings
    )
    names = sorted({name for who in people for name in who.attributes})
    users = Users(
        ids=np.array([f"u{number:06d}" for number in range(len(people))], dtype=object),
        born_at=np.array([_born_at(who.age) for who in people]),
        sex=np.array([SEX_CODES[who.sex] for who in people], dtype=np.int8),
        condition_user=np.array([user for user, _ in owned], dtype=np.int32),
        condition_name=np.array([name for _, name in owned], dtype=object),
        attributes={
            name: np.array([who.attributes.get(name) for who in people], dtype=object)
            for name in names
        },
    )
    observations = Observations(
        user=np.array([row[0] for row in rows], dtype=np.int32),
        metric=np.array([row[1] for row in rows], dtype=np.int32),
        value=np.array([row[3] for row in rows], dtype=np.float64),
        at=np.array([row[2] for row in rows], dtype=np.float64),
        ids=np.array([f"o{number}" for number in range(len(rows))], dtype=object),
    )
    return Records(users, no_events(), observations)


def no_events() -> Events:
    none = np.array([])
    return Events(
        user=none.astype(np.int32),
        action=none.astype(np.int32),
        kind=none.astype(np.int8),
        at=none,
        request=none.astype(np.int64),
        propensity=none,
        value=none,
    )
