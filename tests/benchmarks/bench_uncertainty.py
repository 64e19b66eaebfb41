"""Do standard errors cover the truth: ``python -m tests.benchmarks.bench_uncertainty plain 11 12``.

A tenth of the actions is kept out of the log and of the catalogue trained with, and comes in
afterwards. Coverage is that of the true log-odds by intervals of 50 % and 90 %. Where only
completions are logged it is that of the differences between people of a group, action by action:
such a log says nothing of the level for people it doesn't know.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from time import process_time

import numpy as np

from recommender.dataset import BoolArray, FloatArray, IntArray, Records, select_events
from recommender.domain import EVENT_CODES, Catalogue
from recommender.models.hybrid import HybridModel, fit
from recommender.outcomes import HORIZON_DAYS
from tests.benchmarks.cohorts import VARIANTS, Cohort, Variant, cohort

WORLDS = ("plain", "strong", "small")
QUANTILES = {"50%": 0.6745, "90%": 1.6449}


def newcomers(world: Cohort) -> BoolArray:
    """Every tenth action, drawn once for all."""
    n = len(world.catalogue)
    out = np.zeros(n, bool)
    out[np.random.default_rng(5).choice(n, n // 10, replace=False)] = True
    return out


def trained(world: Cohort, new: BoolArray) -> tuple[HybridModel, Records]:
    """Train without the new actions, then align with all."""
    events = world.records.events
    kept = select_events(events, ~new[events.action])
    places: IntArray = np.cumsum(~new) - 1
    moved = replace(kept, action=places[kept.action].astype(np.int32))
    known = Catalogue(tuple(world.catalogue.actions[i] for i in np.flatnonzero(~new)))
    model = fit(replace(world.records, events=moved), known, world.metrics, world.as_of)
    return model.aligned_to(world.catalogue), replace(world.records, events=kept)


def coverage(off: FloatArray, errors: FloatArray) -> str:
    """Root mean square of error and standard error, and how often intervals hold the truth."""
    held = [f"{name} {(off < q * errors).mean():.3f}" for name, q in QUANTILES.items()]
    sizes = [np.sqrt((values**2).mean()) for values in (off, errors)]
    return f"off {sizes[0]:.2f}  error {sizes[1]:.2f}  " + "  ".join(held)


def measure(name: str, seed: int) -> list[str]:
    """Lines on one cohort."""
    world = cohort(VARIANTS[name], seed)
    new = newcomers(world)
    model, records = trained(world, new)
    times = []
    for job in (model.score, model.score_with_error) * 3:
        began = process_time()
        job(records, world.as_of)
        times.append(process_time() - began)
    parts, errors = model.score_with_error(records, world.as_of)
    logged = VARIANTS[name].impressions_logged
    true = np.log(world.p / (1 - world.p)) if logged else weekly_log_odds(VARIANTS[name], seed)
    off = true - parts.sum(axis=2)
    silent = (world.segment == 1)[:, None]
    groups = {
        "all": np.ones(off.shape, bool),
        "known person, known action": ~silent & ~new,
        "new person, known action": silent & ~new,
        "known person, new action": ~silent & new,
        "new person, new action": silent & new,
    }
    more = min(times[1::2]) / min(times[::2]) - 1
    lines = [f"{name} {seed}: scoring takes {more:+.1%} of its time with standard errors"]
    for group, mine in groups.items():
        usual = (off * mine).sum(axis=0) / np.maximum(mine.sum(axis=0), 1)
        here = off if logged else off - usual
        lines.append(f"  {group:28}{coverage(np.abs(here[mine]), errors[mine])}")
    return lines


def weekly_log_odds(variant: Variant, seed: int) -> FloatArray:
    """True log-odds of completing an action within a week, shown as often as it was.

    The same cohort with its impressions tells how often that is.
    """
    shown = cohort(replace(variant, impressions_logged=True), seed)
    events = shown.records.events
    chance = np.zeros(variant.actions)
    mine = events.kind == EVENT_CODES["impression"]
    chance[events.action[mine]] = events.propensity[mine]
    rate = HORIZON_DAYS * variant.impressions_per_day * chance * shown.p
    return np.asarray(np.log(np.expm1(np.maximum(rate, 1e-9))))


def main(arguments: Sequence[str]) -> None:
    """Print one block a cohort; arguments: worlds and seeds."""
    for name in [a for a in arguments if a in VARIANTS] or WORLDS:
        for seed in [int(a) for a in arguments if a.isdigit()] or [11, 12]:
            print("\n".join(measure(name, seed)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
