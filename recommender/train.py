"""The nightly job: read everybody's records, fit, compare, score everyone, publish.

Nothing anyone sees changes before the last, single transaction. A run that fails, is killed or
is held back leaves the published run in force.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from recommender import __version__
from recommender.assess import Assessor
from recommender.dataset import Records, take_users
from recommender.domain import Catalogue, MetricsList
from recommender.errors import NothingToLearnError, RecommenderError, SettingsError
from recommender.gate import GateDecision, decide
from recommender.guardrails.rules import Rules
from recommender.models import hybrid
from recommender.models.artifact import pack
from recommender.nightly import nightly_scores
from recommender.settings import Settings
from recommender.store.bulk import load_records
from recommender.store.engine import Engine, reading, writing
from recommender.store.lock import train_lock
from recommender.store.read import load_catalogue
from recommender.store.retention import clean_up, forget_erased
from recommender.store.runs import (
    finish_run,
    load_figures,
    publish,
    published_run,
    start_run,
    write_metrics,
)
from recommender.store.score_rows import write_scores

Progress = Callable[[str, float], None]
"""Told the stage and the share of it that is done, 0 to 1."""

SCORED_AT_ONCE = 2_000
"""People scored in one batch: 2,000 x 500 actions x 5 parts x 8 bytes is 40 MB."""


@dataclass(frozen=True)
class TrainReport:
    """What a training came to.

    Attributes
    ----------
    held_back
        What the gate had against publishing; empty if nothing.
    figures
        Held-out figures by name.
    """

    run_id: str
    published: bool
    held_back: tuple[str, ...]
    users: int
    actions: int
    events: int
    observations: int
    figures: dict[str, float]
    seconds: float


@dataclass(frozen=True)
class _Training:
    """What stays the same from a training's first line to its last."""

    engine: Engine
    run_id: str
    as_of: datetime
    started_at: datetime
    rules: Rules
    metrics: MetricsList
    settings: Settings
    force: bool
    progress: Progress


def train_and_publish(
    engine: Engine,
    *,
    rules: Rules,
    metrics: MetricsList,
    settings: Settings,
    as_of: datetime | None = None,
    force: bool = False,
    progress: Progress = lambda stage, share: None,
) -> TrainReport:
    """Train on all records up to ``as_of`` (now if None) and publish if the gate agrees.

    Parameters
    ----------
    force
        Publish whatever the gate says; the run's message keeps what it said.

    Raises
    ------
    SettingsError
        If ``as_of`` lies in the future.
    LockHeldError
        If another train holds the lock, here or on another machine.
    NothingToLearnError
        If there are no actions, or no behaviour to learn from.
    """
    now = datetime.now(UTC)
    if as_of is not None and as_of > now:
        raise SettingsError("as_of lies in the future: every reading would count as out of date")
    run_id = f"{now:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"
    training = _Training(
        engine, run_id, as_of or now, now, rules, metrics, settings, force, progress
    )
    with train_lock(engine) as make_sure_it_is_held:
        with writing(engine) as connection:
            clean_up(connection, keep=settings.keep_runs)
            start_run(connection, run_id, training.as_of, settings.seed, __version__, now)
        try:
            return _train(training, make_sure_it_is_held)
        except BaseException as error:
            _record_failure(training, error)
            raise


def _train(training: _Training, make_sure_it_is_held: Callable[[], None]) -> TrainReport:
    catalogue, records, before = _read(training)
    model = hybrid.fit(
        records,
        catalogue,
        training.metrics,
        training.as_of.timestamp(),
        seed=training.settings.seed,
        progress=training.progress,
    )
    decision = decide(model.holdout, before)
    published = decision.passed or training.force
    if published:
        assessor = Assessor(model, training.rules, training.metrics, catalogue)
        _score_everyone(training, assessor, records)
    make_sure_it_is_held()
    finished_at = datetime.now(UTC)
    _finish(training, model, decision, finished_at)
    return TrainReport(
        run_id=training.run_id,
        published=published,
        held_back=decision.reasons,
        users=len(records.users),
        actions=len(catalogue),
        events=len(records.events),
        observations=len(records.observations),
        figures=dict(model.holdout),
        seconds=(finished_at - training.started_at).total_seconds(),
    )


def _read(training: _Training) -> tuple[Catalogue, Records, dict[str, float] | None]:
    """Catalogue, everybody's records, and the figures of the run in force."""
    training.progress("read", 0.0)
    with reading(training.engine) as connection:
        catalogue = load_catalogue(connection)
        if not catalogue.actions:
            raise NothingToLearnError(
                "there are no actions yet: run `recommender ingest actions FILE`"
            )
        records = load_records(connection, training.as_of, catalogue, training.metrics)
        in_force = published_run(connection)
        before = load_figures(connection, in_force.run_id) if in_force else None
    training.progress("read", 1.0)
    return catalogue, records, before


def _score_everyone(training: _Training, assessor: Assessor, records: Records) -> None:
    """Write the nightly picture in batches; nobody sees it before the run is published."""
    total, keep = len(records.users), training.settings.scores_per_user
    for start in range(0, total, SCORED_AT_ONCE):
        stop = min(start + SCORED_AT_ONCE, total)
        some = take_users(records, start, stop)
        batch = nightly_scores(assessor, some, training.as_of.timestamp(), keep)
        with writing(training.engine) as connection:
            write_scores(connection, training.run_id, batch)
        training.progress("score", stop / total)


def _finish(
    training: _Training, model: hybrid.HybridModel, decision: GateDecision, now: datetime
) -> None:
    """One transaction: the run's result, its figures and, if it may be, the pointer to it."""
    manifest, artifact = pack(model)
    published = decision.passed or training.force
    message = "; ".join(decision.reasons) or "passed the gate"
    if training.force and not decision.passed:
        message = f"published by force: {message}"
    run_id, status = training.run_id, "trained" if published else "held_back"
    with writing(training.engine) as connection:
        finish_run(connection, run_id, status, message, manifest, artifact, now)
        write_metrics(connection, run_id, {(k, "all"): v for k, v in model.holdout.items()})
        if published:
            forget_erased(connection, run_id, training.started_at)
            publish(connection, run_id, "train", now)


def _record_failure(training: _Training, error: BaseException) -> None:
    """Keep why a run failed; in words only where they are ours and so name no person."""
    why = str(error) if isinstance(error, RecommenderError) else type(error).__name__
    with writing(training.engine) as connection:
        finish_run(connection, training.run_id, "failed", why, None, None, datetime.now(UTC))
