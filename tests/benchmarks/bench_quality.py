"""Quality against known truth: ``python -m tests.benchmarks.bench_quality plain 11 12``."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from recommender.dataset import FloatArray, take_users
from recommender.models import popularity
from recommender.models.fold_in import ActionFactors, Outcomes, fold_in
from recommender.models.hybrid import ModelSettings, fit
from recommender.outcomes import outcomes_of
from recommender.quality import ndcg_at_k
from tests.benchmarks.cohorts import VARIANTS, Cohort, cohort

MODELS = ("popularity", "features", "hybrid", "true_features", "ceiling")


def measure(world: Cohort, settings: ModelSettings) -> dict[str, float]:
    """Figures of one cohort: NDCG@10 by model and segment, Brier and calibration of the hybrid."""
    began = time.perf_counter()
    model = fit(world.records, world.catalogue, world.metrics, world.as_of, settings=settings)
    fitted = time.perf_counter()
    parts = model.score(world.records, world.as_of)
    scored = time.perf_counter()
    scores = {"features": parts[:, :, :4].sum(axis=2), "hybrid": parts.sum(axis=2)}
    if world.records.events.kind.min(initial=9) == 0:
        popular = popularity.fit(world.records, world.catalogue, world.as_of)
        scores["popularity"] = popular.score(world.records, world.as_of).sum(axis=2)
        scores |= {"true_features": world.expected, "ceiling": ceiling(world)}
    out: dict[str, float] = {}
    for name in MODELS:
        if name in scores:
            out |= ranked(world, scores[name], name)
    p = 1 / (1 + np.exp(-scores["hybrid"]))
    out["brier"] = float(((p - world.p) ** 2).mean())
    out["ece"] = calibration(p, world.p)
    out["bias"] = float(p.mean() - world.p.mean())
    trust = model.parameters.trust
    out |= {"t_feat": trust.features, "t_beh": trust.behaviour, "t_fac": trust.factor}
    out |= {"shift": trust.shift, "hold_ece": model.holdout.get("hybrid_ece", np.nan)}
    out |= {"fit_s": fitted - began, "score_s": scored - fitted, "live_us": live_us(model, world)}
    return out


def ceiling(world: Cohort) -> FloatArray:
    """Scores by the true parameters, with tastes worked out from the log as the hybrid does."""
    rows = outcomes_of(world.records.events, world.as_of)
    shape = world.loadings.shape
    factors = ActionFactors.of(world.loadings, np.zeros((*shape, shape[1])), np.ones(shape[1]))
    offset = world.expected[rows.user, rows.action]
    done = rows.completed.astype(np.float64)
    users = fold_in(
        Outcomes(rows.user, rows.action, done, rows.weight, offset), len(world.p), factors
    )
    return np.asarray(world.expected + users.mean @ world.loadings.T)


def ranked(world: Cohort, scores: FloatArray, name: str) -> dict[str, float]:
    """NDCG@10 against the true probabilities, overall and by segment."""
    gain = ndcg_at_k(world.p, scores)
    by = {label: gain[world.segment == i].mean() for i, label in enumerate(world.segments)}
    return {f"{name}_{label}": float(v) for label, v in (by | {"all": gain.mean()}).items()}


def calibration(p: FloatArray, truth: FloatArray, bins: int = 20) -> float:
    """Mean distance of predicted and true probability over bins of the predictions."""
    order = np.argsort(p.ravel())
    off = [abs(part.mean()) for part in np.array_split((p - truth).ravel()[order], bins)]
    return float(np.mean(off))


def live_us(model: object, world: Cohort, people: int = 60) -> float:
    """Median microseconds of scoring one person."""
    records = [take_users(world.records, i, i + 1) for i in range(people)]
    times = []
    for one in records:
        began = time.perf_counter()
        model.score(one, world.as_of)  # type: ignore[attr-defined]
        times.append(time.perf_counter() - began)
    return float(np.median(times) * 1e6)


def main(arguments: Sequence[str]) -> None:
    """Print the mean over seeds; arguments: variant, seeds, and settings as name=value."""
    given = dict(a.split("=") for a in arguments if "=" in a)
    base = ModelSettings()
    changed = {k: type(getattr(base, k))(float(v)) for k, v in given.items()}
    settings = replace(base, **changed)
    variants = [a for a in arguments if a in VARIANTS] or list(VARIANTS)
    seeds = [int(a) for a in arguments if a.isdigit()] or [11]
    for variant in variants:
        results = [measure(cohort(VARIANTS[variant], seed), settings) for seed in seeds]
        means = {k: float(np.mean([r[k] for r in results])) for k in results[0]}
        line = " ".join(f"{k}={v:.4f}" for k, v in means.items())
        sys.stdout.write(f"{variant} {seeds} {line}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
