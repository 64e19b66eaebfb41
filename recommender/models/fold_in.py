"""A person's factors, worked out from that person's own record whenever they are needed.

Given the actions' factors, the factors of one user have a Gaussian posterior in closed form
(see ``regression`` on the bound). Nothing about any user is stored: the nightly scores and a
live answer run these lines on the same record and get the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from recommender.compiled import compiled, dot
from recommender.dataset import AnyIntArray, BoolArray, FloatArray, IntArray

ITERATIONS = 3
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
    _fold_in(
        np.asarray(rows.user, np.int64),
        np.asarray(rows.action, np.int64),
        rows.weight * (rows.completed - 0.5),
        rows.weight,
        rows.offset,
        np.ascontiguousarray(factors.mean, np.float64),
        np.ascontiguousarray(factors.second, np.float64),
        factors.precision,
        (out.mean, out.covariance, out.pull),
    )
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


@compiled
def _fold_in(
    user: IntArray,
    action: IntArray,
    kappa: FloatArray,
    weight: FloatArray,
    offset: FloatArray,
    v: FloatArray,
    second: FloatArray,
    precision: FloatArray,
    out: tuple[FloatArray, FloatArray, FloatArray],
) -> None:
    """Fill in mean, covariance and pull of the users who have rows; see ``fold_in``.

    ``v`` is [n_actions, n], ``second`` [n_actions, n_packed]; rows are sorted by user.
    """
    mean, covariance, pull = out
    n = len(precision)
    moment, packed, hessian = np.empty(second.shape[1]), np.empty(second.shape[1]), np.empty((n, n))
    begin = 0
    while begin < len(user):
        end = begin
        while end < len(user) and user[end] == user[begin]:
            if action[end] < 0 or action[end] >= len(v) or user[end] < 0 or user[end] >= len(mean):
                raise IndexError("a row of nobody, or of no action")
            end += 1
        # before the first step everybody's factors are the prior's
        m, s = mean[user[begin]], covariance[user[begin]]
        for _ in range(ITERATIONS):
            _pack(m, s, moment)
            packed[:] = 0.0
            for row in range(begin, end):
                of = second[action[row]]
                taste = dot(m, v[action[row]])
                c2 = offset[row] * (offset[row] + 2 * taste) + dot(moment, of)
                c = max(np.sqrt(max(c2, 0.0)), 1e-6)
                omega = weight[row] * np.tanh(c / 2) / (2 * c)  # as regression.curvature
                pull[row] = kappa[row] - omega * offset[row]
                for place in range(len(packed)):
                    packed[place] += omega * of[place]
            _unpack(packed, precision, hessian)
            _invert(hessian, s)
            for i in range(n):
                m[i] = 0.0
            for row in range(begin, end):
                for i in range(n):
                    m[i] += pull[row] * v[action[row], i]
            m[:] = _times(s, m)
        begin = end


@compiled
def _pack(m: FloatArray, s: FloatArray, moment: FloatArray) -> None:
    """Second moment ``m m' + s`` as an upper triangle, what stands twice counted twice."""
    place = 0
    for i in range(len(m)):
        for j in range(i, len(m)):
            moment[place] = (m[i] * m[j] + s[i, j]) * (1.0 if i == j else 2.0)
            place += 1


@compiled
def _unpack(packed: FloatArray, precision: FloatArray, upper: FloatArray) -> None:
    """Fill in an upper triangle, the prior's precision added."""
    place = 0
    for i in range(len(upper)):
        for j in range(i, len(upper)):
            upper[i, j] = packed[place]
            place += 1
        upper[i, i] += precision[i]


@compiled
def _invert(upper: FloatArray, out: FloatArray) -> None:
    """Invert a positive definite matrix given by its upper triangle, which is written over."""
    n = len(upper)
    for i in range(n):  # Cholesky: upper' upper
        for j in range(i, n):
            total = upper[i, j]
            for k in range(i):
                total -= upper[k, i] * upper[k, j]
            upper[i, j] = np.sqrt(total) if i == j else total / upper[i, i]
    for i in range(n):  # the inverse of the factor, in its place
        upper[i, i] = 1.0 / upper[i, i]
        for j in range(i):
            total = 0.0
            for k in range(j, i):
                total -= upper[j, k] * upper[k, i]
            upper[j, i] = total * upper[i, i]
    for i in range(n):
        for j in range(i, n):
            total = 0.0
            for k in range(j, n):
                total += upper[i, k] * upper[j, k]
            out[i, j] = out[j, i] = total


@compiled
def _times(s: FloatArray, m: FloatArray) -> FloatArray:
    """Product of a matrix and a vector."""
    out = np.empty(len(m))
    for i in range(len(m)):
        out[i] = dot(s[i], m)
    return out
