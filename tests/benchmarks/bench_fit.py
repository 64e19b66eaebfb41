"""How long a training on a million interactions takes: ``python -m tests.benchmarks.bench_fit``.

Two logs, all settings chosen as ``recommender train`` chooses them: impressions with what came of
them, profiles and readings; and completions alone, 50 a person, with profiles. Linear algebra
keeps to one thread; ``implicit`` may use two on logs of completions. On a machine with other work,
look at processor time.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from recommender.dataset import Events, Observations, Records, Users
from recommender.domain import EVENT_CODES
from recommender.models.hybrid import HybridModel, fit
from recommender.resources import data_path
from tests.benchmarks.cohorts import BEGIN, DAY, VARIANTS, Cohort, cohort

ACTIONS = 500
TARGET_SECONDS = 60
_DAYS = 180
_EACH = 50
_PEOPLE = 20_000
_TASTES = 8


def impressions(share: float) -> Cohort:
    """The cohort ``plain``, larger; a fifth of the people has no history."""
    return cohort(replace(VARIANTS["plain"], users=int(_PEOPLE * share), actions=ACTIONS), 1)


def completions(share: float) -> Cohort:
    """People who complete what suits their tastes, everything once at most."""
    world = cohort(replace(VARIANTS["plain"], users=8, actions=ACTIONS), 1)
    draws = np.random.default_rng(2)
    n = int(_PEOPLE * share)
    liked = draws.normal(size=(n, _TASTES)) @ draws.normal(0, 0.5, (_TASTES, ACTIONS))
    liked += draws.normal(size=ACTIONS) + draws.gumbel(size=liked.shape)
    action = np.argpartition(-liked, _EACH, axis=1)[:, :_EACH].ravel()
    at = np.sort(BEGIN + draws.random((n, _EACH)) * _DAYS * DAY, axis=1).ravel()
    users = Users(
        np.array([f"u{i:06d}" for i in range(n)], dtype=object),
        BEGIN - draws.uniform(18, 80, n) * 365.25 * DAY,
        draws.integers(1, 3, n).astype(np.int8),
        np.zeros(0, np.int32),
        np.zeros(0, object),
        {},
    )
    return replace(world, records=Records(users, _completed(action, at), _unread()), as_of=at.max())


def _completed(action: np.ndarray, at: np.ndarray) -> Events:
    n, unknown = len(action), np.full(len(action), np.nan)
    user = np.repeat(np.arange(n // _EACH), _EACH).astype(np.int32)
    kind = np.full(n, EVENT_CODES["complete"], np.int8)
    return Events(user, action.astype(np.int32), kind, at, np.full(n, -1), unknown, unknown)


def _unread() -> Observations:
    none = np.zeros(0)
    return Observations(none.astype(np.int32), none.astype(np.int32), none, none)


def measure(name: str, world: Cohort) -> str:
    """A line of the table."""
    wall, used = time.perf_counter(), time.process_time()
    model = fit(world.records, world.catalogue, world.metrics, world.as_of)
    used, wall = time.process_time() - used, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    cells = (
        name, f"{len(world.records.users):,}", f"{len(world.records.events):,}",
        f"{used:.1f}", f"{wall:.1f}", f"{peak:.2f}", _tried(model),
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def _tried(model: HybridModel) -> str:
    search = model.facts.get("search") or model.facts["chosen"]
    return f"{search['tried']}{'' if search['finished'] else ', out of time'}"


def main(arguments: Sequence[str]) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="of the million")
    given = parser.parse_args(arguments)
    os.environ.setdefault("RECOMMENDER_NHANES", str(data_path("sample/nhanes_adults.csv")))
    columns = "log", "people", "events", "processor s", "wall s", "peak GiB", "settings tried"
    sys.stdout.write("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|\n")
    for name, made in (("impressions", impressions), ("completions", completions)):
        sys.stdout.write(measure(name, made(given.share)) + "\n")
        sys.stdout.flush()
    sys.stdout.write(f"\nTo be met on two quiet cores: {TARGET_SECONDS} s of wall time each.\n")


if __name__ == "__main__":
    main(sys.argv[1:])
