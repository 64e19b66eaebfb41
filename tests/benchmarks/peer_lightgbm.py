"""LightGBM on all that is known of person, action and their past, plus a factor score.

Popularity and factor scores are out of fold: pairs of person and action fall into folds, and a
pair is described by what was learned without its fold, while learning and when asked alike.
Rounds are chosen within each fit on the held-out days.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from recommender.dataset import AnyIntArray, FloatArray, IntArray
from recommender.models.popularity import log_odds_of
from recommender.outcomes import Impressions
from tests.benchmarks.peer_task import Task
from tests.benchmarks.peers import Peer, Setting, factor_scores

FOLDS = 5
MOST_ROUNDS = 1000
_PATIENCE = 30
_AT_ONCE = 400
_FACTORS = (
    {"rank": 8.0, "alpha": 10.0, "ridge": 30.0, "refused": 0.0},
    {"rank": 8.0, "alpha": 30.0, "ridge": 30.0, "refused": 0.3},
)
"""The two out-of-fold scores of ``implicit``: of completions, and of refusals as well; settings
as searched for iALS itself on the tuning seeds."""


@dataclass(frozen=True)
class Encoded:
    """What is learned from labels, out of fold; each of shape [n_users, n_actions, ...]."""

    task: Task
    learned: FloatArray

    @classmethod
    def of(cls, task: Task, rows: Impressions) -> Encoded:
        """Learn without each fold in turn."""
        out = np.empty((*task.shape, 2 + len(_FACTORS)), np.float32)
        users, actions = np.arange(task.shape[0])[:, None], np.arange(task.shape[1])
        everywhere = fold_of(users, actions)
        for fold in range(FOLDS):
            others = rows.select(fold_of(rows.user, rows.action) != fold)
            mine = everywhere == fold
            popular = log_odds_of(others, task.shape[1])
            shown = np.log1p(np.bincount(others.action, minlength=task.shape[1]))
            layers = [np.broadcast_to(v, task.shape) for v in (popular, shown)]
            layers += [factor_scores(task, others, setting) for setting in _FACTORS]
            for place, layer in enumerate(layers):
                out[:, :, place][mine] = layer[mine]
        return cls(task, out)

    def table(
        self, snapshot: IntArray, user: AnyIntArray, action: AnyIntArray, deeds: FloatArray
    ) -> FloatArray:
        """Columns of rows: the action's place first, then numbers; NaN where unknown."""
        task = self.task
        readings = task.readings[snapshot, user]
        aims = task.aims[action]
        aimed = np.einsum("nm,nsm->ns", aims, np.nan_to_num(readings))
        z = np.einsum("nm,nm->n", aims, self._levels[snapshot, user])
        parts = (
            action[:, None],
            task.vectors[snapshot, user],
            task.numbers[snapshot, user],
            readings.reshape(len(user), -1),
            task.described[action],
            aimed[:, 1:],
            z[:, None],
            (aims > 0).any(axis=1)[:, None],
            deeds,
            self.learned[user, action],
        )
        return np.concatenate([part.astype(np.float32) for part in parts], axis=1)

    @property
    def _levels(self) -> FloatArray:
        names = self.task.space.names
        place = [names.index(f"biometrics:{m}:level") for m in self.task.space.slots.names]
        return self.task.vectors[:, :, place]

    def rows(self) -> FloatArray:
        """Table of every row of the task."""
        task = self.task
        return self.table(task.snapshot, task.rows.user, task.rows.action, task.deeds)

    def now(self) -> Iterator[FloatArray]:
        """Tables of everyone and every action at the end, some people at a time."""
        n_users, n_actions = self.task.shape
        for start in range(0, n_users, _AT_ONCE):
            people = np.arange(start, min(start + _AT_ONCE, n_users))
            user, action = np.repeat(people, n_actions), np.tile(np.arange(n_actions), len(people))
            deeds = self.task.deeds_now(people)
            yield self.table(np.zeros(len(user), np.int64), user, action, deeds)


def fold_of(user: AnyIntArray, action: AnyIntArray) -> IntArray:
    """Fold of each pair: fixed, and as good as random."""
    mixed = (user.astype(np.int64) * 2_654_435_761 + action * 40_503 + 12_345) % 1_000_003
    return np.asarray(mixed * 7919 % 10_007 % FOLDS)


@dataclass(frozen=True)
class Boosted:
    """A trained booster."""

    encoded: Encoded
    booster: Any
    later: FloatArray

    def held_out(self) -> FloatArray:
        return np.asarray(self.booster.predict(self.later, raw_score=True, num_threads=1))

    def everyone(self) -> FloatArray:
        parts = [
            self.booster.predict(table, raw_score=True, num_threads=1)
            for table in self.encoded.now()
        ]
        return np.concatenate(parts).reshape(self.encoded.task.shape)


class LightGBM:
    """Fits; keeps the encoded rows between trials and how many rounds were best."""

    def __init__(self) -> None:
        self._rounds: dict[tuple[tuple[str, float], ...], int] = {}
        self._kept: dict[tuple[int, int], tuple[Encoded, Any, Any, FloatArray]] = {}

    def __call__(self, task: Task, rows: Impressions, setting: Setting) -> Boosted:
        import lightgbm as lgb

        key = tuple(sorted(setting.items()))
        encoded, train, check, later = self._data(task, rows)
        parameters = _parameters(setting)
        if rows is task.rows:
            rounds = round(1.1 * self._rounds[key])
            return Boosted(encoded, lgb.train(parameters, train, rounds), later)
        stop = lgb.early_stopping(_PATIENCE, verbose=False)
        booster = lgb.train(parameters, train, MOST_ROUNDS, [check], callbacks=[stop])
        self._rounds[key] = booster.best_iteration
        return Boosted(encoded, booster, later)

    def prepare(self, task: Task) -> None:
        """Encode the early rows."""
        self._data(task, task.early)

    def _data(self, task: Task, rows: Impressions) -> tuple[Encoded, Any, Any, FloatArray]:
        import lightgbm as lgb

        key = (id(task), len(rows))
        if key not in self._kept:
            encoded = Encoded.of(task, rows)
            table = encoded.rows()
            mine = slice(None) if rows is task.rows else task.is_early
            fixed = {"max_bin": 63, "feature_pre_filter": False, "verbosity": -1, "num_threads": 1}
            train = lgb.Dataset(
                table[mine], rows.completed, weight=rows.weight, params=fixed,
                categorical_feature=[0], free_raw_data=False,
            )  # fmt: skip
            later = table[~task.is_early]
            check = train.create_valid(later, task.later.completed, weight=task.later.weight)
            check.construct()  # and with it the other
            self._kept = {key: (encoded, train, check, later)}
        return self._kept[key]


def _parameters(setting: Setting) -> dict[str, Any]:
    return {
        "objective": "binary",
        "num_leaves": int(setting["leaves"]),
        "learning_rate": setting["rate"],
        "min_data_in_leaf": int(setting["least"]),
        "feature_fraction": setting["columns"],
        "lambda_l2": setting["ridge"],
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "max_bin": 63,
        "feature_pre_filter": False,
        "num_threads": 1,
        "verbosity": -1,
        "seed": 0,
        "deterministic": True,
        "force_col_wise": True,
    }


_LADDERS = {
    "columns": (0.1, 0.2, 0.4, 0.8),
    "leaves": (4.0, 7.0, 15.0, 31.0, 63.0),
    "ridge": (0.0, 1.0, 10.0, 100.0),
    "least": (20.0, 100.0, 300.0, 1000.0),
    "rate": (0.03, 0.06, 0.1, 0.2),
}
_STARTS = ({"leaves": 15.0, "rate": 0.06, "least": 100.0, "columns": 0.4, "ridge": 10.0},)


def boosting() -> Peer:
    """LightGBM on impressions."""
    model = LightGBM()
    name = "LightGBM, features + factor score"
    return Peer(name, model, _LADDERS, _STARTS, True, model.prepare)
