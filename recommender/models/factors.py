"""Matrix factorisation of the surprise: what people do beyond what the features expect.

``implicit`` finds the tastes in the signed surprise of each user and action: positive where more
was completed than expected, negative where less, absent where as expected. A few sweeps of
logistic factorisation with posterior variances then put them on the scale of log-odds. The last
factor is a constant 1: how much a person does of anything.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from recommender.dataset import AnyIntArray, FloatArray, IntArray
from recommender.models.fold_in import Outcomes, Packing
from recommender.models.regression import curvature

_LEAST_VARIANCE = 1e-4
_FIRST_LEVEL_PRECISION = 4.0
_WORTH_THREADS = 3_000_000  # entries times factors: below, threads mostly wait for each other


@dataclass(frozen=True)
class Taste:
    """Learned factors; the constant one is included, last.

    Attributes
    ----------
    mean, covariance
        Of the actions' factors, shapes [n_actions, n] and [n_actions, n, n].
    general
        ``G``, shape [n - 1, n_z]: what an action's description says of its factors.
    precision
        Prior precision of users' factors, shape [n].
    users, users_covariance
        Of users' factors, shapes [n_users, n] and [n_users, n, n]; for training, never kept.
    """

    mean: FloatArray
    covariance: FloatArray
    general: FloatArray
    precision: FloatArray
    users: FloatArray
    users_covariance: FloatArray


@dataclass(frozen=True)
class FactorSettings:
    """How to factorise; meanings as in ``implicit`` where it has the same name."""

    rank: int
    alpha: float
    regularization: float
    iterations: int
    variance: float


def factorise(
    rows: Outcomes, n_users: int, described: FloatArray, settings: FactorSettings, seed: int
) -> Taste:
    """Find first tastes in rows whose offsets are what the features expect; to be refined.

    Parameters
    ----------
    described
        ``z`` of each action, shape [n_actions, n_z].
    """
    first = _surprise_factors(rows, (n_users, len(described)), settings, seed)
    n_actions, n = len(first), first.shape[1] + 1
    return Taste(
        mean=np.concatenate([first, np.ones((n_actions, 1))], axis=1),
        covariance=np.zeros((n_actions, n, n)),
        general=np.zeros((n - 1, described.shape[1])),
        precision=np.append(np.ones(n - 1), _FIRST_LEVEL_PRECISION),
        users=np.zeros((n_users, n)),
        users_covariance=np.zeros((n_users, n, n)) + np.eye(n),
    )


def refine(
    rows: Outcomes, taste: Taste, described: FloatArray, sweeps: int, variance: float
) -> Taste:
    """Improve tastes by sweeps of logistic factorisation, users' side first.

    Parameters
    ----------
    variance
        Prior variance of an action's factors around what its description says.
    """
    state = _State(
        taste.mean.copy(), taste.covariance.copy(), taste.users, taste.users_covariance,
        taste.precision.copy(), taste.general,
    )  # fmt: skip
    frame = _Frame.of(rows, (len(taste.users), len(taste.mean)))
    for _ in range(sweeps):
        _update_users(rows, frame, _omega(rows, state), state)
        _update_actions(rows, frame, _omega(rows, state), state, described, variance)
    return Taste(state.v, state.v_cov, state.general, state.precision, state.m, state.m_cov)


def taste_of(rows: Outcomes, taste: Taste) -> tuple[FloatArray, FloatArray]:
    """Mean and variance of each row's factor part, in the rows' order."""
    packing = Packing.of(taste.mean.shape[1])
    users = packing.moments(taste.users, taste.users_covariance) * packing.times
    actions = packing.moments(taste.mean, taste.covariance)
    mean, square = np.empty(len(rows.user)), np.empty(len(rows.user))
    for part in _blocks(len(rows.user)):
        user, action = rows.user[part], rows.action[part]
        mean[part] = np.einsum("ij,ij->i", taste.users[user], taste.mean[action])
        square[part] = np.einsum("ij,ij->i", users[user], actions[action])
    return mean, np.maximum(square - mean**2, 0.0)


def _surprise_factors(
    rows: Outcomes, shape: tuple[int, int], settings: FactorSettings, seed: int
) -> FloatArray:
    expected = rows.weight / (1.0 + np.exp(-rows.offset))
    surprise = sp.csr_matrix(
        ((rows.completed * rows.weight - expected).astype(np.float32), (rows.user, rows.action)),
        shape=shape,
    )
    users, actions = confidence_factors(
        settings.alpha * surprise, settings.rank, settings.regularization, settings.iterations, seed
    )
    return _on_unit_users(users, actions, settings.variance)


def _on_unit_users(users: FloatArray, actions: FloatArray, variance: float) -> FloatArray:
    """Turn the factors so that users' are uncorrelated with variance 1; actions' fit the prior."""
    spread = users.T @ users / max(len(users), 1)
    values, vectors = np.linalg.eigh(spread)
    turned = actions @ (vectors * np.sqrt(np.maximum(values, 1e-12)))
    size = np.sqrt((turned**2).mean())
    return np.asarray(turned * (np.sqrt(variance) / size if size > 1e-9 else 0.0))


@dataclass
class _State:
    """Working state of the polish: means and second moments of both sides."""

    v: FloatArray
    v_cov: FloatArray
    m: FloatArray
    m_cov: FloatArray
    precision: FloatArray
    general: FloatArray


@dataclass(frozen=True)
class _Frame:
    """Where each row stands in the user-by-action matrix; rows of a pair add up."""

    indptr: IntArray
    indices: AnyIntArray
    shape: tuple[int, int]

    @classmethod
    def of(cls, rows: Outcomes, shape: tuple[int, int]) -> _Frame:
        counts = np.bincount(rows.user, minlength=shape[0])
        return cls(np.concatenate([[0], np.cumsum(counts)]), rows.action, shape)

    def matrix(self, data: FloatArray) -> sp.csr_matrix:
        return sp.csr_matrix((data, self.indices, self.indptr), shape=self.shape)


def _omega(rows: Outcomes, state: _State) -> FloatArray:
    """Precision of every row at the current state."""
    packing = Packing.of(state.v.shape[1])
    # half the precision is plenty for a curvature, and the gathering below is most of a sweep
    users = (packing.moments(state.m, state.m_cov) * packing.times).astype(np.float32)
    actions = packing.moments(state.v, state.v_cov).astype(np.float32)
    out = np.empty(len(rows.user))
    for part in _blocks(len(out)):
        user, action, offset = rows.user[part], rows.action[part], rows.offset[part]
        taste = np.einsum("ij,ij->i", state.m[user], state.v[action])
        square = np.einsum("ij,ij->i", users[user], actions[action])
        c2 = offset * (offset + 2 * taste) + square
        out[part] = rows.weight[part] * curvature(np.sqrt(np.maximum(c2, 0.0)))
    return out


def _blocks(n: int, size: int = 8192) -> list[slice]:
    return [slice(start, start + size) for start in range(0, n, size)]


def _update_users(rows: Outcomes, frame: _Frame, omega: FloatArray, state: _State) -> None:
    packing = Packing.of(state.v.shape[1])
    weighted = frame.matrix(omega) @ packing.moments(state.v, state.v_cov)
    hessian = packing.full(weighted) + np.diag(state.precision)
    pull = rows.weight * (rows.completed - 0.5) - omega * rows.offset
    state.m_cov = np.linalg.inv(hessian).astype(np.float64, copy=False)
    state.m = np.einsum("uij,uj->ui", state.m_cov, frame.matrix(pull) @ state.v)
    level = state.m[:, -1] ** 2 + state.m_cov[:, -1, -1]
    state.precision[-1] = 1.0 / max(float(level.mean()), _LEAST_VARIANCE)


def _update_actions(
    rows: Outcomes,
    frame: _Frame,
    omega: FloatArray,
    state: _State,
    described: FloatArray,
    variance: float,
) -> None:
    taste = state.v.shape[1] - 1
    packing = Packing.of(taste + 1)
    moments = packing.moments(state.m, state.m_cov)
    weighted = packing.full(frame.matrix(omega).T @ moments)
    pull = rows.weight * (rows.completed - 0.5) - omega * rows.offset
    target = frame.matrix(pull).T @ state.m[:, :taste] - weighted[:, :taste, taste]
    expected = described @ state.general.T
    hessian = weighted[:, :taste, :taste] + np.eye(taste) / variance
    covariance = np.linalg.inv(hessian)
    state.v[:, :taste] = np.einsum("aij,aj->ai", covariance, target + expected / variance)
    state.v_cov[:, :taste, :taste] = covariance
    state.general = described_by(state.v[:, :taste], described)


def described_by(factors: FloatArray, described: FloatArray) -> FloatArray:
    """Ridge of factors on descriptions, as strong as one action a column: [n_factors, n_z]."""
    # needed for training only; servers start without it
    from sklearn.linear_model import Ridge

    ridge = Ridge(alpha=max(1.0, 0.1 * len(described)), fit_intercept=False, solver="cholesky")
    coefficients: FloatArray = ridge.fit(described, factors).coef_
    return coefficients.reshape(factors.shape[1], -1)


def completion_factors(
    counts: sp.csr_matrix, rank: int, alpha: float, regularization: float, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Factors of users and actions from how often each pair was completed, and nothing else.

    This is ``implicit``'s own model, the baseline that a hybrid has to beat.

    Parameters
    ----------
    counts
        Shape [n_users, n_actions].

    Returns
    -------
    users, actions
        Shapes [n_users, rank] and [n_actions, rank]; a score is their inner product.
    """
    return confidence_factors(alpha * counts, rank, regularization, 15, seed)


def confidence_factors(
    confidence: sp.csr_matrix, rank: int, ridge: float, iterations: int, seed: int
) -> tuple[FloatArray, FloatArray]:
    """``implicit``'s factors of a matrix of confidences, negative where somebody refused.

    Parameters
    ----------
    confidence
        Shape [n_users, n_actions].

    Returns
    -------
    users, actions
        Shapes [n_users, rank] and [n_actions, rank].
    """
    # implicit (and its import) is needed for training only; servers start without it.
    from implicit.cpu.als import AlternatingLeastSquares

    with threadpool_limits(1, "blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = AlternatingLeastSquares(
            factors=rank,
            alpha=1.0,
            regularization=ridge,
            iterations=iterations,
            random_state=seed,
            num_threads=0 if confidence.nnz * rank > _WORTH_THREADS else 1,
        )
        model.fit(confidence.astype(np.float32), show_progress=False)
    return (
        np.asarray(model.user_factors, np.float64),
        np.asarray(model.item_factors, np.float64),
    )
