"""Records made ready for learning: design matrices, outcomes and how coefficients are pooled."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from recommender.dataset import FloatArray, Int32Array, IntArray, Records
from recommender.domain import SECONDS_PER_DAY, Catalogue, MetricsList
from recommender.features import behaviour
from recommender.features.actions import ActionSpace, fit_action_space
from recommender.features.space import (
    FeatureSpace,
    fit_space,
    snapshot_days,
    snapshot_of,
    user_matrix,
)
from recommender.models.feature_model import Layout, Pooled
from recommender.models.fold_in import Outcomes
from recommender.models.parameters import (
    behaviour_names,
    coefficient_names,
    domain_places,
    own_targets,
)
from recommender.models.regression import Float32Array, Rows
from recommender.models.shared_model import Shared
from recommender.outcomes import Impressions, in_blocks

_PROFILE, _OTHER_METRIC, _OWN_METRIC, _BASE = range(4)
_GROUPS = {"profile": _PROFILE, "biometrics": _OTHER_METRIC, "base": _BASE}
_LEVELS = ("action", "domain", "user")
_GUESS = np.array([0.005, 0.005, 0.005, 0.5])
"""Prior guess of each pool's variance."""

_LEAST_ROWS = 10
_NOTHING = 1e-9
_ROWS_AT_ONCE = 32_768


@dataclass(frozen=True)
class Frame:
    """Naming and scaling, taken from all data.

    Attributes
    ----------
    described
        ``z`` of each action, shape [n_actions, n_z].
    domains, domain
        Domain names, and the place of each action's.
    """

    catalogue: Catalogue
    space: FeatureSpace
    action_space: ActionSpace
    described: FloatArray
    domains: tuple[str, ...]
    domain: Int32Array


def frame_of(
    records: Records,
    catalogue: Catalogue,
    metrics: MetricsList,
    as_of: float,
    level_half_life_days: float,
) -> Frame:
    """Learn naming and scaling from records as of an instant."""
    action_space = fit_action_space(catalogue)
    domains = tuple(sorted({action.domain for action in catalogue.actions}))
    return Frame(
        catalogue,
        fit_space(records, metrics, as_of, idle_days(records, as_of), level_half_life_days),
        action_space,
        action_space.encode(catalogue.actions),
        domains,
        domain_places(domains, catalogue),
    )


def idle_days(records: Records, as_of: float) -> int:
    """Whole days between the last event and ``as_of``; 0 while events keep coming."""
    last = float(records.events.at.max(initial=-np.inf))
    return int((as_of - last) / SECONDS_PER_DAY) if np.isfinite(last) else 0


@dataclass(frozen=True)
class Prepared:
    """Rows sorted by user, with views sorted by action for the regressions.

    Attributes
    ----------
    order
        Row of each place in the order by action.
    starts
        Where each action's rows begin in that order.
    vectors, vector
        User vectors [n_vectors, n_features], and the one of each row in the order by action.
    behaviour, kept, scale
        Behaviour before each row in the order by action: the features that vary, over their scale.
    layout
        How the coefficients of the user vector are pooled.
    level
        Group of each behaviour feature: with the action, the domain or anything.
    """

    rows: Impressions
    n_users: int
    rate: float
    order: IntArray
    starts: IntArray
    vectors: Float32Array
    vector: IntArray
    behaviour: Float32Array
    kept: IntArray
    scale: FloatArray
    layout: Layout
    level: IntArray

    @property
    def nothing(self) -> FloatArray:
        """Zero for every row."""
        return np.zeros(len(self.rows))

    def features(self, offset: FloatArray, variance: FloatArray) -> Rows:
        """Regression on the user vector, given log-odds from elsewhere (in user order)."""
        none = np.zeros((len(self.rows), 0), np.float32)
        return self._rows(self.vectors, none, offset, variance)

    def deeds(self, offset: FloatArray) -> Rows:
        """Regression on behaviour, given log-odds from elsewhere (in user order)."""
        none = np.zeros((len(self.vectors), 0), np.float32)
        return self._rows(none, self.behaviour, offset, self.nothing)

    def _rows(
        self, vectors: Float32Array, extra: Float32Array, offset: FloatArray, variance: FloatArray
    ) -> Rows:
        return Rows(
            self.starts,
            self.rows.completed[self.order].astype(np.float64),
            self.rows.weight[self.order],
            self.vector,
            vectors,
            extra,
            offset[self.order],
            variance[self.order],
        )

    def by_user(self, values: FloatArray) -> FloatArray:
        """Values in the order by action, back in the order by user."""
        out = np.empty_like(values)
        out[self.order] = values
        return out

    def outcomes(self, offset: FloatArray) -> Outcomes:
        """Rows for the factors, given the log-odds the features expect (in user order)."""
        rows = self.rows
        done = rows.completed.astype(np.float64)
        return Outcomes(rows.user, rows.action, done, rows.weight, offset)

    def joined(self, features: Pooled, deeds: Shared) -> tuple[FloatArray, FloatArray]:
        """Coefficients and ``G`` of both regressions, for behaviour as it comes, unscaled."""
        first, n = features.mean.shape[1], len(behaviour_names())
        coefficients = np.zeros((len(features.mean), first + n))
        general = np.zeros((first + n, features.general.shape[1]))
        coefficients[:, :first], general[:first] = features.mean, features.general
        coefficients[:, 0] += deeds.mean[0]
        general[0, 0] += deeds.mean[0]
        coefficients[:, first + self.kept] = deeds.mean[1:] / self.scale
        general[first + self.kept, 0] = deeds.mean[1:] / self.scale
        return coefficients, general


def prepare(frame: Frame, records: Records, rows: Impressions, as_of: float) -> Prepared:
    """Make rows ready; each sees readings and behaviour as they stood before it."""
    order = np.argsort(rows.action, kind="stable")
    counts = np.bincount(rows.action, minlength=len(frame.catalogue))
    rate = float(rows.weight @ rows.completed + 0.5) / float(rows.weight.sum() + 1.0)
    vectors, vector = _vectors(frame, records, rows, as_of)
    deeds = _deeds(frame, records, rows, as_of, rate)
    scale, varies = _spread_of(deeds)
    kept = np.flatnonzero(varies >= _LEAST_ROWS)
    names = behaviour_names()
    return Prepared(
        rows=rows,
        n_users=len(records.users),
        rate=rate,
        order=order,
        starts=np.concatenate([[0], np.cumsum(counts)]),
        vectors=vectors,
        vector=vector[order],
        behaviour=_scaled(deeds, kept, scale, order),
        kept=kept,
        scale=scale[kept],
        layout=_layout(frame, coefficient_names(frame.space)[: 1 + len(frame.space.keep)]),
        level=np.array([_LEVELS.index(names[place].split(":")[1]) for place in kept], np.int64),
    )


def feature_rows(
    frame: Frame,
    records: Records,
    rows: Impressions,
    as_of: float,
    expected: FloatArray,
    n_described: int,
) -> tuple[Rows, Layout]:
    """Regression of rows on the user vector alone, beside what is expected of each action.

    Parameters
    ----------
    expected
        Log-odds of each action from elsewhere.
    n_described
        How many columns of the actions' descriptions coefficients are pooled by.
    """
    order = np.argsort(rows.action, kind="stable")
    counts = np.bincount(rows.action, minlength=len(frame.catalogue))
    vectors, vector = _vectors(frame, records, rows, as_of)
    layout = _layout(frame, coefficient_names(frame.space)[: 1 + len(frame.space.keep)])
    return Rows(
        np.concatenate([[0], np.cumsum(counts)]),
        rows.completed[order].astype(np.float64),
        rows.weight[order],
        vector[order],
        vectors,
        np.zeros((len(rows), 0), np.float32),
        expected[rows.action[order]],
        np.zeros(len(rows)),
    ), replace(layout, described=layout.described[:, :n_described])


def _vectors(
    frame: Frame, records: Records, rows: Impressions, as_of: float
) -> tuple[Float32Array, IntArray]:
    snapshots = snapshot_days(idle_days(records, as_of))
    place = snapshot_of((as_of - rows.at) / SECONDS_PER_DAY, snapshots)
    used = np.bincount(place, minlength=len(snapshots)) > 0
    instants = as_of - snapshots[used] * SECONDS_PER_DAY
    vectors = user_matrix(frame.space, records, instants, np.float32)
    taken = (np.cumsum(used) - 1)[place]
    n_instants, n_users, n_features = vectors.shape
    # No -1: with neither profiles nor readings there are no features to tell it from.
    table = vectors.reshape(n_instants * n_users, n_features).astype(np.float32, copy=False)
    return table, taken * n_users + rows.user


def _deeds(
    frame: Frame, records: Records, rows: Impressions, as_of: float, rate: float
) -> Float32Array:
    out = np.empty((len(rows), len(behaviour_names())), np.float32)
    for places, people, mine in in_blocks(records, rows):
        past = behaviour.history(people.events, frame.domain, len(frame.domains) + 1, as_of)
        out[places] = behaviour.row_features(
            past, mine.user.astype(np.int64), mine.action, past.clock(mine.at), rate
        )
    return out


def _spread_of(deeds: Float32Array) -> tuple[FloatArray, IntArray]:
    """Root mean square of each column, and in how many rows it is not 0."""
    squares, varies = np.zeros(deeds.shape[1]), np.zeros(deeds.shape[1], np.int64)
    for part in _stretches(len(deeds)):
        squares += (deeds[part].astype(np.float64) ** 2).sum(axis=0)
        varies += (np.abs(deeds[part]) > _NOTHING).sum(axis=0)
    return np.sqrt(squares / len(deeds)) if len(deeds) else np.ones(deeds.shape[1]), varies


def _scaled(
    deeds: Float32Array, kept: IntArray, scale: FloatArray, order: IntArray
) -> Float32Array:
    out = np.empty((len(order), len(kept)), np.float32)
    for part in _stretches(len(order)):
        out[part] = deeds[order[part]][:, kept] / scale[kept]
    return out


def _stretches(n: int) -> list[slice]:
    # Copies with twice the precision would outweigh everything else.
    return [slice(start, start + _ROWS_AT_ONCE) for start in range(0, n, _ROWS_AT_ONCE)]


def _layout(frame: Frame, names: tuple[str, ...]) -> Layout:
    family = np.array(
        [next(g for stem, g in _GROUPS.items() if name.startswith(stem)) for name in names]
    )
    own = own_targets(names, frame.catalogue)
    kinds, kind = np.unique([name.rpartition(":")[2] for name in names], return_inverse=True)
    return Layout(
        frame.described,
        np.where(own, len(names) + kind, np.arange(len(names))),
        np.concatenate([family, np.full(len(kinds), _OWN_METRIC)]),
        family,
        own,
        _GUESS,
    )
