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
        self,
        users: UserFactors,
        factors: FloatArray,
        actions: IntArray | slice,
        whose: IntArray | None = None,
    ) -> FloatArray:
        """Variance of the inner products of factors; see ``spread.Spread.taste_variance``."""
        trace = np.trace(users.covariance, axis1=1, axis2=2)
        action = (users.mean**2).sum(axis=1) + self.noise * trace
        asked = factors[actions]
        if whose is None:
            person: FloatArray = np.empty((len(users.mean), len(asked)))
            for user, covariance in enumerate(users.covariance):
                person[user] = _of_one(asked, covariance)
            return np.asarray(self.noise * person + action[:, None] * self.tastes[actions])
        person = np.empty(len(asked))
        for user in np.unique(whose).tolist():
            mine = whose == user
            person[mine] = _of_one(asked[mine], users.covariance[user])
        return np.asarray(self.noise * person + action[whose] * self.tastes[actions])


def _of_one(factors: FloatArray, covariance: FloatArray) -> FloatArray:
    """``v' S v`` of some actions' factors, shape [n_asked]."""
    return np.asarray(((factors @ covariance) * factors).sum(axis=1))
