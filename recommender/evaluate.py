"""Replay history: train on what was known at one instant, judge on what came after it.

Everything, features, popularity and factors, is as of the split; the whole catalogue is ranked
and nothing is sampled away. Reads the database; only ``keep`` changes anything in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from recommender import __version__
from recommender.assess import Assessor
from recommender.dataset import Records
from recommender.domain import (
    SECONDS_PER_DAY,
    VERDICT_CODES,
    Audience,
    Catalogue,
    MetricsList,
    Objective,
    Verdict,
)
from recommender.errors import NothingToLearnError
from recommender.guardrails.rules import Rules
from recommender.leaderboard.baselines import baselines, left_out
from recommender.leaderboard.board import Judged, Line, judge, leaderboard
from recommender.leaderboard.effects import Effect, feature_effects
from recommender.leaderboard.entrants import HYBRID, model_entrant, single_parts
from recommender.leaderboard.harm import Harm, harm_of
from recommender.leaderboard.held_out import HeldOut, hold_out, most_judged
from recommender.leaderboard.history import Length, learning_curve
from recommender.leaderboard.listed import Assessed, Shelf
from recommender.leaderboard.people import People
from recommender.leaderboard.policies import PolicyLine, policy_lines
from recommender.leaderboard.prediction import Prediction, prediction_of
from recommender.leaderboard.rows import rows_of
from recommender.leaderboard.segments import Segment, segments
from recommender.leaderboard.window import Window, window_of
from recommender.models import hybrid
from recommender.settings import Settings
from recommender.store.bulk import load_records
from recommender.store.engine import Engine, reading, writing
from recommender.store.evaluations import Heading, save_evaluation
from recommender.store.read import load_catalogue

DAYS = 14.0
"""Days held out unless asked otherwise."""

Progress = Callable[[str, float], None]
"""Told the stage and the share of it that is done, 0 to 1."""


@dataclass(frozen=True)
class EvaluationReport:
    """Everything an evaluation came to, ready for JSON.

    Attributes
    ----------
    left_out
        Baselines that took no part, and why, in words.
    """

    window: Window
    leaderboard: tuple[Line, ...]
    prediction: Prediction | None
    learning_curve: tuple[Length, ...]
    segments: tuple[Segment, ...]
    policies: tuple[PolicyLine, ...]
    effects: tuple[Effect, ...]
    harm: Harm
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Evaluation:
    """The report, and the figures of each person it is made of.

    Attributes
    ----------
    read_at
        When the records were read.
    """

    report: EvaluationReport
    people: People = field(repr=False)
    catalogue: Catalogue = field(repr=False)
    read_at: datetime


def replay_history(
    engine: Engine,
    *,
    rules: Rules,
    metrics: MetricsList,
    settings: Settings,
    days: float = DAYS,
    as_of: datetime | None = None,
    quick: bool = False,
    progress: Progress = lambda stage, share: None,
) -> Evaluation:
    """Hold out the last ``days`` before ``as_of`` (the last event if None) and judge on them.

    Parameters
    ----------
    rules
        Of today: what they would have withheld at the split is part of the report.
    quick
        Leave out the learning curve, which trains several times.

    Raises
    ------
    NothingToLearnError
        If there is too little before the split, or nothing after it.
    """
    read_at, seed = datetime.now(UTC), settings.seed
    catalogue, records = _read(engine, metrics, as_of, progress)
    if not len(records.events):
        raise NothingToLearnError("there is no behaviour yet: run `recommender ingest events FILE`")
    end = as_of.timestamp() if as_of else float(records.events.at.max())
    split, most = end - days * SECONDS_PER_DAY, most_judged(len(catalogue))
    held = hold_out(records, split, end, seed, most)
    model = hybrid.fit(
        held.past,
        catalogue,
        metrics,
        held.split,
        settings=hybrid.ModelSettings(search_seconds=settings.search_seconds),
        seed=seed,
        progress=_inside(progress, "hybrid"),
    )
    entrants = _judged(held, model, catalogue, metrics, seed, progress)
    progress("compare", 0.0)
    by_name = {one.entrant.name: one for one in entrants}
    best, popular = by_name[HYBRID], by_name.get("popularity_rate", by_name["popularity_count"])
    report = EvaluationReport(
        window=window_of(held, catalogue, seed),
        leaderboard=leaderboard(held, entrants, len(catalogue), seed),
        prediction=prediction_of(held, records, model, entrants, seed),
        segments=segments(held, metrics, best.tallies, popular.tallies, seed),
        policies=policy_lines(held, entrants, best, len(catalogue), seed),
        effects=feature_effects(model),
        harm=_harm(held, Assessor(model, rules, metrics, catalogue), settings),
        learning_curve=()
        if quick
        else learning_curve(held, catalogue, metrics, seed, lambda s: progress("less history", s)),
        left_out=left_out(len(catalogue)),
    )
    progress("compare", 1.0)
    return Evaluation(report, People(held, entrants), catalogue, read_at)


def keep(engine: Engine, evaluation: Evaluation, most: int) -> int:
    """Save an evaluation with all its figures are made of; return its number.

    Parameters
    ----------
    most
        Saved evaluations to keep; older ones are dropped.
    """
    report, people = evaluation.report, evaluation.people
    window = report.window
    heading = Heading(
        created_at=datetime.now(UTC),
        split_at=window.split_at,
        end_at=window.end_at,
        seed=window.seed,
        users=window.users,
        actions=window.actions,
        judged=window.judged,
        settings={line.name: dict(line.settings) for line in report.leaderboard},
        code_version=__version__,
    )
    rows = rows_of(people, report.leaderboard, evaluation.catalogue)
    with writing(engine) as connection:
        return save_evaluation(connection, heading, rows, read_at=evaluation.read_at, keep=most)


def _harm(held: HeldOut, assessor: Assessor, settings: Settings) -> Harm:
    """What the guardrails of today would have made of the hybrid's lists at the split."""

    def assess(records: Records, at: float) -> Assessed:
        found = assessor.assess(records, at, Audience.USER)
        caution = found.decisions.verdict == VERDICT_CODES[Verdict.CAUTION]
        score = found.score(Objective.BENEFIT)
        return Assessed(score, found.withheld, caution, found.decisions.rule.astype(np.int64))

    shelf = Shelf(
        assessor.active,
        assessor.domain_code,
        assessor.repeat_days,
        settings.dismiss_rest_days,
        settings.snooze_rest_days,
        settings.variety,
    )
    named = (held, assessor.catalogue, assessor.metrics)
    return harm_of(*named, assess, shelf, assessor.guard.rules, settings.seed)


def _read(
    engine: Engine, metrics: MetricsList, as_of: datetime | None, progress: Progress
) -> tuple[Catalogue, Records]:
    progress("read", 0.0)
    with reading(engine) as connection:
        catalogue = load_catalogue(connection)
        records = load_records(connection, as_of or datetime.now(UTC), catalogue, metrics)
    progress("read", 1.0)
    return catalogue, records


def _judged(
    held: HeldOut,
    model: hybrid.HybridModel,
    catalogue: Catalogue,
    metrics: MetricsList,
    seed: int,
    progress: Progress,
) -> list[Judged]:
    out = []
    for entrant in (
        *baselines(held, catalogue, seed),
        *single_parts(model, held, catalogue, metrics, seed),
        model_entrant(model, held),
    ):
        out.append(judge(held, entrant, len(catalogue), seed))
        progress("leaderboard", min(len(out) / 9.0, 1.0))
    return out


def _inside(progress: Progress, stage: str) -> Progress:
    return lambda name, share: progress(stage, share)
