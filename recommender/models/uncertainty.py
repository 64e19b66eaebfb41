"""How sure a score is: the standard error of its log-odds."""

from __future__ import annotations

import numpy as np

from recommender.dataset import FloatArray, IntArray
from recommender.models.fold_in import UserFactors
from recommender.models.live import View
from recommender.models.parameters import Parameters
from recommender.models.spread import products

WIDENING = 1.5
"""By how much posteriors are too narrow: approximations take what they don't model for known.

Chosen on cohorts with known truth, where 90 % intervals then hold it in 87 to 91 % of all scores
(docs/decisions/005-uncertainty-and-exploration.md)."""


def standard_error(
    model: Parameters,
    view: View,
    actions: IntArray | None = None,
    user: int | IntArray | None = None,
) -> FloatArray:
    """Standard error of the log-odds of the asked actions for users of the view.

    What is not known of the action's base rate and of its coefficients, of its tastes and of the
    person's add up; that of behaviour's coefficients, shared by all actions, is next to nothing
    and left out.

    Parameters
    ----------
    actions
        Shape [n_asked], or all if None.
    user
        The only one asked about, by place in the view, or the one that each action is asked for,
        shape [n_asked]; everybody if None.

    Returns
    -------
    array of shape [n_users, n_asked], or [n_asked] where each action has its own user
        NaN throughout for a model from before standard errors were kept.
    """
    vectors, users = view.vectors, view.factors
    whose = user if isinstance(user, np.ndarray) else None
    if isinstance(user, int):
        only = slice(user, user + 1)
        vectors = vectors[only]
        users = UserFactors(users.mean[only], users.covariance[only], users.pull)
    places: IntArray | slice = slice(None) if actions is None else actions
    if model.spread is None:
        asked = np.empty(len(model.domain))[places].shape
        return np.full(asked if whose is not None else (len(vectors), *asked), np.nan)
    squares = np.ones((len(vectors), 1 + model.n_features))  # of the constant, which is 1, first
    np.square(vectors, out=squares[:, 1:])
    variance = products(squares, model.spread.coefficients, places, whose)
    taste = model.spread.taste_variance(users, model.factors.mean, places, whose)
    return np.asarray(WIDENING * np.sqrt(variance + model.trust.factor**2 * taste))
