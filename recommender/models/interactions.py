"""Training on logs without impressions: settings by search, tastes, base, calibration.

``score = V m_u + base weight * base_a(x)``, then log-odds by a constant, a slope and what the
person did with the action before; see ``positives_*`` for each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from recommender.dataset import Records
from recommender.domain import EVENT_CODES
from recommender.models.fold_in import ActionFactors
from recommender.models.opportunities import active_weeks
from recommender.models.parameters import Parameters, Trust, behaviour_names
from recommender.models.positives import own_pairs
from recommender.models.positives_base import (
    Leanings,
    fit_leanings,
    log_popularity,
    no_leanings,
    popularity_by_description,
    popularity_variance,
)
from recommender.models.positives_calibration import Calibration, calibrate, sample_rows
from recommender.models.positives_figures import figures_of, scores_of
from recommender.models.positives_hold_out import HeldOut, hold_out
from recommender.models.positives_search import ITERATIONS, STARTS, Chosen, Recipe, choose
from recommender.models.positives_spread import on_log_odds, ridge_spread
from recommender.models.positives_tastes import fit_tastes, new_action_factors
from recommender.models.prepared import Frame, idle_days
from recommender.models.ridge_spread import RidgeSpread
from recommender.outcomes import DelayCurve

Tell = Callable[[str, float], None]

_UNTRIED_SLOPE = 3.0


@dataclass(frozen=True)
class LearnedPositives:
    """Outcome of a training.

    Attributes
    ----------
    chosen
        What the search came to.
    cut
        Instant after which everything was held out, None if a random part was.
    """

    parameters: Parameters
    holdout: dict[str, float]
    chosen: dict[str, Any]
    cut: float | None


def learn_positives(
    frame: Frame,
    records: Records,
    as_of: float,
    seconds: float,
    seed: int,
    tell: Tell,
    *,
    use_factors: bool = True,
) -> LearnedPositives:
    """Train on completions up to ``as_of``.

    Parameters
    ----------
    seconds
        Time for the search of settings; some are tried whatever it is.
    use_factors
        False leaves the base alone.
    """
    held = hold_out(records, seed)
    figures: dict[str, float] = {}
    chosen: Chosen | None = None
    calibration: Calibration | None = None
    if held is not None:
        tell("held-out data", 0.1)
        leanings = fit_leanings(frame, held.past, held.at, seed)
        chosen = choose(frame, held, leanings, seconds, seed, use_factors)
        if chosen is not None:
            tell("calibration", 0.5)
            early = _assembled(frame, held.past, held.at, chosen.recipe, leanings, seed)
            calibration, figures = _calibrated_on(held, early, seed)
            figures |= {f"search_{name}": gain for name, gain in chosen.gains.items()}
    tell("all data", 0.6)
    recipe = chosen.recipe if chosen else Recipe(STARTS[-1], factor=float(use_factors))
    leanings = fit_leanings(frame, records, as_of, seed) if recipe.leaning else no_leanings(frame)
    final = _assembled(frame, records, as_of, recipe, leanings, seed)
    calibration = calibration or _by_rate(final)
    return LearnedPositives(
        _on_log_odds(final, calibration),
        figures,
        _described(recipe, chosen, held),
        held.at if held and held.by_time else None,
    )


def _assembled(
    frame: Frame, records: Records, as_of: float, recipe: Recipe, leanings: Leanings, seed: int
) -> Parameters:
    """Fit everything by a recipe; coefficients give the base's share of the score."""
    n_actions, n_users = len(frame.catalogue), len(records.users)
    pairs = own_pairs(records.events, n_actions)
    tastes = fit_tastes(frame, pairs, n_users, recipe.tastes, ITERATIONS, seed)
    n_behaviour = len(behaviour_names())
    popularity = log_popularity(records, n_actions, recipe.half_life_days)
    base = recipe.leaning * leanings.coefficients
    base[:, 0] += popularity
    general = recipe.leaning * leanings.general
    by_description = popularity_by_description(popularity, frame.described)
    general[0, :-1] += by_description
    known = recipe.leaning**2 * leanings.variance
    known[:, 0] += popularity_variance(records, n_actions, recipe.half_life_days)
    new = recipe.leaning**2 * leanings.prior
    new[:, 0] += np.mean((popularity - frame.described @ by_description) ** 2)
    rate = _weekly_rate(records, n_actions, as_of)
    rank = tastes.actions.shape[1]
    factor_general = new_action_factors(frame, tastes)
    described = frame.described @ factor_general.T
    spread = ridge_spread(tastes, described, records, pairs, (known, new))
    return Parameters(
        space=frame.space,
        action_space=frame.action_space,
        coefficients=np.pad(recipe.base * base, ((0, 0), (0, n_behaviour))),
        general=np.pad(recipe.base * general, ((0, n_behaviour), (0, 0))),
        factors=ActionFactors(tastes.actions, np.zeros((n_actions, 0)), np.ones(rank)),
        factor_general=factor_general,
        factor_variance=1.0,
        domains=frame.domains,
        domain=frame.domain,
        rate=rate,
        curve=DelayCurve(rate, np.zeros(0)),
        trust=Trust(factor=recipe.factor),
        confidence=tastes.confidence,
        idle_days=idle_days(records, as_of),
        spread=spread.trusted(recipe.base),
    )


def _weekly_rate(records: Records, n_actions: int, as_of: float) -> float:
    """Completions of an action by a person in a week, at the log's own exposure."""
    events = records.events
    done = events.user[events.kind == EVENT_CODES["complete"]]
    weeks = active_weeks(events, np.unique(events.user), as_of).sum()
    return float(min((len(done) + 0.5) / (weeks * n_actions + 1.0), 0.9))


def _calibrated_on(
    held: HeldOut, early: Parameters, seed: int
) -> tuple[Calibration, dict[str, float]]:
    rows = sample_rows(early, held, seed)
    scores = scores_of(early, held, rows)
    calibration = calibrate(rows, scores)
    figures = figures_of(_on_log_odds(early, calibration), held, rows, scores, seed)
    constant = calibration.constant + float(np.log(held.horizons))
    return replace(calibration, constant=constant), figures


def _by_rate(model: Parameters) -> Calibration:
    """Where too little is known to hold anything out: as often as actions are done on average."""
    slope = _UNTRIED_SLOPE
    usual = float(model.coefficients[:, 0].mean()) * slope
    level = float(np.log(model.rate) - np.log1p(-model.rate))
    return Calibration(level - usual, slope, np.zeros(len(behaviour_names())))


def _on_log_odds(model: Parameters, calibration: Calibration) -> Parameters:
    """Scale every part and add what behaviour says; sums stay exact."""
    n, slope = 1 + model.n_features, calibration.slope
    coefficients, general = (slope * of for of in (model.coefficients, model.general))
    coefficients[:, n:], general[n:] = calibration.deeds, 0.0
    general[n:, 0] = calibration.deeds
    coefficients[:, 0] += calibration.constant
    general[0, 0] += calibration.constant
    trust = Trust(
        features=calibration.slope,
        factor=calibration.slope * model.trust.factor,
        shift=calibration.constant,
    )
    spread = model.spread
    if isinstance(spread, RidgeSpread):
        tastes = calibration.slope * model.trust.factor
        spread = on_log_odds(spread.trusted(slope), model.factors.mean, tastes)
    return replace(model, coefficients=coefficients, general=general, trust=trust, spread=spread)


def _described(recipe: Recipe, chosen: Chosen | None, held: HeldOut | None) -> dict[str, Any]:
    """What was chosen and how, as JSON."""
    return {
        "recipe": {**asdict(recipe), "tastes": dict(recipe.tastes)},
        "held_out": None if held is None else ("last part" if held.by_time else "random part"),
        "tried": chosen.tried if chosen else 0,
        "finished": chosen.finished if chosen else True,
    }
