"""Replay history: train on what was known at one instant, judge on what came after it.

Everything, features, popularity and factors, is as of the split; the whole catalogue is ranked
and nothing is sampled away. Reads the database and changes nothing in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from recommender.dataset import Records
from recommender.domain import SECONDS_PER_DAY, Catalogue, MetricsList
from recommender.errors import NothingToLearnError
from recommender.leaderboard.baselines import baselines
from recommender.leaderboard.board import Judged, Line, judge, leaderboard
from recommender.leaderboard.effects import Effect, feature_effects
from recommender.leaderboard.entrants import HYBRID, hybrid_entrants, probabilities
from recommender.leaderboard.held_out import HeldOut, hold_out
from recommender.leaderboard.history import Length, learning_curve
from recommender.leaderboard.people import People
from recommender.leaderboard.policies import PolicyLine, policy_lines
from recommender.leaderboard.prediction import Prediction, prediction_of
from recommender.leaderboard.segments import Segment, segments
from recommender.leaderboard.window import Window, window_of
from recommender.models import hybrid
from recommender.store.bulk import load_records
from recommender.store.engine import Engine, reading
from recommender.store.read import load_catalogue

DAYS = 14.0
"""Days held out unless asked otherwise."""

Progress = Callable[[str, float], None]
"""Told the stage and the share of it that is done, 0 to 1."""


@dataclass(frozen=True)
class EvaluationReport:
    """Everything an evaluation came to, ready for JSON; ``people`` is kept apart from it."""

    window: Window
    leaderboard: tuple[Line, ...]
    prediction: Prediction | None
    learning_curve: tuple[Length, ...]
    segments: tuple[Segment, ...]
    policies: tuple[PolicyLine, ...]
    effects: tuple[Effect, ...]


@dataclass(frozen=True)
class Evaluation:
    """The report, and the figures of each person it is made of."""

    report: EvaluationReport
    people: People = field(repr=False)


def replay_history(
    engine: Engine,
    *,
    metrics: MetricsList,
    seed: int = 0,
    days: float = DAYS,
    as_of: datetime | None = None,
    quick: bool = False,
    progress: Progress = lambda stage, share: None,
) -> Evaluation:
    """Hold out the last ``days`` before ``as_of`` (the last event if None) and judge on them.

    Parameters
    ----------
    quick
        Leave out the learning curve, which trains several times.

    Raises
    ------
    NothingToLearnError
        If there is too little before the split, or nothing after it.
    """
    catalogue, records = _read(engine, metrics, as_of, progress)
    if not len(records.events):
        raise NothingToLearnError("there is no behaviour yet: run `recommender ingest events FILE`")
    end = as_of.timestamp() if as_of else float(records.events.at.max())
    held = hold_out(records, end - days * SECONDS_PER_DAY, end, seed)
    model = hybrid.fit(
        held.past, catalogue, metrics, held.split, seed=seed, progress=_inside(progress, "hybrid")
    )
    entrants = _judged(held, model, catalogue, seed, progress)
    progress("compare", 0.0)
    by_name = {one.entrant.name: one for one in entrants}
    best, popular = by_name[HYBRID], by_name.get("popularity_rate", by_name["popularity_count"])
    p = probabilities(best.entrant, len(held.users), len(catalogue))
    report = EvaluationReport(
        window=window_of(held, catalogue, seed),
        leaderboard=leaderboard(held, entrants, len(catalogue), seed),
        prediction=prediction_of(held, records, model, entrants, seed),
        segments=segments(held, metrics, best.tallies, popular.tallies, seed),
        policies=policy_lines(held, entrants, p, seed),
        effects=feature_effects(model),
        learning_curve=()
        if quick
        else learning_curve(held, catalogue, metrics, seed, lambda s: progress("less history", s)),
    )
    progress("compare", 1.0)
    return Evaluation(report, People(held, entrants))


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
    held: HeldOut, model: hybrid.HybridModel, catalogue: Catalogue, seed: int, progress: Progress
) -> list[Judged]:
    out = []
    for entrant in (*baselines(held, catalogue, seed), *hybrid_entrants(model, held)):
        out.append(judge(held, entrant, len(catalogue), seed))
        progress("leaderboard", min(len(out) / 9.0, 1.0))
    return out


def _inside(progress: Progress, stage: str) -> Progress:
    return lambda name, share: progress(stage, share)
