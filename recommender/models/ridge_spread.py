"""How little is known of each action where only completions are logged.

Tastes there are ridge regressions, and a ridge regression is the mean of a Gaussian posterior:
its covariance is the inverse matrix it is solved with, times the variance of the noise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from recommender.dataset import BoolArray, FloatArray, IntArray
from recommender.models.fold_in import UserFactors
from recommender.models.spread import for_new_actions

_AT_ONCE = 2_000_000
"""Numbers worked out at once: bounds memory, whatever the catalogue."""


@dataclass(frozen=True)
class RidgeSpread:
    """Variances beside the means that ``Parameters`` keeps, aligned with the same actions.

    Attributes
    ----------
    coefficients
        Variance of the constant, what is not known of popularity included, and of each
        coefficient of the user vector, shape [n_actions, 1 + n_features].
    tastes
        Variance of an action's factors, the same for all of them, shape [n_actions].
    prior
        Variance of coefficients around what descriptions suggest, see ``spread.Spread``.
    taste_prior
        The same of factors.
    noise
        Variance of the noise of the ridge regressions; what a person's matrix is multiplied by.
    """

    coefficients: FloatArray
    tastes: FloatArray
    prior: FloatArray
    taste_prior: float
    noise: float

    def trusted(self, scale: FloatArray | float) -> RidgeSpread:
        """Follow coefficients that were multiplied by ``scale``, one for each or for all."""
        return replace(self, coefficients=self.coefficients * scale**2, prior=self.prior * scale**2)

    def aligned(self, place: IntArray, own: BoolArray, factors: FloatArray) -> RidgeSpread:
        """Follow other actions; see ``spread.Spread.aligned``."""
        del factors  # the variance of a new action's does not depend on them
        known = place >= 0
        guess = for_new_actions(self.prior, own)
        return replace(
            self,
            coefficients=np.where(known[:, None], self.coefficients[place], guess),
            tastes=np.where(known, self.tastes[place], self.taste_prior),
        )

    def taste_variance(
        self, users: UserFactors, factors: FloatArray, actions: IntArray | slice
    ) -> FloatArray:
        """Variance of the inner products of factors; see ``spread.Spread.taste_variance``."""
        asked = factors[actions]
        n_users, n_asked, n = len(users.mean), asked.shape[-2], asked.shape[-1]
        person = np.empty((n_users, n_asked))
        step = max(1, _AT_ONCE // max(n_asked * n, 1))
        for start in range(0, n_users, step):
            some = slice(start, start + step)
            v = asked if asked.ndim == 2 else asked[some]
            person[some] = ((v @ users.covariance[some]) * v).sum(axis=-1)
        trace = np.trace(users.covariance, axis1=1, axis2=2)
        action = (users.mean**2).sum(axis=1) + self.noise * trace
        return np.asarray(self.noise * person + action[:, None] * self.tastes[actions])
