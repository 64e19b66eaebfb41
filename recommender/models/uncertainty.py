"""How sure a score is: the standard error of its log-odds."""

from __future__ import annotations

import numpy as np

from recommender.dataset import FloatArray, IntArray
from recommender.models.fold_in import Packing
from recommender.models.live import View
from recommender.models.parameters import Parameters

WIDENING = 1.5
"""By how much posteriors are too narrow: approximations take what they don't model for known.

Chosen on cohorts with known truth, where 90 % intervals then hold it in 87 to 91 % of all scores
(docs/decisions/005-uncertainty-and-exploration.md)."""


def standard_error(model: Parameters, view: View, actions: IntArray | None = None) -> FloatArray:
    """Standard error of the log-odds of the asked actions (all if None) for every user.

    What is not known of the action's base rate and of its coefficients, of its tastes and of the
    person's add up; that of behaviour's coefficients, shared by all actions, is next to nothing
    and left out.

    Returns
    -------
    array of shape [n_users, n_asked]
        NaN throughout for a model from before standard errors were kept.
    """
    places = slice(None) if actions is None else actions
    means = model.factors.mean[places]
    if model.spread is None:
        return np.full((len(view.vectors), len(means)), np.nan)
    coefficients = model.spread.coefficients[places]
    variance = view.vectors**2 @ coefficients[:, 1:].T + coefficients[:, 0]
    users, packing = view.factors, Packing.of(means.shape[1])
    moments = packing.moments(users.mean, users.covariance) * packing.times
    taste = moments @ model.spread.tastes[places].T - (users.mean @ means.T) ** 2
    variance += model.trust.factor**2 * np.maximum(taste, 0.0)
    return np.asarray(WIDENING * np.sqrt(variance))
