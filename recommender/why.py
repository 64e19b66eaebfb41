"""Why each action is allowed, cautioned or withheld for one person, with the readings seen."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from recommender.alerts import alerts_of
from recommender.dataset import Records
from recommender.domain import Alert, Audience, Catalogue, Metric, MetricsList, Verdict
from recommender.errors import NotFoundError
from recommender.guardrails.check import Guard
from recommender.guardrails.rules import Rules
from recommender.guardrails.standing import Arbiter
from recommender.store.access import Asker, log_access
from recommender.store.direct import direct
from recommender.store.engine import Engine, reading, writing
from recommender.store.read import load_catalogue, load_user_record
from recommender.store.sources import reading_sources

_VERDICTS = tuple(Verdict)


@dataclass(frozen=True)
class ReadingSeen:
    """A reading that the rules looked at.

    Attributes
    ----------
    part
        ``stands`` (it counts), ``disputes`` (it counts beside that one, the safer decides) or
        ``set_aside`` (a change not believed until measured again).
    fresh
        Whether it is young enough to count where a rule names no window of its own.
    """

    metric: str
    value: float
    unit: str
    observation_id: str
    observed_at: datetime
    age_hours: float
    fresh: bool
    source: str | None
    part: str


@dataclass(frozen=True)
class ActionExplained:
    """One action's verdict, the rule behind it and every other rule that holds against it."""

    action_id: str
    title: str
    verdict: str
    rule_id: str | None
    rule_version: int | None
    text: str
    source: str
    observation_ids: tuple[str, ...]
    also: tuple[str, ...]


@dataclass(frozen=True)
class Explanation:
    """Everything the guardrails made of one person's record at an instant."""

    user_id: str
    as_of: datetime
    audience: str
    rules: str
    alerts: tuple[Alert, ...]
    readings: tuple[ReadingSeen, ...]
    actions: tuple[ActionExplained, ...]


def explain(
    engine: Engine,
    rules: Rules,
    metrics: MetricsList,
    user_id: str,
    *,
    action_id: str | None,
    as_of: datetime | None,
    audience: Audience,
    country: str | None,
    asker: Asker,
) -> Explanation:
    """Explain one action, or all that are not retired, and log that the person was looked at.

    Raises
    ------
    NotFoundError
        There is no such action.
    """
    now = datetime.now(UTC)
    at = as_of or now
    with reading(engine) as connection:
        catalogue = _wanted(load_catalogue(connection), action_id)
    with direct(engine) as store:
        records = load_user_record(store, user_id, at, catalogue, metrics).records
    seen = list(_readings(records, metrics, at, {}))
    with writing(engine) as connection:
        sources = reading_sources(connection, [each.observation_id for each in seen])
        log_access(connection, now, asker, "read", "verdicts", user_id)
    guard = Guard(rules, catalogue, metrics)
    decisions = guard.decide(records, at.timestamp(), audience)
    return Explanation(
        user_id,
        at,
        audience.value,
        rules.label,
        alerts_of(guard, decisions, records, audience, country).get(user_id, ()),
        tuple(_readings(records, metrics, at, sources)),
        tuple(_actions(guard, rules, catalogue, records, at, audience)),
    )


def _wanted(catalogue: Catalogue, action_id: str | None) -> Catalogue:
    if action_id is None:
        return Catalogue(tuple(each for each in catalogue.actions if not each.retired))
    chosen = tuple(each for each in catalogue.actions if each.action_id == action_id)
    if not chosen:
        raise NotFoundError(f"no such action: {action_id}")
    return Catalogue(chosen)


def _readings(
    records: Records, metrics: MetricsList, at: datetime, sources: dict[str, str | None]
) -> Iterator[ReadingSeen]:
    """The standing reading of every metric of the (single) person, and what disputes it."""
    arbiter = Arbiter(np.arange(len(metrics)), metrics)
    known = arbiter.that_count(records.observations, at.timestamp())
    standing = arbiter.standing(known, 1)
    for row, metric in enumerate(metrics.metrics):
        stands = int(standing.place[row, 0])
        parts = {stands: "stands"}
        if standing.disputed[row, 0]:
            for other in (standing.low, standing.high):
                parts.setdefault(int(other[row, 0]), "disputes")
        parts.setdefault(int(standing.set_aside[row, 0]), "set_aside")
        for place, part in parts.items():
            if place >= 0:
                index = int(known.observation[place])
                yield _reading(records, metric, index, part, at, sources)


def _reading(
    records: Records,
    metric: Metric,
    index: int,
    part: str,
    at: datetime,
    sources: dict[str, str | None],
) -> ReadingSeen:
    all_of = records.observations
    assert all_of.ids is not None
    observed_at = datetime.fromtimestamp(float(all_of.at[index]), UTC)
    hours = (at - observed_at).total_seconds() / 3600
    name = str(all_of.ids[index])
    return ReadingSeen(
        metric=metric.name,
        value=float(all_of.value[index]),
        unit=metric.unit,
        observation_id=name,
        observed_at=observed_at,
        age_hours=hours,
        fresh=hours <= metric.fresh_days * 24,
        source=sources.get(name),
        part=part,
    )


def _actions(
    guard: Guard,
    rules: Rules,
    catalogue: Catalogue,
    records: Records,
    at: datetime,
    audience: Audience,
) -> Iterator[ActionExplained]:
    decisions = guard.decide(records, at.timestamp(), audience)
    holding = [place for place in range(len(rules)) if guard.holds(decisions, 0, place, audience)]
    ids = records.observations.ids
    for place, action in enumerate(catalogue.actions):
        deciding = int(decisions.rule[0, place])
        rule = guard.rule(deciding)
        seen = guard.readings_seen(decisions, 0, deciding) if rule else ()
        yield ActionExplained(
            action_id=action.action_id,
            title=action.title,
            verdict=_VERDICTS[decisions.verdict[0, place]].value,
            rule_id=rule.rule_id if rule else None,
            rule_version=rule.version if rule else None,
            text=rule.text(audience) if rule else "",
            source=f"{rule.source} ({rule.date})" if rule else "",
            observation_ids=tuple(str(ids[index]) for index in seen) if ids is not None else (),
            also=tuple(_others(rules, holding, deciding, action.tags)),
        )


def _others(
    rules: Rules, holding: list[int], deciding: int, tags: Collection[str]
) -> Iterator[str]:
    for place in holding:
        if place != deciding and rules.rules[place].touches(tags):
            yield rules.rules[place].rule_id
