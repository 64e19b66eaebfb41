"""Training the hybrid: features, factors on the surprise, both jointly, then trust.

The whole is trained twice: first on what was known before a cut, to see on the time after it how
much each part is worth, then on everything, starting from the first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from recommender.dataset import FloatArray, Records, select_users, until
from recommender.domain import SECONDS_PER_DAY, Catalogue, MetricsList
from recommender.errors import NothingToLearnError
from recommender.models import holdout
from recommender.models.factors import FactorSettings, Taste, factorise, refine, taste_of
from recommender.models.feature_model import Pooled, fit_pooled
from recommender.models.fold_in import ActionFactors, Outcomes, fold_in
from recommender.models.holdout import HeldOut
from recommender.models.interactions import learn_positives
from recommender.models.parameters import Parameters, Trust
from recommender.models.prepared import Frame, Prepared, frame_of, idle_days, prepare
from recommender.models.regression import predict
from recommender.models.shared_model import Shared, fit_shared, predict_shared
from recommender.models.single_parts import nameless, no_taste, without_behaviour
from recommender.models.spread import spread_of
from recommender.outcomes import (
    HORIZON_DAYS,
    Impressions,
    delay_curve,
    outcomes_of,
    unprompted_share,
)

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class ModelSettings:
    """Settings of a training; each is written once, here.

    Attributes
    ----------
    rank
        Factors beside the constant one.
    alpha, regularization, als_iterations
        Of ``implicit``'s factorisation of the surprise.
    feature_sweeps, factor_sweeps, deed_sweeps
        Rounds of fitting features alone, factors given features, behaviour given both.
    rounds
        Turns of all three, each given the others.
    factor_variance
        Prior variance of an action's factors around what its description says. Learning it lets
        the factors collapse on sparse logs.
    max_users
        More users than this are sampled: what is learned is about actions, and users' own
        factors are worked out when asked.
    holdout_days
        Length of the time held out to learn trust.
    use_features, use_factors
        False leaves out profile, readings and behaviour, or the factors, to judge the other alone.
    search_seconds
        Time for choosing settings on held-out data.
    """

    rank: int = 8
    alpha: float = 20.0
    regularization: float = 40.0
    als_iterations: int = 15
    factor_sweeps: int = 8
    feature_sweeps: int = 6
    deed_sweeps: int = 4
    rounds: int = 1
    factor_variance: float = 0.3
    max_users: int = 200_000
    holdout_days: float = 14.0
    use_features: bool = True
    use_factors: bool = True
    search_seconds: float = 20.0

    def __post_init__(self) -> None:
        """Check the bounds."""
        for name, low, high in _BOUNDS:
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} must be between {low} and {high}")


_BOUNDS = (
    ("rank", 1, 64),
    ("alpha", 0.1, 1000),
    ("regularization", 1e-3, 1e4),
    ("als_iterations", 1, 100),
    ("factor_sweeps", 1, 100),
    ("feature_sweeps", 1, 100),
    ("deed_sweeps", 1, 100),
    ("rounds", 1, 20),
    ("factor_variance", 1e-4, 10),
    ("max_users", 1, 10_000_000),
    ("holdout_days", 1, 365),
    ("search_seconds", 0, 86_400),
)


_MOST_UNPROMPTED = 0.5  # of more completions without impression, the log is one of completions

_BLOCKS = 5
"""Blocks of time, equally full, that behaviour is learned in."""


@dataclass(frozen=True)
class Learned:
    """Outcome of a training."""

    parameters: Parameters
    holdout: dict[str, float]
    facts: dict[str, Any]
    held_out: HeldOut | None


@dataclass(frozen=True)
class _Plan:
    """What both trainings share."""

    frame: Frame
    settings: ModelSettings
    seed: int


@dataclass(frozen=True)
class _Coefficients:
    """Pooled regressions on the user vector and on behaviour."""

    features: Pooled
    deeds: Shared


def learn(
    records: Records,
    catalogue: Catalogue,
    metrics: MetricsList,
    as_of: float,
    settings: ModelSettings,
    seed: int,
    progress: Progress | None,
) -> Learned:
    """Train on everything up to ``as_of``; see ``hybrid.fit``.

    Linear algebra keeps to one thread: the matrices are small, and threads that wait for each
    other cost several times the work itself as soon as anything else runs on the machine.
    """
    with threadpool_limits(1, "blas"):
        return _learn(records, catalogue, metrics, as_of, settings, seed, progress)


def _learn(
    records: Records,
    catalogue: Catalogue,
    metrics: MetricsList,
    as_of: float,
    settings: ModelSettings,
    seed: int,
    progress: Progress | None,
) -> Learned:
    tell = progress or (lambda stage, share: None)
    tell("features", 0.0)
    records = until(_sampled(records, settings.max_users, seed), as_of)
    records = records if settings.use_features else nameless(records)
    if len(catalogue) and unprompted_share(records.events, as_of) > _MOST_UNPROMPTED:
        plan = _Plan(frame_of(records, catalogue, metrics, as_of), settings, seed)
        return _learn_from_completions(plan, records, as_of, tell)
    rows = holdout.training_rows(records, catalogue, as_of)
    if not len(rows) or not len(catalogue):
        raise NothingToLearnError("no impression or completion to learn from")
    frame = frame_of(records, catalogue, metrics, as_of)
    plan = _Plan(frame, settings, seed)
    tell("held-out time", 0.1)
    end = as_of - idle_days(records, as_of) * SECONDS_PER_DAY
    cut = holdout.choose_cut(rows, end, settings.holdout_days)
    trust, warm = Trust(), None
    figures: dict[str, float] = {}
    held: HeldOut | None = None
    if cut is not None:
        early, warm = _train(plan, until(records, cut), cut, None)
        trust, figures, held = holdout.judge(early, records, rows, cut, end)
    tell("all data", 0.55)
    parameters, _ = _train(plan, records, as_of, warm)
    tell("done", 1.0)
    facts = _facts(plan, records, rows, as_of, cut)
    return Learned(parameters.trusted(trust), figures, facts, held)


def _learn_from_completions(plan: _Plan, records: Records, as_of: float, tell: Progress) -> Learned:
    """Train where most completions have no impression."""
    seconds = plan.settings.search_seconds
    learned = learn_positives(
        plan.frame,
        records,
        as_of,
        seconds,
        plan.seed,
        tell,
        use_factors=plan.settings.use_factors,
    )
    tell("done", 1.0)
    facts = _facts(plan, records, outcomes_of(records.events, as_of), as_of, learned.cut)
    chosen = {"chosen": learned.chosen}
    return Learned(learned.parameters, learned.holdout, facts | chosen, None)


def _sampled(records: Records, most: int, seed: int) -> Records:
    n = len(records.users)
    if n <= most:
        return records
    chosen = np.random.default_rng(seed).choice(n, most, replace=False)
    return select_users(records, np.sort(chosen))


def _train(
    plan: _Plan, records: Records, as_of: float, warm: _Coefficients | None
) -> tuple[Parameters, _Coefficients]:
    """Train once, on records that end at ``as_of``."""
    frame, settings = plan.frame, plan.settings
    labelled = holdout.training_rows(records, frame.catalogue, as_of)
    data = prepare(frame, records, labelled, as_of)
    data = data if settings.use_features else without_behaviour(data)
    learned, taste = _alternate(plan, data, warm)
    coefficients, general = data.joined(learned.features, learned.deeds)
    return (
        Parameters(
            space=frame.space,
            action_space=frame.action_space,
            coefficients=coefficients,
            general=general,
            factors=ActionFactors.of(taste.mean, taste.covariance, taste.precision),
            factor_general=taste.general,
            factor_variance=settings.factor_variance,
            domains=frame.domains,
            domain=frame.domain,
            rate=data.rate,
            curve=delay_curve(labelled, as_of),
            idle_days=idle_days(records, as_of),
            spread=spread_of(
                learned.features,
                data.layout,
                (taste.mean, taste.covariance),
                frame.described @ taste.general.T,
                settings.factor_variance,
            ),
        ),
        learned,
    )


def _alternate(
    plan: _Plan, data: Prepared, warm: _Coefficients | None
) -> tuple[_Coefficients, Taste]:
    """Features first, tastes on what they leave, behaviour on what both leave; then in turn.

    Features and tastes each learn given the other. Behaviour learns given tastes worked out from
    each row's past only: given tastes that know the row's own outcome, what somebody did before
    would seem to speak against doing it again.
    """
    s = plan.settings
    features = fit_pooled(
        data.features(data.nothing, data.nothing),
        data.layout,
        s.feature_sweeps if warm is None else max(s.feature_sweeps // 3, 1),
        None if warm is None else warm.features,
    )
    by_feature = data.by_user(predict(data.features(data.nothing, data.nothing), features.mean))
    outcomes = data.outcomes(by_feature)
    taste = _first_taste(plan, data, outcomes)
    deeds: Shared | None = None
    by_deed = data.nothing
    for _ in range(s.rounds):
        mean, variance = taste_of(outcomes, taste)
        given = data.features(mean + by_deed, variance)
        features = fit_pooled(given, data.layout, 1, features)
        by_feature = data.by_user(predict(given, features.mean))
        past = _past_taste(data, data.outcomes(by_feature + by_deed), taste)
        doing = data.deeds(by_feature + past)
        deeds = fit_shared(doing, data.level, s.deed_sweeps, deeds)
        by_deed = data.by_user(predict_shared(doing, deeds))
        outcomes = data.outcomes(by_feature + by_deed)
        if s.use_factors:
            taste = refine(outcomes, taste, plan.frame.described, 2, s.factor_variance)
    assert deeds is not None  # there is at least one round
    return _Coefficients(features, deeds), taste


def _first_taste(plan: _Plan, data: Prepared, outcomes: Outcomes) -> Taste:
    s, described = plan.settings, plan.frame.described
    if not s.use_factors:
        return no_taste(data.n_users, *described.shape)
    taste = factorise(outcomes, data.n_users, described, _first(plan), plan.seed)
    return refine(outcomes, taste, described, s.factor_sweeps, s.factor_variance)


def _first(plan: _Plan) -> FactorSettings:
    s = plan.settings
    rank = min(s.rank, max(len(plan.frame.catalogue) - 1, 1))
    return FactorSettings(rank, s.alpha, s.regularization, s.als_iterations, s.factor_variance)


def _past_taste(data: Prepared, rows: Outcomes, taste: Taste) -> FloatArray:
    """Factor part of each row from the user's rows of earlier blocks of time, by user."""
    factors = ActionFactors.of(taste.mean, taste.covariance, taste.precision)
    out = np.zeros(len(rows.user))
    edges = np.quantile(data.rows.at, np.arange(1, _BLOCKS) / _BLOCKS)
    block = np.searchsorted(edges, data.rows.at, side="left")
    for now in range(1, _BLOCKS):
        mine = block == now
        users = fold_in(rows.select(block < now), data.n_users, factors)
        user, action = rows.user[mine], rows.action[mine]
        out[mine] = np.einsum("ij,ij->i", users.mean[user], factors.mean[action])
    return out


def _facts(
    plan: _Plan, records: Records, rows: Impressions, as_of: float, cut: float | None
) -> dict[str, Any]:
    return {
        "settings": asdict(plan.settings),
        "seed": plan.seed,
        "as_of": as_of,
        "first_event_at": float(records.events.at.min()) if len(records.events) else None,
        "cut_at": cut,
        "horizon_days": HORIZON_DAYS,
        "users": len(records.users),
        "events": len(records.events),
        "observations": len(records.observations),
        "impressions": len(rows),
        "completed": int(rows.completed.sum()),
        "actions": len(plan.frame.catalogue),
    }
