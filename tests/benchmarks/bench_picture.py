"""What the nightly picture costs a person: ``python -m tests.benchmarks.bench_picture``.

Processor time of each step of scoring everybody, in microseconds a person, least of some rounds,
beside the bare matrix product and choice of the same people and actions; and the most memory that
a batch takes. Reads a trained database and changes nothing: ``--database-url``, or a simulated one.
"""

from __future__ import annotations

import argparse
import tempfile
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from time import process_time

import numpy as np
from threadpoolctl import threadpool_limits

from recommender.assess import Assessor
from recommender.dataset import Records
from recommender.domain import Audience, Objective
from recommender.knowledge import load_knowledge
from recommender.nightly import chunks_of
from recommender.picture import Picture, best_first
from recommender.published import Published
from recommender.store.bulk import load_records
from recommender.store.engine import connect, reading
from tests.benchmarks.bench_exploration import opened

KEEP, ROUNDS, MOST = 50, 5, 5_000


def measured(published: Published) -> None:
    """Print every figure for the run in force, as of its own instant."""
    found = published.current()
    assessor, at = found.assessor, found.run.as_of.timestamp()
    with reading(published.engine) as connection:
        records = load_records(connection, found.run.as_of, assessor.catalogue, assessor.metrics)
    size = assessor.model.at_once
    chunks = list(chunks_of(next(chunks_of(records, MOST)), size))
    people = sum(len(some.users) for some in chunks)
    print(f"{people} people in batches of {size}, {len(assessor.catalogue)} actions")
    for name, job, inputs in _steps(assessor, at, chunks):
        print(f"{name:24s} {_least(job, inputs) / people * 1e6:7.1f} us a person")
    tracemalloc.start()
    Picture(assessor, KEEP).of(chunks[0], at)
    print(f"most memory of a batch: {tracemalloc.get_traced_memory()[1] / 2**20:.0f} MB")


Step = tuple[str, Callable[..., object], Sequence[object]]


def _steps(assessor: Assessor, at: float, chunks: list[Records]) -> list[Step]:
    model, picture = assessor.model, Picture(assessor, KEEP)
    views = [model.view(some, at) for some in chunks]
    found = [assessor.assess(some, at, Audience.USER) for some in chunks]
    scores = [each.score(Objective.BENEFIT) for each in found]
    pairs = [(each, best_first(score, KEEP)) for each, score in zip(found, scores, strict=True)]
    tastes = model.parameters.factors.mean
    factors = [view.factors.mean for view in views]

    def bare(users: np.ndarray) -> object:
        return np.argpartition(users @ tastes.T, -KEEP, axis=1)[:, -KEEP:]

    return [
        ("bare product and choice", bare, factors),
        ("view", lambda some: model.view(some, at), chunks),
        ("parts", model.score_view, views),
        ("guardrails", lambda some: assessor.guard.decide(some, at, Audience.USER), chunks),
        ("all of assess", lambda some: assessor.assess(some, at, Audience.USER), chunks),
        ("choice of the best", lambda score: best_first(score, KEEP), scores),
        ("standard errors", lambda pair: assessor.standard_error(*pair), pairs),
        ("the whole picture", lambda some: picture.of(some, at), chunks),
    ]


def _least(job: Callable[..., object], inputs: Sequence[object]) -> float:
    rounds = []
    for _ in range(ROUNDS):
        began = process_time()
        for one in inputs:
            job(one)
        rounds.append(process_time() - began)
    return min(rounds)


def main() -> None:
    """Print every figure."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--database-url", help="of a trained database; else one is simulated")
    url = asked.parse_args().database_url
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1, "blas"):
        known = load_knowledge()
        published = (
            Published(connect(url), known.rules, known.metrics) if url else opened(Path(folder))
        )
        measured(published)
        published.engine.dispose()


if __name__ == "__main__":
    main()
