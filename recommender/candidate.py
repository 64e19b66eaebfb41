"""A freshly trained run before it is published: what it is compared with, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from recommender.assess import Assessor
from recommender.dataset import Records, sample_of, select_users, take_users
from recommender.domain import Audience, Catalogue, MetricsList, Objective, Verdict
from recommender.drift.measure import Drift, LastRun, measure
from recommender.drift.offers import Offers, Seen, offers, seen
from recommender.drift.people import picture_document, picture_from
from recommender.errors import DataError, NotFoundError, NothingToLearnError
from recommender.gate import GateDecision, decide
from recommender.guardrails.rules import Rules
from recommender.model_card.groups import GroupFigures, figures_by_segment, group_figures
from recommender.models.artifact import pack, unpack
from recommender.models.hybrid import HybridModel, ModelSettings
from recommender.models.warm import WarmStart, warm_start
from recommender.settings import GateLimits
from recommender.store.engine import Connection
from recommender.store.feeds import FeedCount, feed_counts
from recommender.store.packed import Counts, load_records, packed_counts
from recommender.store.read import load_catalogue
from recommender.store.runs import all_figures, load_artifact, published_run

FEEDS_SAMPLE = 20_000
"""People whose readings are counted by source; of more, a sample is enough."""
OFFERS_SAMPLE = 5_000
"""People whose lists are looked at; of more, a sample is enough."""


@dataclass(frozen=True)
class Material:
    """What a training reads: today's records, and the run in force if there is one.

    Attributes
    ----------
    records
        Of everybody, or of a sample where there are many people.
    counts
        People, events and observations of everybody.
    """

    catalogue: Catalogue
    records: Records
    counts: Counts
    feeds: list[FeedCount]
    last: LastRun | None


@dataclass(frozen=True)
class Candidate:
    """A fitted model and all that was found out about it."""

    model: HybridModel
    drift: Drift
    groups: list[GroupFigures]
    decision: GateDecision

    def figures(self) -> dict[tuple[str, str], float]:
        """Everything that ``run_metrics`` keeps, by (name, segment)."""
        of_all = {(name, "all"): value for name, value in self.model.holdout.items()}
        return figures_by_segment(self.groups) | self.drift.figures() | of_all

    def packed(self) -> tuple[dict[str, Any], bytes]:
        """Manifest and arrays; the manifest keeps the picture of the people for the next run."""
        manifest, artifact = pack(self.model)
        return manifest | {"people": picture_document(self.drift.people)}, artifact


def read_material(
    connection: Connection,
    as_of: datetime,
    metrics: MetricsList,
    settings: ModelSettings,
    seed: int,
) -> Material:
    """Read everything up to an instant, packed before; NothingToLearnError if there is no action.

    Of more people than the settings say a sample is read, drawn by ``seed``.
    """
    catalogue = load_catalogue(connection)
    if not catalogue.actions:
        raise NothingToLearnError("there are no actions yet: run `recommender ingest actions FILE`")
    counts = packed_counts(connection)
    most = settings.most_users(counts.users, counts.events)
    records = load_records(connection, as_of, catalogue, metrics, sample=most, seed=seed)
    if counts.users == len(records.users):
        counts = Counts(counts.users, len(records.events), len(records.observations))
    feeds = feed_counts(connection, as_of, _some_people(records))
    return Material(catalogue, records, counts, feeds, _last_run(connection, catalogue, metrics))


def warm_start_of(connection: Connection, catalogue: Catalogue) -> WarmStart | str:
    """What a training takes over from the run in force, or why it can't."""
    run = published_run(connection)
    if run is None:
        return "no run is in force"
    try:
        model = unpack(*load_artifact(connection, run.run_id))
    except (DataError, NotFoundError):
        return "the model of the run in force can't be read"
    return warm_start(model.parameters, model.catalogue, model.facts, catalogue)


def _some_people(records: Records) -> list[str] | None:
    """Ids of those whose readings are counted by source; None for everybody."""
    ids = records.users.ids
    if len(ids) <= FEEDS_SAMPLE:
        return None
    some: list[str] = ids[sample_of(ids, FEEDS_SAMPLE, 0)].tolist()
    return some


def judge(
    model: HybridModel,
    material: Material,
    metrics: MetricsList,
    as_of: datetime,
    limits: GateLimits,
    rules: Rules,
) -> Candidate:
    """Measure a fitted model against the run in force and let the gate decide."""
    last = material.last
    assessor = Assessor(model, rules, metrics, material.catalogue)
    # Of too many people those learned from are a sample by chance: enough to see a change.
    people = model.held_out.records if model.held_out else material.records
    drift = replace(
        measure(model, last, people, material.feeds, as_of),
        offers=offers_of(assessor, people, as_of.timestamp(), rules.disabled),
    )
    before = None if last is None else _of_all(last.figures)
    decision = decide(model.holdout, before, drift, limits)
    groups = group_figures(model.held_out, metrics) if model.held_out else []
    # The held-out rows have told all they have to, and weigh as much as the records.
    return Candidate(replace(model, held_out=None), drift, groups, decision)


def offers_of(
    assessor: Assessor, records: Records, at: float, switched_off: tuple[str, ...] = ()
) -> Offers | None:
    """What a model would offer to a sample of people, and what is withheld from them."""
    total = len(records.users)
    every = max(-(-total // OFFERS_SAMPLE), 1)
    some = records if every == 1 else select_users(records, np.arange(0, total, every))
    guard, step = assessor.guard, assessor.model.at_once
    found = (
        _seen(assessor, take_users(some, start, min(start + step, len(some.users))), at)
        for start in range(0, len(some.users), step)
    )
    return offers(
        found,
        int(assessor.active.sum()),
        list(zip(guard.rule_ids, guard.rule_versions, strict=True)),
        [rule.verdict == Verdict.WITHHOLD for rule in guard.rules],
        switched_off,
    )


def _seen(assessor: Assessor, records: Records, at: float) -> Seen:
    assessment = assessor.assess(records, at, Audience.USER)
    active = assessor.active
    return seen(
        assessment.score(Objective.BENEFIT)[:, active],
        assessment.withheld[:, active],
        assessment.decisions.rule[:, active],
        len(assessor.guard.rule_ids),
    )


def _of_all(figures: Mapping[tuple[str, str], float]) -> dict[str, float]:
    return {name: value for (name, segment), value in figures.items() if segment == "all"}


def _last_run(connection: Connection, catalogue: Catalogue, metrics: MetricsList) -> LastRun | None:
    """The run in force; a model that can't be read any more must not stop the next one."""
    run = published_run(connection)
    if run is None:
        return None
    figures = all_figures(connection, run.run_id)
    try:
        manifest, blob = load_artifact(connection, run.run_id)
        model = unpack(manifest, blob).aligned_to(catalogue, metrics)
    except (DataError, NotFoundError):
        return LastRun(run.run_id, run.as_of, figures, None, ())
    return LastRun(run.run_id, run.as_of, figures, model, picture_from(manifest.get("people", ())))
