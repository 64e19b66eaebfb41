"""What standard errors and exploration cost: ``python -m tests.benchmarks.bench_exploration``.

Processor time of one live answer with exploration off and on, taking turns over the same people,
and of the nightly picture; 500 actions, SQLite.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from time import process_time

import numpy as np
from threadpoolctl import threadpool_limits

from recommender.dataset import take_users
from recommender.domain import Audience, Exploration
from recommender.ingest import ingest_files
from recommender.knowledge import load_knowledge
from recommender.nightly import chunks_of
from recommender.picture import Picture
from recommender.published import Published
from recommender.recommend import Ask, recommend_for
from recommender.selection import chosen, eligible
from recommender.settings import Settings
from recommender.simulate import simulate
from recommender.store.bulk import load_records
from recommender.store.engine import connect, reading
from recommender.store.upgrade import upgrade
from recommender.train import train_and_publish

PEOPLE, ACTIONS, DAYS, ASKED, ROUNDS = 1500, 500, 40, 150, 5
SETTINGS = {kind: Settings(exploration=kind, poll_seconds=60) for kind in Exploration}


def opened(folder: Path) -> Published:
    """A database of simulated people with a published run."""
    known = load_knowledge()
    end = datetime.now(UTC) - timedelta(hours=1)
    simulate(PEOPLE, ACTIONS, DAYS, 3, folder, end_at=end)
    engine = connect(f"sqlite:///{folder / 'bench.db'}")
    upgrade(engine)
    for kind in ("actions", "users", "events", "observations"):
        file = str(folder / f"{kind}.csv")
        ingest_files(engine, kind, [file], metrics=known.metrics, now=datetime.now(UTC))
    train_and_publish(
        engine, rules=known.rules, metrics=known.metrics, settings=Settings(), force=True
    )
    return Published(engine, known.rules, known.metrics, poll_seconds=600)


def live(published: Published) -> None:
    """Median over people of the least of some rounds, microseconds."""
    found = {kind: np.full((ROUNDS, ASKED), np.inf) for kind in Exploration}
    for turn in range(ROUNDS):
        for person in range(ASKED):
            for kind in Exploration:
                began = process_time()
                recommend_for(published, f"u{person + 1:07}", Ask(), SETTINGS[kind])
                found[kind][turn, person] = process_time() - began
    for kind, times in found.items():
        print(f"live answer, exploration {kind}: {np.median(times.min(axis=0)) * 1e6:.0f} us")


def pieces(published: Published) -> None:
    """The pieces that are new, for one person, microseconds."""
    assessor, now = published.current().assessor, datetime.now(UTC)
    with reading(published.engine) as connection:
        records = load_records(connection, now, assessor.catalogue, assessor.metrics)
    at = now.timestamp()
    one = take_users(records, 0, 1)
    assessment = assessor.assess(one, at, Audience.USER)
    places = eligible(assessor, assessment, one.events, at, Settings()).of(0, None)
    ten = places[:10]
    jobs = {
        "standard errors of ten": lambda: assessor.standard_error(assessment, ten),
        "standard errors of all": lambda: assessor.standard_error(assessment),
        **{
            f"list, {kind}": lambda kind=kind: chosen(
                assessor, assessment, places, Ask(), SETTINGS[kind], "q"
            )
            for kind in Exploration
        },
    }
    for name, job in jobs.items():
        print(f"{name}: {_least(job, 200):.0f} us ({len(places)} may stand)")


def nightly(published: Published) -> None:
    """The nightly picture of everybody, with and without standard errors, seconds."""
    assessor, now = published.current().assessor, datetime.now(UTC)
    with reading(published.engine) as connection:
        records = load_records(connection, now, assessor.catalogue, assessor.metrics)
    at, model, picture = now.timestamp(), assessor.model, Picture(assessor, 50)
    chunks = partial(chunks_of, records, model.at_once)
    jobs = {
        "scores": lambda: model.score(records, at),
        "scores with standard errors": lambda: model.score_with_error(records, at),
        "the whole picture": lambda: [picture.of(some, at) for some in chunks()],
    }
    for name, job in jobs.items():
        print(f"nightly, {name}: {_least(job, 1) / 1e6:.3f} s for {PEOPLE} people")


def _least(job: Callable[[], object], times: int) -> float:
    rounds = []
    for _ in range(7):
        began = process_time()
        for _ in range(times):
            job()
        rounds.append((process_time() - began) / times * 1e6)
    return min(rounds)


def main() -> None:
    """Print every figure."""
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1, "blas"):
        published = opened(Path(folder))
        live(published)
        pieces(published)
        nightly(published)
        published.engine.dispose()


if __name__ == "__main__":
    main()
