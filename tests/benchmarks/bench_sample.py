"""How many people are enough to learn from: ``python -m tests.benchmarks.bench_sample``.

One world, trained up to a cut on samples of it and on everybody. All are then asked about the same
people's impressions of the fortnight after the cut: what differs is only who was learned from.
Differences are given with a standard error over people (everybody against each sample).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

import numpy as np

from recommender import quality
from recommender.dataset import (
    Events,
    FloatArray,
    Observations,
    Records,
    Users,
    sample_of,
    select_users,
    until,
)
from recommender.domain import EVENT_CODES, SECONDS_PER_DAY, SEX_CODES, Catalogue, MetricsList
from recommender.knowledge import load_knowledge
from recommender.models.holdout import HeldOut, expected, training_rows
from recommender.models.hybrid import ModelSettings, fit
from recommender.outcomes import Impressions
from recommender.store.record_arrays import ordered_events, ordered_observations
from tests.benchmarks import night_load
from tests.benchmarks import night_world as world
from tests.benchmarks.night_training import forget_peak, peak_mib

_CUT_DAYS = 14.0
_ASKED = 50_000


def main(arguments: Sequence[str]) -> None:
    """Print a line for each sample, everybody first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=200_000)
    parser.add_argument("--samples", type=int, nargs="+", default=[100_000, 50_000, 25_000])
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    metrics = load_knowledge().metrics
    catalogue = night_load.catalogue_of(night_load.ACTIONS)
    end = 1_790_000_000.0
    records = records_of(given.users, catalogue, metrics, end, given.seed)
    held = _held(records, catalogue, end, given.seed)
    before: FloatArray | None = None
    print("| learned from | log loss | more than everybody | NDCG@10 | less than everybody "
          "| processor s | peak GiB |\n|---|---|---|---|---|---|---|")  # fmt: skip
    for most in (given.users, *given.samples):
        chosen = sample_of(records.users.ids, most, given.seed)
        some = until(select_users(records, chosen), held.cut)
        forget_peak()
        used = time.process_time()
        model = fit(some, catalogue, metrics, held.cut, settings=ModelSettings(max_users=most))
        used = time.process_time() - used
        said = expected(model.parameters, held)
        before = said if before is None else before
        print(_line(most, held.rows, said, before, used))
        sys.stdout.flush()


def records_of(
    users: int, catalogue: Catalogue, metrics: MetricsList, end_at: float, seed: int
) -> Records:
    """A world of ``night_world`` as training reads it."""
    drawn = world.draw_world(users, catalogue, metrics, end_at, seed)
    return Records(_users(drawn.people), _events(drawn.events), _readings(drawn.readings, metrics))


def _users(people: world.People) -> Users:
    bits = (people.conditions[:, None] >> np.arange(len(world.CONDITIONS))) & 1
    owner, condition = np.nonzero(bits)
    sex = np.array([SEX_CODES[name] for name in world.SEXES], np.int8)
    regions = np.array([None, *world.REGIONS], dtype=object)
    return Users(
        np.array([f"p{place:09d}" for place in range(len(people.sex))], dtype=object),
        people.born_day * SECONDS_PER_DAY,
        sex[people.sex],
        owner.astype(np.int32),
        np.array(world.CONDITIONS, dtype=object)[condition],
        {"region": regions[people.region]},
    )


def _events(events: world.Happenings) -> Events:
    kind = np.array([EVENT_CODES[name] for name in world.KINDS], np.int8)
    return ordered_events(
        events.user,
        events.action.astype(np.int32),
        kind[events.kind],
        events.at,
        events.request.astype(np.int64),
        events.propensity.astype(np.float64),
        np.full(len(events.user), np.nan),
    )


def _readings(readings: world.Readings, metrics: MetricsList) -> Observations:
    place = np.array([metrics.index[name] for name in world.METRICS], np.int32)
    value = readings.value.astype(np.float64)
    return ordered_observations(readings.user, place[readings.metric], value, readings.at)


def _held(records: Records, catalogue: Catalogue, end: float, seed: int) -> HeldOut:
    """Impressions after the cut of some people, as asked of every model."""
    some = select_users(records, sample_of(records.users.ids, _ASKED, seed + 1))
    cut = end - _CUT_DAYS * SECONDS_PER_DAY
    rows = training_rows(some, catalogue, end)
    rows = rows.select(rows.at > cut)
    none = np.zeros(len(rows))
    return HeldOut(some, rows, cut, end, none, none, none)


def _line(most: int, rows: Impressions, said: FloatArray, before: FloatArray, used: float) -> str:
    p, p_before = (1 / (1 + np.exp(-each)) for each in (said, before))
    loss, loss_before = (
        quality.pointwise_log_loss(rows.completed, each) * rows.weight for each in (p, p_before)
    )
    total = rows.weight.sum()
    se = quality.clustered_se(rows.user, loss - loss_before, rows.weight)
    _, gain = quality.ndcg_by_user(rows.user, said, rows.completed)
    _, gain_before = quality.ndcg_by_user(rows.user, before, rows.completed)
    less = gain_before - gain
    cells = (
        f"{most:,}", f"{loss.sum() / total:.5f}",
        f"{(loss - loss_before).sum() / total:+.5f} ± {se:.5f}",
        f"{gain.mean():.4f}", f"{less.mean():+.4f} ± {quality.standard_error(less):.4f}",
        f"{used:.0f}", f"{peak_mib() / 1024:.1f}",
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main(sys.argv[1:])
