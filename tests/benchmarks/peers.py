"""The field's other models, each with settings searched on the days the engine holds out, too.

A peer is fitted on rows known at an instant and gives a score for any row and for everyone now.
Who has no history gets popularity from the models that know nothing else; popularity may be
mixed into those at a weight that is searched as well.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy.sparse as sp

from recommender.dataset import FloatArray
from recommender.models.popularity import log_odds_of
from recommender.outcomes import Impressions
from recommender.search import Found, coordinate_search
from tests.benchmarks.peer_task import Task, auc_within_people, loss, scaled, sigmoid

Setting = Mapping[str, float]

LEAST_TRIALS = 8


class Fitted(Protocol):
    """A peer that has learned."""

    def held_out(self) -> FloatArray:
        """Scores of ``task.later``."""

    def everyone(self) -> FloatArray:
        """Scores of everyone and every action at the end, [n_users, n_actions]."""


Fit = Callable[[Task, Impressions, Setting], Fitted]


@dataclass(frozen=True)
class Peer:
    """A model with what there is to choose for it.

    Attributes
    ----------
    ladders, starts
        As in ``recommender.search``; nothing to choose if empty.
    gives_probability
        True if scores are log-odds; its settings are then judged by log loss, else by the order
        within each person's impressions.
    prepare
        Work that is the same for all settings; not counted to the budget.
    """

    name: str
    fit: Fit
    ladders: Mapping[str, Sequence[float]]
    starts: Sequence[Setting]
    gives_probability: bool = False
    prepare: Callable[[Task], None] = lambda task: None


@dataclass(frozen=True)
class Answer:
    """What a model makes of a world; ``p`` is None where it gives no probability."""

    name: str
    scores: FloatArray
    p: FloatArray | None
    settings: Mapping[str, float]
    tried: int
    search_seconds: float
    fit_seconds: float


def answer(peer: Peer, task: Task, budget: float) -> Answer:
    """Search settings within the budget (seconds of processor time), then fit on everything."""
    peer.prepare(task)
    began = time.process_time()
    found, (slope, shift) = _search(peer, task, budget)
    searched = time.process_time()
    model = peer.fit(task, task.rows, found.settings)
    fitted = time.process_time()
    scores = model.everyone()
    p = sigmoid(slope * scores + shift) if peer.gives_probability else None
    return Answer(
        peer.name, scores, p, found.settings, found.tried, searched - began, fitted - searched
    )


def _search(peer: Peer, task: Task, budget: float) -> tuple[Found, tuple[float, float]]:
    """The best settings, and how log-odds have to be rescaled with them.

    The budget is stretched to ``LEAST_TRIALS`` of the first one's length, so that a slow peer (or
    a busy machine) leaves nobody untuned.
    """
    known: dict[tuple[tuple[str, float], ...], tuple[float, tuple[float, float]]] = {}

    def cost(setting: Setting) -> float:
        key = tuple(sorted(setting.items()))
        if key not in known:
            known[key] = _held_out_cost(peer, task, setting)
        return known[key][0]

    starts = peer.starts or ({},)
    began = time.process_time()
    cost(starts[0])
    took = time.process_time() - began
    seconds = max(budget, LEAST_TRIALS * took) - took
    found = coordinate_search(cost, peer.ladders, starts, seconds=seconds, clock=time.process_time)
    return found, known[tuple(sorted(found.settings.items()))][1]


def _held_out_cost(peer: Peer, task: Task, setting: Setting) -> tuple[float, tuple[float, float]]:
    scores = peer.fit(task, task.early, setting).held_out()
    if not peer.gives_probability:
        return 1.0 - auc_within_people(task.later, scores), (1.0, 0.0)
    slope, shift = scaled(task.later, scores)
    return loss(task.later, slope * scores + shift), (slope, shift)


@dataclass(frozen=True)
class Matrix:
    """Scores that depend on user and action alone."""

    task: Task
    scores: FloatArray

    def held_out(self) -> FloatArray:
        later = self.task.later
        return np.asarray(self.scores[later.user, later.action])

    def everyone(self) -> FloatArray:
        return self.scores


def counts(task: Task, rows: Impressions, values: FloatArray) -> sp.csr_matrix:
    """Sums over the rows of each user and action."""
    return sp.csr_matrix((values, (rows.user, rows.action)), shape=task.shape)


def popular(task: Task, rows: Impressions, setting: Setting) -> Fitted:
    """Completions per impression, shrunk; the same for everyone."""
    del setting
    return Matrix(task, np.broadcast_to(log_odds_of(rows, task.shape[1]), task.shape))


def ials(task: Task, rows: Impressions, setting: Setting) -> Fitted:
    """``implicit`` on completions; refusals may count as confidently not preferred."""
    return Matrix(task, _with_popularity(task, rows, factor_scores(task, rows, setting), setting))


def factor_scores(task: Task, rows: Impressions, setting: Setting) -> FloatArray:
    """Inner products of ``implicit``'s factors, [n_users, n_actions]."""
    from implicit.cpu.als import AlternatingLeastSquares

    worth = np.where(rows.completed, 1.0, -setting["refused"]) * rows.weight
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = AlternatingLeastSquares(
            factors=int(setting["rank"]),
            alpha=setting["alpha"],
            regularization=setting["ridge"],
            iterations=15,
            random_state=0,
            num_threads=1,
        )
        model.fit(counts(task, rows, worth).astype(np.float32), show_progress=False)
    return np.asarray(model.user_factors @ model.item_factors.T, np.float64)


def ease(task: Task, rows: Impressions, setting: Setting) -> Fitted:
    """Closed-form linear model without self-similarity (Steck 2019), on who completed what."""
    once = (counts(task, rows, rows.completed.astype(np.float64)) > 0).astype(np.float64)
    inverse = np.linalg.inv((once.T @ once).toarray() + setting["ridge"] * np.eye(task.shape[1]))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return Matrix(task, _with_popularity(task, rows, np.asarray(once @ weights), setting))


def _with_popularity(
    task: Task, rows: Impressions, scores: FloatArray, setting: Setting
) -> FloatArray:
    """Mix in the log-odds of popularity, in units of the scores' spread."""
    base = log_odds_of(rows, task.shape[1])
    known = np.bincount(rows.user, rows.completed, task.shape[0]) > 0
    spread = scores[known].std() / max(float(base.std()), 1e-9)
    mixed = scores + setting["popularity"] * spread * base
    return np.where(known[:, None], mixed, base)


_MIXED = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
POPULARITY = Peer("popularity (rate)", popular, {}, (), gives_probability=True)
IALS = Peer(
    "iALS (implicit)",
    ials,
    {
        "popularity": _MIXED,
        "refused": (0.0, 0.03, 0.1, 0.3, 1.0),
        "ridge": (0.1, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0),
        "rank": (2.0, 4.0, 8.0, 16.0, 32.0, 64.0),
        "alpha": (1.0, 3.0, 10.0, 30.0, 100.0),
    },
    (
        {"rank": 8.0, "alpha": 10.0, "ridge": 30.0, "refused": 0.1, "popularity": 1.0},
        {"rank": 16.0, "alpha": 3.0, "ridge": 10.0, "refused": 0.0, "popularity": 1.0},
    ),
)
EASE = Peer(
    "EASE",
    ease,
    {
        "popularity": _MIXED,
        "ridge": (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10_000.0, 30_000.0),
    },
    ({"ridge": 300.0, "popularity": 1.0},),
)
