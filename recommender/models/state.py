"""A model taken apart into JSON and arrays, and put together again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.domain import Action, Catalogue
from recommender.errors import DataError
from recommender.features.actions import ActionSpace
from recommender.features.biometrics import LEVEL_HALF_LIFE_DAYS, MetricSlots
from recommender.features.profile import ProfileColumns
from recommender.features.space import FeatureSpace
from recommender.models.fold_in import ActionFactors
from recommender.models.parameters import Parameters, Trust, coefficient_names
from recommender.models.positives import Confidence
from recommender.models.ridge_spread import RidgeSpread
from recommender.models.spread import Spread
from recommender.outcomes import DelayCurve

Arrays = dict[str, NDArray[Any]]


def described(model: Parameters, catalogue: Catalogue) -> dict[str, Any]:
    """Everything about a model that is not an array, as JSON."""
    space = model.space
    return {
        "features": list(coefficient_names(space)),
        "actions": [
            [action.action_id, action.title, action.domain] for action in catalogue.actions
        ],
        "metrics": list(space.slots.names),
        "columns": {
            "numeric": list(space.columns.numeric),
            # pairs, because their order counts and a JSON object has none (JSONB re-orders keys)
            "levels": [[name, list(levels)] for name, levels in space.columns.levels.items()],
            "conditions": list(space.columns.conditions),
        },
        "action_features": list(model.action_space.names),
        "domains": list(model.domains),
        "trust": asdict(model.trust),
        "factor_variance": model.factor_variance,
        "rate": model.rate,
        "curve_rate": model.curve.rate,
        "positives_only": model.positives_only,
        "confidence": _numbers_of(model.confidence),
        "idle_days": model.idle_days,
        "level_half_life_days": space.slots.half_life_days,
    }


def arrays(model: Parameters) -> Arrays:
    """Every array of a model, by name."""
    space, slots = model.space, model.space.slots
    return _spread_arrays(model.spread) | {
        "coefficients": model.coefficients,
        "general": model.general,
        "factor_mean": model.factors.mean,
        "factor_second": model.factors.second,
        "factor_precision": model.factors.precision,
        "factor_general": model.factor_general,
        "domain": model.domain,
        "delays": model.curve.delays,
        "mean": space.mean,
        "scale": space.scale,
        "knee": space.knee,
        "keep": space.keep,
        "centre": space.centre,
        "metric_slot": slots.slot,
        "target_low": slots.target_low,
        "target_high": slots.target_high,
        "target_scale": slots.target_scale,
        "action_centre": model.action_space.centre,
        "action_scale": model.action_space.scale,
        **({} if model.confidence is None else {"confidence": model.confidence.action}),
    }


def _spread_arrays(spread: Spread | RidgeSpread | None) -> Arrays:
    if spread is None:
        return {}
    return {f"spread_{f.name}": np.asarray(getattr(spread, f.name)) for f in fields(spread)}


def restored(manifest: Mapping[str, Any], a: Arrays) -> tuple[Parameters, Catalogue]:
    """Rebuild parameters and the catalogue they are aligned to (ids, titles and domains only).

    Raises
    ------
    DataError
        If something is missing or does not fit together.
    """
    try:
        model, catalogue = _restored(manifest, a)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"the stored model is incomplete: {error!r}") from error
    if model.coefficients.shape != (len(catalogue), len(coefficient_names(model.space))):
        raise DataError("the stored model's coefficients do not fit its actions and features")
    return model, catalogue


def _restored(manifest: Mapping[str, Any], a: Arrays) -> tuple[Parameters, Catalogue]:
    catalogue = Catalogue(tuple(Action(*row) for row in manifest["actions"]))
    return (
        Parameters(
            space=_space(manifest, a),
            action_space=ActionSpace(
                tuple(manifest["action_features"]), a["action_centre"], a["action_scale"]
            ),
            coefficients=a["coefficients"],
            general=a["general"],
            factors=ActionFactors(a["factor_mean"], a["factor_second"], a["factor_precision"]),
            factor_general=a["factor_general"],
            factor_variance=float(manifest["factor_variance"]),
            domains=tuple(manifest["domains"]),
            domain=a["domain"],
            rate=float(manifest["rate"]),
            curve=DelayCurve(float(manifest["curve_rate"]), a["delays"]),
            trust=Trust(**manifest["trust"]),
            confidence=_confidence(manifest, a),
            idle_days=int(manifest.get("idle_days", 0)),
            spread=_spread(a, positives_only=manifest["positives_only"]),
        ),
        catalogue,
    )


def _spread(a: Arrays, *, positives_only: bool) -> Spread | RidgeSpread | None:
    if "spread_coefficients" not in a:
        return None  # a run from before standard errors were kept
    if not positives_only:
        return Spread(*(a[f"spread_{field.name}"] for field in fields(Spread)))
    found = {field.name: a[f"spread_{field.name}"] for field in fields(RidgeSpread)}
    numbers = {name: found[name].item() for name in ("taste_prior", "noise")}
    return RidgeSpread(**(found | numbers))


def _numbers_of(confidence: Confidence | None) -> dict[str, float] | None:
    if confidence is None:
        return None
    return {name: value for name, value in vars(confidence).items() if name != "action"}


def _confidence(manifest: Mapping[str, Any], a: Arrays) -> Confidence | None:
    if not manifest["positives_only"]:
        return None
    return Confidence(a["confidence"], **manifest["confidence"])


def _space(manifest: Mapping[str, Any], a: Arrays) -> FeatureSpace:
    columns = manifest["columns"]
    return FeatureSpace(
        ProfileColumns(
            tuple(columns["numeric"]),
            {name: tuple(levels) for name, levels in columns["levels"]},
            tuple(columns["conditions"]),
        ),
        MetricSlots(
            tuple(manifest["metrics"]),
            a["metric_slot"],
            a["target_low"],
            a["target_high"],
            a["target_scale"],
            # runs of earlier versions knew one value only
            manifest.get("level_half_life_days", LEVEL_HALF_LIFE_DAYS),
        ),
        a["mean"],
        a["scale"],
        a["knee"],
        np.asarray(a["keep"], np.int64),
        a["centre"],
    )
