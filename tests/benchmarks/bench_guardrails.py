"""Time of guardrail decisions: one person and many, 500 actions, every shipped rule.

Run with ``PYTHONPATH=.:tests python tests/benchmarks/bench_guardrails.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import numpy as np
from guardrail_people import NOW, conditions, metrics, no_events, shipped_rules, tags

from recommender.dataset import Observations, Records, Users
from recommender.domain import SECONDS_PER_DAY, Action, Catalogue
from recommender.guardrails.check import Guard

ACTIONS = 500
READINGS = 50


def people(count: int, rng: np.random.Generator) -> Records:
    """People of any age with up to three conditions and ``READINGS`` readings each."""
    born = NOW - rng.uniform(5, 90, count) * 365.25 * SECONDS_PER_DAY
    owner = np.repeat(np.arange(count, dtype=np.int32), rng.integers(0, 4, count))
    users = Users(
        ids=np.arange(count).astype(str).astype(object),
        born_at=np.where(rng.random(count) < 0.1, np.nan, born),
        sex=rng.integers(0, 4, count).astype(np.int8),
        condition_user=owner,
        condition_name=np.array(conditions(), dtype=object)[
            rng.integers(0, len(conditions()), len(owner))
        ],
    )
    return Records(users, no_events(), readings(count, rng))


def readings(count: int, rng: np.random.Generator) -> Observations:
    total = count * READINGS
    user = np.repeat(np.arange(count, dtype=np.int32), READINGS)
    metric = rng.integers(0, len(metrics()), total).astype(np.int32)
    at = NOW - rng.uniform(0, 60, total) * SECONDS_PER_DAY
    order = np.lexsort((at, metric, user))
    low = np.array([each.plausible_low for each in metrics().metrics])[metric[order]]
    value = low + rng.uniform(0, 150, total)
    ids = np.arange(total).astype(str).astype(object)
    return Observations(user, metric[order], value, at[order], ids)


def seconds(job: Callable[[], object], times: int) -> float:
    """Best of five rounds, per call."""
    rounds = []
    for _ in range(5):
        start = perf_counter()
        for _ in range(times):
            job()
        rounds.append((perf_counter() - start) / times)
    return min(rounds)


def main() -> None:
    rng = np.random.default_rng(7)
    actions = tuple(
        Action(f"a{number:04d}", "", "", tags=tuple(rng.choice(tags(), 2, replace=False)))
        for number in range(ACTIONS)
    )
    guard = Guard(shipped_rules(), Catalogue(actions), metrics())
    one, many = people(1, rng), people(100_000, rng)
    decided = guard.decide(one, NOW)
    print(f"{len(shipped_rules())} rules, {ACTIONS} actions, {READINGS} readings a person")
    print(f"decide, one person:      {seconds(lambda: guard.decide(one, NOW), 200) * 1e3:.3f} ms")
    log = seconds(lambda: guard.grounds(decided, one), 200)
    print(f"verdict log, one person: {log * 1e3:.3f} ms")
    start = perf_counter()
    guard.decide(many, NOW)
    print(f"decide, 100,000 people:  {perf_counter() - start:.2f} s")


if __name__ == "__main__":
    main()
