"""Pure interaction data: ours beside popularity, iALS and EASE, everything chosen by itself.

``python -m tests.benchmarks.bench_interactions [--data DIR] [--seconds N] ml-1m lastfm ml-100k``

Lists are learned from their training part only; the ratings are split in time, 90/10. Every model
chooses its settings within the same time on the same part held out of what it learns from. Lists
are of the whole catalogue, without what was done before.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from recommender.dataset import FloatArray, Records
from recommender.models import hybrid
from recommender.models.factors import completion_factors
from recommender.models.hybrid import ModelSettings
from recommender.models.positives import own_pairs
from recommender.models.positives_hold_out import hold_out
from recommender.models.positives_ranking import Judged
from recommender.search import Ladders, Settings, coordinate_search
from tests.benchmarks.interaction_logs import NO_METRICS, Split, load

ROOT = Path(__file__).parents[2]
DATA = os.environ.get("RECOMMENDER_INTERACTIONS", str(ROOT.parent / "shared/data/interactions"))
K = 20
LARGEST_INVERSE = 6_000
"""EASE inverts a matrix of this many actions at most; more take minutes a setting."""

Scores = Callable[[sp.csr_matrix, Settings], FloatArray]

_AT_ONCE = 500


def popularity(known: sp.csr_matrix, settings: Settings) -> FloatArray:
    """How many people did each action, for everyone alike."""
    del settings
    return np.broadcast_to(np.asarray(known.sum(axis=0)).ravel(), known.shape)


def ials(known: sp.csr_matrix, settings: Settings) -> FloatArray:
    """``implicit`` as it is."""
    users, actions = completion_factors(
        known, int(settings["rank"]), settings["alpha"], settings["regularization"], 0
    )
    return _or_popular(known, users @ actions.T)


def ease(known: sp.csr_matrix, settings: Settings) -> FloatArray:
    """Closed-form linear model (Steck 2019)."""
    gram = (known.T @ known).toarray() + settings["ridge"] * np.eye(known.shape[1])
    inverse = np.linalg.inv(gram)
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return _or_popular(known, np.asarray(known @ weights))


def _or_popular(known: sp.csr_matrix, scores: FloatArray) -> FloatArray:
    some = np.diff(known.indptr) > 0
    return np.where(some[:, None], scores, popularity(known, {}))


PEERS: Mapping[str, tuple[Scores, Ladders, tuple[Settings, ...]]] = {
    "popularity": (popularity, {}, ({},)),
    "iALS": (
        ials,
        {
            "rank": (16, 32, 64, 96, 128),
            "alpha": (1, 2, 3, 5, 10, 20),
            "regularization": (1, 3, 10, 30, 100),
        },
        (
            {"rank": 64, "alpha": 10, "regularization": 30},
            {"rank": 64, "alpha": 3, "regularization": 30},
            {"rank": 32, "alpha": 10, "regularization": 10},
        ),
    ),
    "EASE": (
        ease,
        {"ridge": (30, 100, 200, 300, 500, 1000, 2000)},
        ({"ridge": 300},),
    ),
}


def tuned(name: str, split: Split, seconds: float) -> tuple[FloatArray, Settings]:
    """Scores of a peer with settings chosen on what is held out of the records."""
    scores, ladders, starts = PEERS[name]
    held = hold_out(split.records, 0)
    assert held is not None
    n_actions = len(split.catalogue)
    judged = Judged.of(held, own_pairs(held.past.events, n_actions), n_actions, 0)
    before = _once(held.past, n_actions)

    def cost(settings: Settings) -> float:
        given = judged.visible(scores(before, settings)[judged.users].astype(np.float32))
        best = judged.best(given)
        return -judged.gain(best, np.take_along_axis(given, best, axis=1))

    chosen = coordinate_search(cost, ladders, starts, seconds=seconds).settings
    return scores(_once(split.records, n_actions), chosen), chosen


def _once(records: Records, n_actions: int) -> sp.csr_matrix:
    pairs = own_pairs(records.events, n_actions)
    shape = (len(records.users), n_actions)
    return sp.csr_matrix((np.ones(len(pairs)), (pairs.user, pairs.action)), shape=shape)


def ours(split: Split, seconds: float) -> tuple[FloatArray, Settings]:
    """Scores of the hybrid, as any training and any answer make them."""
    settings = ModelSettings(search_seconds=seconds)
    model = hybrid.fit(split.records, split.catalogue, NO_METRICS, split.as_of, settings=settings)
    return model.score(split.records, split.as_of).sum(axis=2), model.facts["chosen"]["recipe"]


def judge(split: Split, scores: FloatArray, hide: bool) -> tuple[float, float]:
    """Recall@20 and NDCG@20 on the test part, over people who have one."""
    users = np.flatnonzero(np.diff(split.test.indptr))
    recall, ndcg = [], []
    for start in range(0, len(users), _AT_ONCE):
        some = users[start : start + _AT_ONCE]
        relevant = split.test[some].toarray() > 0
        done = (split.known[some].toarray() > 0) & hide
        people = Judged(some, relevant & ~done, done, repeats=False)
        best = people.best(people.visible(scores[some].astype(np.float32)))
        values = np.take_along_axis(scores[some].astype(np.float32), best, axis=1)
        values[np.take_along_axis(done, best, axis=1)] = -np.inf
        one, other = people.measures(best, values, K)
        kept = people.relevant.any(axis=1)
        ndcg.append(one[kept])
        recall.append(other[kept])
    return float(np.concatenate(recall).mean()), float(np.concatenate(ndcg).mean())


def run(name: str, folder: Path, seconds: float) -> None:
    """Print one data set's table."""
    split = load(name, folder)
    known = split.known
    sys.stdout.write(
        f"\n{name}: {known.shape[0]} users, {known.shape[1]} actions, {known.nnz} completions\n"
    )
    for peer in (*PEERS, "this engine"):
        if peer == "EASE" and known.shape[1] > LARGEST_INVERSE:
            sys.stdout.write(f"  {peer:12} left out: {known.shape[1]} actions\n")
            continue
        began, busy = time.perf_counter(), time.process_time()
        with threadpool_limits(1, "blas"):
            scores, chosen = (
                ours(split, seconds) if peer == "this engine" else tuned(peer, split, seconds)
            )
        spent, cpu = time.perf_counter() - began, time.process_time() - busy
        recall, ndcg = judge(split, scores, hide=True)
        line = f"  {peer:12} R@20 {recall:.4f}  N@20 {ndcg:.4f}  {spent:5.1f} s ({cpu:.1f} s cpu)"
        if peer == "this engine":
            bare = judge(split, scores, hide=False)
            line += f"  nothing hidden {bare[0]:.4f} {bare[1]:.4f}"
        sys.stdout.write(f"{line}  {json.dumps(chosen)}\n")
        sys.stdout.flush()


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(DATA))
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("names", nargs="*", default=["ml-1m", "lastfm", "ml-100k"])
    given = parser.parse_args()
    for name in given.names:
        run(name, given.data, given.seconds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(f"\nlargest memory {peak:.0f} MB\n")


if __name__ == "__main__":
    main()
