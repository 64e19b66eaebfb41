"""What is expected of everyone, or of people with such a profile and such readings.

Popularity may fade: completions count half after a half-life. On top of it a feature model learns,
from completions and sampled refusals, who leans towards what.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender.dataset import AnyIntArray, FloatArray, Records
from recommender.domain import EVENT_CODES, SECONDS_PER_DAY
from recommender.features.space import user_matrix
from recommender.models.factors import described_by
from recommender.models.feature_model import fit_pooled
from recommender.models.opportunities import sampled_opportunities
from recommender.models.prepared import Frame, feature_rows
from recommender.models.spread import coefficient_prior

NEVER = 0.0
"""Half-life that stands for popularity that does not fade."""

_SWEEPS = 10
_SMOOTHING = 0.5
_MOST_MOMENTS = 50_000_000


@dataclass(frozen=True)
class Leanings:
    """Coefficients ``[constant, user vector]`` of each action, beside its popularity.

    Attributes
    ----------
    coefficients
        Shape [n_actions, 1 + n_features].
    general
        What descriptions say of them, shape [1 + n_features, n_z + 1].
    variance, prior
        Posterior variance of the coefficients, and the variance of new actions' around what
        descriptions say, shape [2, 1 + n_features]; see ``spread.Spread``.
    """

    coefficients: FloatArray
    general: FloatArray
    variance: FloatArray
    prior: FloatArray

    def scores(self, vectors: FloatArray) -> FloatArray:
        """Shape [n_users, n_actions]."""
        return np.asarray(self.coefficients[:, 0] + vectors @ self.coefficients[:, 1:].T)


def log_popularity(records: Records, n_actions: int, half_life_days: float) -> FloatArray:
    """Logarithm of how often each action was completed, counted back from the last event."""
    action, weight = _completions(records, half_life_days)
    return np.asarray(np.log(np.bincount(action, weight, n_actions) + _SMOOTHING))


def popularity_variance(records: Records, n_actions: int, half_life_days: float) -> FloatArray:
    """Variance of ``log_popularity``, were completions drawn by chance (Poisson)."""
    action, weight = _completions(records, half_life_days)
    total = np.bincount(action, weight, n_actions) + _SMOOTHING
    return np.asarray((np.bincount(action, weight**2, n_actions) + _SMOOTHING) / total**2)


def _completions(records: Records, half_life_days: float) -> tuple[AnyIntArray, FloatArray]:
    """Action and weight of every completion."""
    events = records.events
    done = events.kind == EVENT_CODES["complete"]
    weight = np.ones(int(done.sum()))
    if half_life_days != NEVER and len(weight):
        age = (events.at[done].max() - events.at[done]) / SECONDS_PER_DAY
        weight = 0.5 ** (age / half_life_days)
    return events.action[done], weight


def popularity_by_description(popularity: FloatArray, described: FloatArray) -> FloatArray:
    """What a description says of an action's popularity, shape [n_z]."""
    middle = float(popularity.mean()) if len(popularity) else 0.0
    general = described_by((popularity - middle)[:, None], described)[0]
    general[0] += middle
    return np.asarray(general)


def no_leanings(frame: Frame) -> Leanings:
    """All coefficients 0."""
    n = 1 + len(frame.space.keep)
    n_actions, n_z = frame.described.shape
    zeros = np.zeros((n_actions, n))
    return Leanings(zeros, np.zeros((n, n_z + 1)), zeros, np.zeros((2, n)))


def fit_leanings(frame: Frame, records: Records, as_of: float, seed: int) -> Leanings:
    """Learn who leans towards what; all coefficients are 0 where nothing is known of anybody."""
    nothing = no_leanings(frame)
    n_actions, n_z = frame.described.shape
    if not len(frame.space.keep) or n_actions < 2:
        return nothing
    popularity = log_popularity(records, n_actions, NEVER)
    rows = sampled_opportunities(records, n_actions, as_of, seed)
    kept = n_z if n_actions * n_z**2 <= _MOST_MOMENTS else 1
    design, layout = feature_rows(frame, records, rows, as_of, popularity, kept)
    pooled = fit_pooled(design, layout, _SWEEPS)
    mean, general = pooled.mean.copy(), nothing.general.copy()
    general[:, :kept], general[:, -1] = pooled.general[:, :-1], pooled.general[:, -1]
    middle = float(mean[:, 0].mean())
    mean[:, 0] -= middle
    general[0, 0] -= middle
    variance = np.diagonal(pooled.covariance, axis1=1, axis2=2).astype(np.float64)
    return Leanings(mean, general, variance, coefficient_prior(pooled, layout))


def vectors_at(frame: Frame, records: Records, at: float) -> FloatArray:
    """User vectors as of an instant, shape [n_users, n_features]."""
    return np.asarray(user_matrix(frame.space, records, np.array([at]))[0])
