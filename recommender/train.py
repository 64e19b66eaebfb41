"""The nightly job: read everybody's records, fit, compare, score everyone, publish.

Nothing anyone sees changes before the last, single transaction. A run that fails, is killed or
is held back leaves the published run in force.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from recommender import __version__
from recommender.assess import Assessor
from recommender.candidate import Candidate, Material, judge, read_material, warm_start_of
from recommender.domain import MetricsList
from recommender.errors import SettingsError, StoreError
from recommender.gate import log_overruled
from recommender.guardrails.rules import Rules
from recommender.model_card.build import RunFacts, model_card
from recommender.models import hybrid
from recommender.models.warm import WarmStart
from recommender.nightly import score_everyone
from recommender.settings import Settings
from recommender.stages.record import Watcher
from recommender.stages.watch import Progress, Stages, Teller
from recommender.store.engine import Engine, reading, writing
from recommender.store.lock import train_lock
from recommender.store.packed import PEOPLE_AT_ONCE, record_chunks
from recommender.store.packing import pack_changed
from recommender.store.retention import clean_up, erasures, forget_erased_after, make_room
from recommender.store.runs import finish_run, publish, start_run, write_metrics
from recommender.store.stages import StageKeeper
from recommender.store.under_way import require_in_charge
from recommender.store.upgrade import revision
from recommender.train_report import TrainReport as TrainReport
from recommender.turn import Before, came_through, record_failure, require_its_turn


@dataclass(frozen=True)
class _Asked:
    """What a training is asked to go by; see ``train_and_publish``."""

    rules: Rules
    metrics: MetricsList
    settings: Settings
    force: bool
    rebuild: bool
    warm: bool


@dataclass(frozen=True)
class _Training:
    """What stays the same from a training's first line to its last."""

    engine: Engine
    run_id: str
    as_of: datetime
    asked: _Asked
    progress: Stages
    before: Before


def train_and_publish(
    engine: Engine,
    *,
    rules: Rules,
    metrics: MetricsList,
    settings: Settings,
    as_of: datetime | None = None,
    force: bool = False,
    rebuild: bool = False,
    warm: bool = False,
    progress: Progress = lambda stage, share: None,
    watchers: Sequence[Watcher] = (),
) -> TrainReport:
    """Train on all records up to ``as_of`` (now if None) and publish if the gate agrees.

    Parameters
    ----------
    force
        Publish whatever the gate says; the run's message keeps what it said.
    rebuild
        Pack everybody's records anew, not only those that changed; the answer is the same.
    warm
        Begin from the run in force: its settings, and its factors; a full training where there is
        none to begin from (``TrainReport.warm`` says why).
    watchers
        Told of every stage as it comes, and what it took.

    Raises
    ------
    SettingsError
        If ``as_of`` lies in the future.
    LockHeldError
        If another train holds the lock, here or on another machine.
    LockLostError
        If another train took over, because this one was not heard of for too long.
    NotMigratedError
        If the database was upgraded meanwhile.
    NothingToLearnError
        If there are no actions, or no behaviour to learn from.
    """
    now = datetime.now(UTC)
    if as_of is not None and as_of > now:
        raise SettingsError("as_of lies in the future: every reading would count as out of date")
    run_id = f"{now:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"
    stages = Stages(run_id, [StageKeeper(engine), Teller(progress), *watchers])
    asked = _Asked(rules, metrics, settings, force, rebuild, warm)
    stages("prepare", 0.0)
    with train_lock(engine, settings.train_lease_seconds) as make_sure_it_is_held:
        before = _begin(engine, run_id, as_of or now, now, settings)
        training = _Training(engine, run_id, as_of or now, asked, stages, before)
        try:
            make_room(engine)
            return _train(training, make_sure_it_is_held)
        except BaseException as error:
            stages.close()
            raise record_failure(engine, run_id, before.revision, error) from None


def _begin(
    engine: Engine, run_id: str, as_of: datetime, now: datetime, settings: Settings
) -> Before:
    """Tidy up after others and record that a training began."""
    with writing(engine) as connection:
        clean_up(connection, keep=settings.keep_runs)
        start_run(connection, run_id, as_of, settings.seed, __version__, now)
        return Before(erasures(connection), revision(connection), time.monotonic())


def _train(training: _Training, make_sure_it_is_held: Callable[[], None]) -> TrainReport:
    material, candidate, warm = _candidate(training)
    published = candidate.decision.passed or training.asked.force
    if published:
        training.progress("score", 0.0)
        training.progress.count(material.counts.users)
        assessor = Assessor(
            candidate.model, training.asked.rules, training.asked.metrics, material.catalogue
        )
        score_everyone(
            training.engine,
            training.run_id,
            assessor,
            record_chunks(
                training.engine,
                training.as_of,
                material.catalogue,
                training.asked.metrics,
                PEOPLE_AT_ONCE,
            ),
            material.counts.users,
            training.as_of,
            training.asked.settings.scores_per_user,
            _watchful(training, make_sure_it_is_held),
        )
    training.progress("publish", 0.0)
    make_sure_it_is_held()
    finished_at = datetime.now(UTC)
    _finish(training, material, candidate, finished_at)
    training.progress("publish", 1.0)
    training.progress.close()
    return TrainReport(
        run_id=training.run_id,
        published=published,
        held_back=candidate.decision.reasons,
        users=material.counts.users,
        actions=len(material.catalogue),
        events=material.counts.events,
        observations=material.counts.observations,
        figures=dict(candidate.model.holdout),
        seconds=time.monotonic() - training.before.instant,
        warm=warm,
        stages=training.progress.records,
    )


def _watchful(training: _Training, make_sure_it_is_held: Callable[[], None]) -> Progress:
    """No hour is spent on rows that can't be published any more."""

    def tell(stage: str, share: float) -> None:
        make_sure_it_is_held()
        require_its_turn(training.engine, training.run_id, training.before.revision)
        training.progress(stage, share)

    return tell


def _candidate(training: _Training) -> tuple[Material, Candidate, str | None]:
    """Pack, read, fit and judge; and how it began if it was to begin from the run in force."""
    settings = hybrid.ModelSettings(search_seconds=training.asked.settings.search_seconds)
    told = training.progress
    told("pack", 0.0)
    packing = pack_changed(
        training.engine, rebuild=training.asked.rebuild, progress=lambda share: told("pack", share)
    )
    told.count(packing.packed)
    told("read", 0.0)
    with reading(training.engine) as connection:
        material = read_material(
            connection,
            training.as_of,
            training.asked.metrics,
            settings,
            training.asked.settings.seed,
        )
        begin = warm_start_of(connection, material.catalogue) if training.asked.warm else None
    told("read", 1.0)
    read = material.records
    told.count(len(read.users) + len(read.events) + len(read.observations))
    told("fit", 0.0)
    model = hybrid.fit(
        material.records,
        material.catalogue,
        training.asked.metrics,
        training.as_of.timestamp(),
        settings=settings,
        seed=training.asked.settings.seed,
        progress=told,
        start=_chosen_before(material.last.figures if material.last else {}),
        warm=None if isinstance(begin, str) else begin,
    )
    told("fit", 1.0)
    told("judge", 0.0)
    judged = judge(
        model,
        material,
        training.asked.metrics,
        training.as_of,
        training.asked.settings,
        training.asked.rules,
    )
    told("judge", 1.0)
    return material, judged, "warm" if isinstance(begin, WarmStart) else begin


def _chosen_before(figures: Mapping[tuple[str, str], float]) -> dict[str, float]:
    """Settings that the run in force was trained with, by name; empty if it did not choose any."""
    stem = "setting_"
    return {name[len(stem) :]: v for (name, _), v in figures.items() if name.startswith(stem)}


def _finish(training: _Training, material: Material, candidate: Candidate, now: datetime) -> None:
    """One transaction: the run's result, its figures and, if it may be, the pointer to it."""
    manifest, artifact = candidate.packed()
    manifest = {**manifest, "rules": training.asked.rules.label}
    published = candidate.decision.passed or training.asked.force
    message = candidate.decision.message(training.asked.force)
    run_id, status = training.run_id, "trained" if published else "held_back"
    card = _card(training, material, candidate, now)
    try:
        with writing(training.engine) as connection:
            require_in_charge(connection, run_id, training.before.revision, keep=True)
            finish_run(connection, run_id, status, message, manifest, artifact, now, card)
            write_metrics(connection, run_id, candidate.figures())
            if published:
                publish(connection, run_id, "train", now)
                forget_erased_after(connection, run_id, training.before.erasures)
    except StoreError:
        # The connection may have ended between the commit and the word of it.
        if not came_through(training.engine, run_id, status):
            raise
    if training.asked.force and not candidate.decision.passed:
        log_overruled(run_id, "train --force", message)


def _card(
    training: _Training, material: Material, candidate: Candidate, now: datetime
) -> dict[str, Any]:
    facts = RunFacts(
        run_id=training.run_id,
        as_of=training.as_of,
        finished_at=now,
        seed=training.asked.settings.seed,
        users=material.counts.users,
        events=material.counts.events,
        observations=material.counts.observations,
        compared_with=material.last.run_id if material.last else None,
        reasons=candidate.decision.reasons,
        forced=training.asked.force and not candidate.decision.passed,
    )
    return model_card(
        facts,
        candidate.model,
        material.catalogue,
        training.asked.rules,
        candidate.drift,
        candidate.groups,
    )
