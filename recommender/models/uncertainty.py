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
    model: Parameters, view: View, actions: IntArray | None = None, user: int | None = None
) -> FloatArray:
    """Standard error of the log-odds of the asked actions for every user of the view.

    What is not known of the action's base rate and of its coefficients, of its tastes and of the
    person's add up; that of behaviour's coefficients, shared by all actions, is next to nothing
    and left out.

    Parameters
    ----------
    actions
        The same of all users, shape [n_asked], others of each, [n_users, n_asked], or all if None.
    user
        The only one asked about, by place in the view.

    Returns
    -------
    array of shape [n_users, n_asked]
        NaN throughout for a model from before standard errors were kept.
    """
    who = slice(None) if user is None else slice(user, user + 1)
    vectors, folded = view.vectors[who], view.factors
    users = UserFactors(folded.mean[who], folded.covariance[who], folded.pull)
    places: IntArray | slice = slice(None) if actions is None else actions
    if model.spread is None:
        shape = np.empty(len(model.domain))[places].shape
        return np.full((len(vectors), shape[-1]), np.nan)
    own = model.spread.coefficients
    variance = products(vectors**2, own[:, 1:], places)
    variance += own[:, 0][places]
    taste = model.spread.taste_variance(users, model.factors.mean, places)
    return np.asarray(WIDENING * np.sqrt(variance + model.trust.factor**2 * taste))
