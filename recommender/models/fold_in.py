"""A person's factors, worked out from that person's own record whenever they are needed.

Given the actions' factors, the factors of one user have a Gaussian posterior in closed form
(see ``regression`` on the bound). Nothing about any user is stored: the nightly scores and a
live answer run these lines on the same record and get the same numbers.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from recommender.dataset import AnyIntArray, BoolArray, FloatArray, IntArray
from recommender.models.regression import curvature

ITERATIONS = 3
_MOST_ROWS = 4_096
"""Rows at once; with more of them the processor waits for memory."""
_BLOCKS_OF_TIME = 5
"""Equally full; few enough to be cheap."""


@dataclass(frozen=True)
class Packing:
    """Symmetric matrices as their upper triangles, row by row.

    Attributes
    ----------
    row, column, entry
        Of each packed entry: its row, its column, and its place in the full matrix, row by row.
    place
        Packed place of each entry of the full matrix, row by row.
    times
        How often each packed entry stands in the full matrix: 1 or 2.
    """

    row: IntArray
    column: IntArray
    entry: IntArray
    place: IntArray
    times: FloatArray

    @classmethod
    @cache
    def of(cls, n: int) -> Packing:
        """For matrices of n rows."""
        row, column = np.triu_indices(n)
        place = np.zeros((n, n), np.int64)
        place[row, column] = place[column, row] = np.arange(len(row))
        times = np.where(row == column, 1.0, 2.0)
        return cls(row, column, row * n + column, place.ravel(), times)

    def moments(self, mean: FloatArray, covariance: FloatArray) -> FloatArray:
        """Packed second moments, shape [n_matrices, n_packed]."""
        # as [], but quicker
        moment = mean.take(self.row, axis=1) * mean.take(self.column, axis=1)
        moment += covariance.reshape(len(mean), -1).take(self.entry, axis=1)
        return moment

    def full(self, packed: FloatArray) -> FloatArray:
        """Full matrices, shape [n_matrices, n, n]."""
        n = round(len(self.place) ** 0.5)
        return packed.take(self.place, axis=1).reshape(-1, n, n)


@dataclass(frozen=True)
class ActionFactors:
    """Factors of all actions.

    Attributes
    ----------
    mean
        Shape [n_actions, n_factors]; the last factor is 1 throughout, the user's own level.
    second
        ``E[v v']``, packed (see ``Packing``), shape [n_actions, n_packed].
    precision
        Prior precision of a user's factors, shape [n_factors].
    """

    mean: FloatArray
    second: FloatArray
    precision: FloatArray

    @cached_property
    def prior(self) -> FloatArray:
        """Prior precision of a user's factors as a matrix."""
        return np.diag(self.precision)

    @cached_property
    def at_first(self) -> FloatArray:
        """Second moment of a user's factors before any row, packed."""
        packing = Packing.of(len(self.precision))
        return np.where(packing.row == packing.column, 1.0 / self.precision[packing.row], 0.0)

    @classmethod
    def of(cls, mean: FloatArray, covariance: FloatArray, precision: FloatArray) -> ActionFactors:
        """From means [n_actions, n] and covariances [n_actions, n, n]."""
        return cls(mean, Packing.of(mean.shape[1]).moments(mean, covariance), precision)


@dataclass(frozen=True)
class Outcomes:
    """Rows to learn from, sorted by user; one entry a row.

    ``completed`` is 0 or 1, ``offset`` the log-odds that the features gave the row.
    """

    user: AnyIntArray
    action: AnyIntArray
    completed: FloatArray
    weight: FloatArray
    offset: FloatArray

    def select(self, chosen: BoolArray | slice) -> Outcomes:
        """Return the chosen rows."""
        return Outcomes(
            self.user[chosen],
            self.action[chosen],
            self.completed[chosen],
            self.weight[chosen],
            self.offset[chosen],
        )


@dataclass(frozen=True)
class UserFactors:
    """Posterior of users' factors.

    Attributes
    ----------
    mean
        Shape [n_users, n_factors].
    covariance
        Shape [n_users, n_factors, n_factors].
    pull
        What each row says, ``kappa - omega * offset``: a user's mean is
        ``covariance @ sum(pull * v)``, which makes each row's share in a score exact.
    """

    mean: FloatArray
    covariance: FloatArray
    pull: FloatArray


def fold_in(rows: Outcomes, n_users: int, factors: ActionFactors) -> UserFactors:
    """Work out the factors of users from their rows; users without rows get the prior."""
    n = len(factors.precision)
    covariance = np.zeros((n_users, n, n))
    covariance[:] = np.diag(1.0 / factors.precision)
    out = UserFactors(np.zeros((n_users, n)), covariance, np.zeros(len(rows.user)))
    for block in _blocks(rows.user):
        people, mean, covariance, pull = _fold_in(rows.select(block), factors)
        out.mean[people], out.covariance[people], out.pull[block] = mean, covariance, pull
    return out


def past_part(rows: Outcomes, at: FloatArray, n_users: int, factors: ActionFactors) -> FloatArray:
    """Factor part of each row from the user's rows of earlier blocks of time, shape [n_rows].

    Parameters
    ----------
    at
        Instant of each row, seconds since 1970.
    """
    out = np.zeros(len(rows.user))
    edges = np.quantile(at, np.arange(1, _BLOCKS_OF_TIME) / _BLOCKS_OF_TIME)
    block = np.searchsorted(edges, at, side="left")
    for now in range(1, _BLOCKS_OF_TIME):
        mine = block == now
        users = fold_in(rows.select(block < now), n_users, factors)
        user, action = rows.user[mine], rows.action[mine]
        out[mine] = np.einsum("ij,ij->i", users.mean[user], factors.mean[action])
    return out


def _blocks(user: AnyIntArray) -> list[slice]:
    """Blocks of rows that bound memory and never part the rows of a user."""
    if len(user) <= _MOST_ROWS:
        return [slice(0, len(user))] if len(user) else []
    edges = np.searchsorted(user, user[::_MOST_ROWS]).tolist()
    edges = sorted({*edges, len(user)})
    return [slice(a, b) for a, b in itertools.pairwise(edges)]


def _fold_in(
    rows: Outcomes, factors: ActionFactors
) -> tuple[AnyIntArray, FloatArray, FloatArray, FloatArray]:
    """Users who have rows, their means and covariances, and the rows' pulls."""
    starts = np.flatnonzero(np.concatenate([[True], rows.user[1:] != rows.user[:-1]]))
    people = rows.user[starts]
    sizes = np.concatenate([starts[1:], [len(rows.user)]]) - starts
    person = np.arange(len(starts)).repeat(sizes)
    v, second = (of.take(rows.action, axis=0) for of in (factors.mean, factors.second))
    kappa = rows.weight * (rows.completed - 0.5)
    packing = Packing.of(len(factors.precision))

    def step(c2: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        omega = rows.weight * curvature(np.sqrt(np.maximum(c2, 0.0)))
        pull = kappa - omega * rows.offset
        hessian = packing.full(np.add.reduceat(omega[:, None] * second, starts)) + factors.prior
        s = np.linalg.inv(hessian).astype(np.float64, copy=False)
        return (s @ np.add.reduceat(pull[:, None] * v, starts)[:, :, None])[:, :, 0], s, pull

    # before the first step everybody's factors are the prior's
    m, s, pull = step(rows.offset**2 + second @ factors.at_first)
    for _ in range(ITERATIONS - 1):
        moment = packing.moments(m, s) * packing.times
        taste = np.einsum("ij,ij->i", m.take(person, axis=0), v)
        square = np.einsum("ij,ij->i", moment.take(person, axis=0), second)
        m, s, pull = step(rows.offset * (rows.offset + 2 * taste) + square)
    return people, m, s, pull
