"""LightFM (lightfm-next) with features of users and actions.

A row's user is "this person as of this snapshot": the person's own embedding plus those of the
profile and the readings as they stood then. So it learns, like the engine, from what was known
at the impression. Epochs are chosen within each fit on the held-out days.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from recommender.dataset import FloatArray, IntArray
from recommender.outcomes import Impressions
from tests.benchmarks.peer_task import Task, auc_within_people, loss, scaled
from tests.benchmarks.peers import Peer, Setting

_LOSSES = ("logistic", "warp")
_BINS = 5
_STEP = 2
_PATIENCE = 2
MOST_EPOCHS = 60


def user_features(task: Task, known: FloatArray, binned: bool) -> sp.csr_matrix:
    """Features of everyone at every snapshot, [n_snapshots * n_users, n_columns].

    Either one-hots (profile, and readings in bins with one for missing), or the engine's own
    standardised vectors. Only people with rows have an embedding of their own.
    """
    n_snapshots, n_users, _ = task.vectors.shape
    own = sp.vstack([sp.diags_array(known.astype(np.float64))] * n_snapshots)
    if not binned:
        table = task.vectors.reshape(n_snapshots * n_users, -1)
        return sp.hstack([own, sp.csr_matrix(table), np.ones((len(table), 1))], format="csr")
    level, *rest = np.moveaxis(task.readings, 2, 0)
    plain = np.concatenate([task.numbers, level], axis=2)
    moved = np.concatenate(rest, axis=2)
    flags = task.flags.reshape(n_snapshots * n_users, -1)
    parts = [own, sp.csr_matrix(flags), *_binned(plain, _BINS), *_binned(moved, 3)]
    return sp.hstack([*parts, np.ones((len(flags), 1))], format="csr")


def _binned(columns: FloatArray, bins: int) -> list[sp.csr_matrix]:
    """One-hots of each column's quantile bins; missing is a bin of its own."""
    flat = columns.reshape(-1, columns.shape[-1])
    out = []
    for column in flat.T:
        some = column[~np.isnan(column)]
        varied = some[np.abs(some) > 1e-9]
        if not len(varied):
            continue
        edges = np.unique(np.quantile(varied, np.arange(1, bins) / bins))
        place = np.where(np.isnan(column), len(edges) + 1, np.searchsorted(edges, column))
        ones = np.ones(len(place))
        out.append(sp.csr_matrix((ones, (np.arange(len(place)), place)), (len(place), bins + 1)))
    return out


def item_features(task: Task, known: FloatArray) -> sp.csr_matrix:
    """An embedding for each action with rows, and for what the catalogue says of all."""
    plain = task.described.copy()
    named = np.array(["=" in name for name in task.action_space.names], bool)
    raw = plain * task.action_space.scale + task.action_space.centre
    plain[:, named] = np.round(raw[:, named], 9)
    own = sp.diags_array(known.astype(np.float64))
    return sp.hstack([own, sp.csr_matrix(plain), np.ones((len(plain), 1))], format="csr")


@dataclass(frozen=True)
class Embedded:
    """Embeddings of people at snapshots and of actions, with biases in the last two columns."""

    task: Task
    users: FloatArray
    actions: FloatArray

    def of(self, row: IntArray, action: IntArray) -> FloatArray:
        return np.einsum("ij,ij->i", self.users[row], self.actions[action])

    def held_out(self) -> FloatArray:
        later = ~self.task.is_early
        return self.of(places(self.task)[later], self.task.rows.action[later])

    def everyone(self) -> FloatArray:
        return np.asarray(self.users[: self.task.shape[0]] @ self.actions.T)


def places(task: Task) -> IntArray:
    """Row of ``user_features`` that each of the task's rows sees."""
    return task.snapshot * task.shape[0] + task.rows.user


class LightFM:
    """Fits and remembers how many epochs were best for a setting."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._epochs: dict[tuple[tuple[str, float], ...], int] = {}

    def __call__(self, task: Task, rows: Impressions, setting: Setting) -> Embedded:
        """Fit on the first rows (early, epochs chosen) or on all (epochs as chosen)."""
        key = tuple(sorted(setting.items()))
        fitting = _Fitting(self._kind, task, rows, setting)
        if rows is task.rows:
            return fitting.after(self._epochs[key])
        model, self._epochs[key] = fitting.best()
        return model


class _Fitting:
    def __init__(self, kind: str, task: Task, rows: Impressions, setting: Setting) -> None:
        from lightfm import LightFM as Model

        self._kind, self._task = kind, task
        self._model = Model(
            no_components=int(setting["rank"]),
            loss=kind,
            learning_rate=setting["rate"],
            user_alpha=setting["alpha"],
            item_alpha=setting["alpha"],
            random_state=0,
        )
        n_users, n_actions = task.shape
        shown = np.bincount(rows.user, minlength=n_users) > 0
        offered = np.bincount(rows.action, minlength=n_actions) > 0
        self._users = user_features(task, shown, setting["binned"] > 0)
        self._items = item_features(task, offered)
        chosen = rows.completed if kind == "warp" else np.ones(len(rows), bool)
        place = places(task) if rows is task.rows else places(task)[task.is_early]
        where = (place[chosen], rows.action[chosen])
        size = (self._users.shape[0], n_actions)
        sign = np.where(rows.completed, 1.0, -1.0)[chosen].astype(np.float32)
        self._rows = sp.coo_matrix((sign, where), size)
        self._weight = sp.coo_matrix((rows.weight[chosen].astype(np.float32), where), size)

    def after(self, epochs: int) -> Embedded:
        """Train that many epochs more."""
        self._model.fit_partial(
            self._rows,
            user_features=self._users.astype(np.float32),
            item_features=self._items.astype(np.float32),
            sample_weight=self._weight,
            epochs=epochs,
            num_threads=1,
        )
        user_bias, users = self._model.get_user_representations(self._users)
        item_bias, items = self._model.get_item_representations(self._items)
        return Embedded(
            self._task,
            np.column_stack([users, user_bias, np.ones(len(users))]),
            np.column_stack([items, np.ones(len(items)), item_bias]),
        )

    def best(self) -> tuple[Embedded, int]:
        """Train until the held-out days get no better; the best model and its epochs."""
        found: list[tuple[float, int, Embedded]] = []
        for done in range(_STEP, MOST_EPOCHS + 1, _STEP):
            model = self.after(_STEP)
            found.append((self._cost(model), done, model))
            lowest = min(range(len(found)), key=lambda i: found[i][0])
            if len(found) - 1 - lowest >= _PATIENCE:
                break
        _, epochs, model = min(found, key=lambda one: one[0])
        return model, epochs

    def _cost(self, model: Embedded) -> float:
        scores = model.held_out()
        if self._kind == "warp":
            return 1.0 - auc_within_people(self._task.later, scores)
        slope, shift = scaled(self._task.later, scores)
        return loss(self._task.later, slope * scores + shift)


_LADDERS = {
    "alpha": (0.0, 1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3),
    "rank": (4.0, 8.0, 16.0, 32.0),
    "rate": (0.005, 0.01, 0.02, 0.05, 0.1),
    "binned": (0.0, 1.0),
}
_STARTS = ({"rank": 16.0, "rate": 0.02, "alpha": 1e-4, "binned": 0.0},)


def logistic() -> Peer:
    """LightFM on every impression as done or not."""
    return Peer("LightFM, logistic", LightFM("logistic"), _LADDERS, _STARTS, True)


def warp() -> Peer:
    """LightFM on completions against sampled actions."""
    return Peer("LightFM, WARP", LightFM("warp"), _LADDERS, _STARTS)
