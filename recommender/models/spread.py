"""How little is known of each action: posterior variances of its coefficients and its tastes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from recommender.compiled import compiled
from recommender.dataset import BoolArray, FloatArray, IntArray
from recommender.models.feature_model import Layout, Pooled
from recommender.models.fold_in import Packing, UserFactors

_GATHERING = 8
"""How much longer a row takes that is multiplied by itself than one multiplied for all users."""


@dataclass(frozen=True)
class Spread:
    """Variances beside the means that ``Parameters`` keeps, aligned with the same actions.

    The covariance of coefficients is kept as its diagonal: it tells surer from less sure scores
    as well as the whole does, and costs a score no more than its mean
    (docs/decisions/005-uncertainty-and-exploration.md).

    Attributes
    ----------
    coefficients
        Variance of the constant and of each coefficient of the user vector, shape
        [n_actions, 1 + n_features].
    tastes
        ``E[v v']`` of actions' factors, packed (see ``fold_in.Packing``), shape
        [n_actions, n_packed].
    prior
        Variance of coefficients around what descriptions suggest, for actions nobody has seen:
        of any feature, and of a feature of a metric that the action targets, shape
        [2, 1 + n_features].
    taste_prior
        Variance of factors around what descriptions suggest, shape [n_factors - 1].
    """

    coefficients: FloatArray
    tastes: FloatArray
    prior: FloatArray
    taste_prior: FloatArray

    def trusted(self, scale: FloatArray) -> Spread:
        """Follow coefficients that were multiplied by ``scale``, shape [1 + n_features]."""
        return replace(self, coefficients=self.coefficients * scale**2, prior=self.prior * scale**2)

    def taste_variance(
        self,
        users: UserFactors,
        factors: FloatArray,
        actions: IntArray | slice,
        whose: IntArray | None = None,
    ) -> FloatArray:
        """Variance of the inner products of users' and actions' factors.

        Parameters
        ----------
        factors
            Means of all actions' factors.
        actions, whose
            See ``products``.
        """
        packing = Packing.of(factors.shape[1])
        moments = packing.moments(users.mean, users.covariance) * packing.times
        square = products(moments, self.tastes, actions, whose)
        mean = products(users.mean, factors, actions, whose)
        return np.asarray(np.maximum(square - mean**2, 0.0))

    def aligned(self, place: IntArray, own: BoolArray, factors: FloatArray) -> Spread:
        """Follow other actions.

        Parameters
        ----------
        place
            Where each stood before, -1 for the new ones.
        own
            Coefficients of metrics that it targets, shape [n_actions, at least 1 + n_features].
        factors
            Mean factors of each, the constant one last.
        """
        known = (place >= 0)[:, None]
        guess = for_new_actions(self.prior, own)
        taste = np.diag(np.append(self.taste_prior, 0.0))
        return replace(
            self,
            coefficients=np.where(known, self.coefficients[place], guess),
            tastes=np.where(known, self.tastes[place], _moments(factors, taste)),
        )


def for_new_actions(prior: FloatArray, own: BoolArray) -> FloatArray:
    """Variances of coefficients by ``Spread.prior``; ``own`` as for ``Spread.aligned``."""
    return np.asarray(np.where(own[:, : prior.shape[1]], prior[1], prior[0]))


def spread_of(
    features: Pooled,
    layout: Layout,
    taste: tuple[FloatArray, FloatArray],
    described: FloatArray,
    taste_variance: float,
) -> Spread:
    """Take the spread from a training's posteriors.

    Parameters
    ----------
    taste
        Mean and covariance of actions' factors, the constant one last.
    described
        What descriptions say of the factors, shape [n_actions, n_factors - 1].
    taste_variance
        Prior variance that the factors were learned with.
    """
    mean, covariance = taste
    prior = taste_prior(mean[:, :-1], covariance, described, taste_variance)
    return Spread(
        np.diagonal(features.covariance, axis1=1, axis2=2).astype(np.float64),
        _moments(mean, _at_most(covariance, prior)),
        coefficient_prior(features, layout),
        prior,
    )


def taste_prior(
    mean: FloatArray, covariance: FloatArray, described: FloatArray, variance: float
) -> FloatArray:
    """How far the factors of known actions are from their descriptions, variance of each factor.

    The variance that factors are learned with is wide, so that they don't collapse; taken as
    what is to be expected of a new action it would be far too wide. Actions count as far as the
    data determine them.
    """
    own = np.diagonal(covariance, axis1=1, axis2=2)[:, :-1]
    known = np.clip(1.0 - own / variance, 0.0, 1.0)
    squares = (mean - described) ** 2 + own
    found: FloatArray = (known * squares).sum(axis=0) / np.maximum(known.sum(axis=0), 1e-9)
    return np.where(known.sum(axis=0) > 0, found, variance)


def _at_most(covariance: FloatArray, prior: FloatArray) -> FloatArray:
    """Shrink covariances, the constant factor's row of zeros last, to no more than the prior."""
    own = np.diagonal(covariance, axis1=1, axis2=2)[:, :-1]
    scale = np.ones((len(own), len(prior) + 1))
    scale[:, :-1] = np.sqrt(np.minimum(1.0, prior / np.maximum(own, 1e-12)))
    return np.asarray(covariance * scale[:, :, None] * scale[:, None, :])


def coefficient_prior(features: Pooled, layout: Layout) -> FloatArray:
    """``Spread.prior`` of a feature model."""
    of_each = features.variance[layout.group]
    usual = features.variance[: of_each.shape[1]]
    targeting = layout.own_target.argmax(axis=0)
    own = of_each[targeting, np.arange(of_each.shape[1])]
    return np.stack([usual, np.where(layout.own_target.any(axis=0), own, usual)])


def _moments(mean: FloatArray, covariance: FloatArray) -> FloatArray:
    n = mean.shape[1]
    return Packing.of(n).moments(mean, np.broadcast_to(covariance, (len(mean), n, n)))


def products(
    users: FloatArray, table: FloatArray, actions: IntArray | slice, whose: IntArray | None = None
) -> FloatArray:
    """Inner products of users with the asked rows of a table.

    Parameters
    ----------
    actions
        Rows asked for, shape [n_asked].
    whose
        The user that each is asked for, of the same shape; all of them if None.

    Returns
    -------
    array of shape [n_users, n_asked], or [n_asked] where ``whose`` says of whom
    """
    if whose is None or isinstance(actions, slice):
        return np.asarray(users @ table[actions].T)
    if len(actions) * _GATHERING >= len(users) * len(table):
        return np.asarray((users @ table.T)[whose, actions])
    return _products(
        np.ascontiguousarray(users),
        np.ascontiguousarray(table),
        np.ascontiguousarray(actions, np.int64),
        np.ascontiguousarray(whose, np.int64),
    )


@compiled
def _products(
    users: FloatArray, table: FloatArray, actions: IntArray, whose: IntArray
) -> FloatArray:
    """Inner products of rows of ``users`` and ``table``, shape [n_asked]; see ``products``."""
    out, n = np.empty(len(actions)), table.shape[1]
    for row in range(len(actions)):
        user, action = users[whose[row]], table[actions[row]]
        # Two sums at once: each addition has to wait for the one before.
        even, odd = 0.0, 0.0
        for place in range(0, n - 1, 2):
            even += user[place] * action[place]
            odd += user[place + 1] * action[place + 1]
        if n % 2:
            even += user[n - 1] * action[n - 1]
        out[row] = even + odd
    return out
