"""One training: features, factors on the surprise, behaviour on what both leave, in turn."""

from __future__ import annotations

from dataclasses import dataclass

from recommender.dataset import Records
from recommender.domain import Catalogue, MetricsList
from recommender.models import holdout
from recommender.models.factors import FactorSettings, Taste, factorise, refine, taste_of
from recommender.models.feature_model import Pooled, fit_pooled
from recommender.models.fold_in import ActionFactors, Outcomes, past_part
from recommender.models.model_settings import ModelSettings
from recommender.models.parameters import Parameters
from recommender.models.prepared import Frame, Prepared, frame_of, idle_days, prepare
from recommender.models.regression import predict
from recommender.models.shared_model import Shared, fit_shared, predict_shared
from recommender.models.single_parts import no_taste, without_behaviour
from recommender.models.spread import spread_of
from recommender.models.warm import WarmStart
from recommender.outcomes import delay_curve


@dataclass(frozen=True)
class Plan:
    """What trainings on parts of the same records share."""

    frame: Frame
    settings: ModelSettings
    seed: int

    @classmethod
    def of(
        cls,
        records: Records,
        catalogue: Catalogue,
        metrics: MetricsList,
        as_of: float,
        settings: ModelSettings,
        seed: int,
    ) -> Plan:
        """Take naming and scaling from all records."""
        half_life = settings.level_half_life_days
        return cls(frame_of(records, catalogue, metrics, as_of, half_life), settings, seed)


@dataclass(frozen=True)
class Coefficients:
    """Pooled regressions on the user vector and on behaviour."""

    features: Pooled
    deeds: Shared


def train_once(
    plan: Plan,
    records: Records,
    as_of: float,
    warm: Coefficients | None,
    begin: WarmStart | None = None,
) -> tuple[Parameters, Coefficients]:
    """Train once, on records that end at ``as_of``.

    Parameters
    ----------
    warm
        Coefficients to start from, learned on part of the same records.
    begin
        Factors to start from, of an earlier run.
    """
    frame, settings = plan.frame, plan.settings
    labelled = holdout.training_rows(records, frame.catalogue, as_of)
    data = prepare(frame, records, labelled, as_of)
    data = data if settings.use_features else without_behaviour(data)
    learned, taste = _alternate(plan, data, warm, begin)
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
    plan: Plan, data: Prepared, warm: Coefficients | None, begin: WarmStart | None
) -> tuple[Coefficients, Taste]:
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
    taste = _first_taste(plan, data, outcomes, begin)
    deeds: Shared | None = None
    by_deed = data.nothing
    for _ in range(s.rounds):
        mean, variance = taste_of(outcomes, taste)
        given = data.features(mean + by_deed, variance)
        features = fit_pooled(given, data.layout, 1, features)
        by_feature = data.by_user(predict(given, features.mean))
        factors = ActionFactors.of(taste.mean, taste.covariance, taste.precision)
        past = past_part(data.outcomes(by_feature + by_deed), data.rows.at, data.n_users, factors)
        doing = data.deeds(by_feature + past)
        deeds = fit_shared(doing, data.level, s.deed_sweeps, deeds)
        by_deed = data.by_user(predict_shared(doing, deeds))
        outcomes = data.outcomes(by_feature + by_deed)
        if s.use_factors:
            taste = refine(outcomes, taste, plan.frame.described, 2, s.factor_variance)
    assert deeds is not None  # there is at least one round
    return Coefficients(features, deeds), taste


def _first_taste(plan: Plan, data: Prepared, outcomes: Outcomes, begin: WarmStart | None) -> Taste:
    s, described = plan.settings, plan.frame.described
    if not s.use_factors:
        return no_taste(data.n_users, *described.shape)
    settings = _factor_settings(plan)
    if begin is not None and begin.fits(described, settings.rank):
        taste = begin.taste(data.n_users, described.shape[1])
        few = max(s.factor_sweeps // 3, 1)
        return refine(outcomes, taste, described, few, s.factor_variance)
    taste = factorise(outcomes, data.n_users, described, settings, plan.seed)
    return refine(outcomes, taste, described, s.factor_sweeps, s.factor_variance)


def _factor_settings(plan: Plan) -> FactorSettings:
    s = plan.settings
    rank = min(s.rank, max(len(plan.frame.catalogue) - 1, 1))
    return FactorSettings(rank, s.alpha, s.regularization, s.als_iterations, s.factor_variance)
