"""What every peer gets to see of a world: the same records that the engine learns from, encoded.

Rows are labelled impressions, weighted as in training. Features of a row stand as they did at
the row (readings by the engine's own snapshots, behaviour strictly before it); what is learned
from labels (popularity, factors) comes from rows up to an instant only. Settings are judged on
the days after ``cut``, the ones the engine holds out itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.stats import rankdata

from recommender.dataset import BoolArray, FloatArray, IntArray, until
from recommender.domain import SECONDS_PER_DAY
from recommender.features import behaviour, biometrics
from recommender.features.actions import ActionSpace, fit_action_space
from recommender.features.space import (
    SNAPSHOT_DAYS,
    FeatureSpace,
    fit_space,
    snapshot_of,
    user_matrix,
)
from recommender.models.holdout import choose_cut
from recommender.outcomes import Impressions, in_blocks, labelled_impressions
from tests.benchmarks.cohorts import Cohort

HELD_OUT_DAYS = 14.0
_NOW = 0  # place of "now" among the snapshots, which start at 0 days


@dataclass(frozen=True)
class Task:
    """A world as peers see it.

    Attributes
    ----------
    rows
        Every impression with its outcome as of the end, sorted by user and time.
    early
        The first rows, up to ``cut``, with what was known of their outcomes then.
    is_early
        Which of ``rows`` are the early ones.
    vectors
        The engine's own user vectors, [n_snapshots, n_users, n_features].
    readings
        Level, deviation, trend and change in the metrics' units (NaN unknown), [n_snapshots,
        n_users, 4, n_metrics].
    snapshot
        Place of each row's snapshot.
    deeds
        The engine's own behaviour features before each row.
    described
        What the catalogue says of each action, standardised; [n_actions, n_columns].
    """

    world: Cohort
    cut: float
    rows: Impressions
    early: Impressions
    is_early: BoolArray
    space: FeatureSpace
    action_space: ActionSpace
    vectors: FloatArray
    readings: FloatArray
    instants: FloatArray
    snapshot: IntArray
    deeds: FloatArray
    described: FloatArray
    domain: IntArray

    @property
    def shape(self) -> tuple[int, int]:
        """Users and actions."""
        return len(self.world.records.users), len(self.world.catalogue)

    @cached_property
    def later(self) -> Impressions:
        """Rows after the cut, which settings are judged on."""
        return self.rows.select(~self.is_early)

    @cached_property
    def numbers(self) -> FloatArray:
        """Age and numeric attributes at each snapshot, [n_snapshots, n_users, n]."""
        return self.space.columns.numbers(self.world.records.users, self.instants)

    @cached_property
    def flags(self) -> FloatArray:
        """Profile one-hots at each snapshot, [n_snapshots, n_users, n]."""
        return self.space.columns.flags(self.world.records.users, self.instants)

    @cached_property
    def aims(self) -> FloatArray:
        """Share of each metric among an action's targets, [n_actions, n_metrics]."""
        names = self.space.slots.names
        hit = np.array([[m in a.targets for m in names] for a in self.world.catalogue.actions])
        return np.asarray(hit / np.maximum(hit.sum(axis=1, keepdims=True), 1))

    def deeds_now(self, users: IntArray) -> FloatArray:
        """Behaviour of some users before every action at the end, [n_users * n_actions, n]."""
        n_actions, at = self.shape[1], self.world.as_of
        past = _history(self.world.records.events, self.domain, at)
        user, action = np.repeat(users, n_actions), np.tile(np.arange(n_actions), len(users))
        moments = past.clock(np.full(len(user), at))
        return behaviour.row_features(past, user, action, moments, _rate(self.early))


def task_of(world: Cohort) -> Task:
    """Encode a world."""
    records, as_of = world.records, world.as_of
    rows = labelled_impressions(records, world.catalogue, as_of)
    cut = choose_cut(rows, as_of, HELD_OUT_DAYS)
    assert cut is not None, "too little is known to choose settings"
    early = labelled_impressions(until(records, cut), world.catalogue, cut)
    space = fit_space(records, world.metrics, as_of)
    action_space = fit_action_space(world.catalogue)
    place = snapshot_of((as_of - rows.at) / SECONDS_PER_DAY, SNAPSHOT_DAYS)
    used = np.union1d(place, [_NOW])
    instants = as_of - SNAPSHOT_DAYS[used] * SECONDS_PER_DAY
    domains = sorted({action.domain for action in world.catalogue.actions})
    domain = np.array([domains.index(a.domain) for a in world.catalogue.actions], np.int32)
    deeds = [
        behaviour.row_features(
            (past := _history(people.events, domain, as_of)),
            mine.user.astype(np.int64),
            mine.action,
            past.clock(mine.at),
            _rate(early),
        )
        for _, people, mine in in_blocks(records, rows)
    ]
    return Task(
        world=world,
        cut=cut,
        rows=rows,
        early=early,
        is_early=rows.at <= cut,
        space=space,
        action_space=action_space,
        vectors=user_matrix(space, records, instants),
        readings=biometrics.summarise(
            records.observations, len(records.users), space.slots, instants
        ),
        instants=instants,
        snapshot=np.searchsorted(used, place),
        deeds=np.concatenate(deeds),
        described=action_space.encode(world.catalogue.actions)[:, 1:],
        domain=domain,
    )


def _history(events: object, domain: IntArray, as_of: float) -> behaviour.History:
    return behaviour.history(events, domain, int(domain.max()) + 1, as_of)  # type: ignore[arg-type]


def _rate(rows: Impressions) -> float:
    return float(rows.weight @ rows.completed + 0.5) / float(rows.weight.sum() + 1.0)


def auc_within_people(rows: Impressions, scores: FloatArray) -> float:
    """Share of pairs (completed, not completed) of one person's impressions in the right order.

    What was shown depends on no person, so that this favours nobody for copying the log.
    """
    dense = rankdata(scores, method="dense").astype(np.int64)
    rank = rankdata(rows.user.astype(np.int64) * (dense.max() + 1) + dense)
    people, first, sizes = np.unique(rows.user, return_index=True, return_counts=True)
    del people
    within = rank - np.repeat(first, sizes)
    done = rows.completed
    positives = np.add.reduceat(done.astype(np.float64), first)
    wins = np.add.reduceat(within * done, first) - positives * (positives + 1) / 2
    return float(wins.sum() / max((positives * (sizes - positives)).sum(), 1.0))


def scaled(rows: Impressions, log_odds: FloatArray) -> tuple[float, float]:
    """Slope and shift that fit log-odds to outcomes best (Platt's scaling)."""
    beta = np.array([1.0, 0.0])
    design = np.stack([log_odds, np.ones(len(log_odds))], axis=1)
    for _ in range(25):
        p = sigmoid(design @ beta)
        hessian = (design * (rows.weight * p * (1 - p))[:, None]).T @ design + 1e-6 * np.eye(2)
        step = np.linalg.solve(hessian, design.T @ (rows.weight * (rows.completed - p)))
        beta = beta + np.clip(step, -2, 2)
    return float(beta[0]), float(beta[1])


def loss(rows: Impressions, log_odds: FloatArray) -> float:
    """Weighted log loss of log-odds, in nats."""
    points = np.logaddexp(0.0, log_odds) - rows.completed * log_odds
    return float(rows.weight @ points / rows.weight.sum())


def sigmoid(x: FloatArray) -> FloatArray:
    """Log-odds as probabilities."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(x, -40, 40))))
