"""How little is known after a training on completions alone: noise, and spread of actions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from recommender.dataset import FloatArray, Records, select_users
from recommender.models.positives import Pairs, fold_in_pairs
from recommender.models.positives_tastes import Tastes
from recommender.models.ridge_spread import RidgeSpread

USUAL_TASTES = 0.7
"""Standard deviation between people, in log-odds, of their tastes for an action.

That of scores in cohorts with known truth before ``uncertainty.WIDENING``; see
docs/decisions/005-uncertainty-and-exploration.md."""

_PEOPLE = 200
"""Whose covariances the noise is learned from; it is one number."""
_SWEEPS = 20
_LEAST = 1e-9


def ridge_spread(
    tastes: Tastes,
    described: FloatArray,
    records: Records,
    pairs: Pairs,
    coefficients: tuple[FloatArray, FloatArray],
) -> RidgeSpread:
    """Take the spread from a training.

    Parameters
    ----------
    described
        What descriptions say of the actions' factors, shape [n_actions, n].
    pairs
        Of ``records``, that the tastes were learned from.
    coefficients
        Variances of known actions' coefficients and of new actions', as ``RidgeSpread`` has them.
    """
    noise = _noise(tastes, records, pairs)
    information = _information(tastes, pairs) / max(noise, _LEAST)
    prior = _taste_prior(tastes.actions - described, information)
    return RidgeSpread(
        coefficients[0], 1.0 / (information + 1.0 / prior), coefficients[1], prior, noise
    )


def on_log_odds(spread: RidgeSpread, factors: FloatArray, slope: float) -> RidgeSpread:
    """Let the noise lean on what is usual, once scores are log-odds.

    What ridge regressions say of themselves is off by as much as a factor of two either way,
    because nothing in them is a chance. So the noise is the geometric mean of theirs and of
    one with which tastes differ by ``USUAL_TASTES`` between people nothing is known of.

    Parameters
    ----------
    factors
        Of the actions, shape [n_actions, n].
    slope
        What an inner product of factors is multiplied by.
    """
    unit = slope**2 * float((factors**2).sum()) / max(len(factors), 1)
    if unit <= _LEAST:
        return spread
    return replace(spread, noise=float(np.sqrt(spread.noise * USUAL_TASTES**2 / unit)))


def _noise(tastes: Tastes, records: Records, pairs: Pairs) -> float:
    """Variance of the noise: by the law of total variance over people.

    Before anything is known of a person the scores of the catalogue have the covariance
    ``noise * V V'``. That is what they vary by between people around their mean, as far as
    records tell, plus what stays unknown of each, ``noise * V S_u V'``. The traces give the noise.
    """
    known = np.unique(pairs.user)
    some = known[:: max(1, len(known) // _PEOPLE)][:_PEOPLE]
    v = tastes.actions
    people = select_users(records, some)
    users = fold_in_pairs(people.events, len(some), v, tastes.confidence)[1]
    gram = v.T @ v
    told = float(np.trace(gram)) - float(np.einsum("ij,uij->u", gram, users.covariance).mean())
    off = users.mean - users.mean.mean(axis=0)
    varied = float(np.einsum("ui,ij,uj->", off, gram, off, optimize=True)) / max(len(off), 1)
    return varied / told if varied > _LEAST and told > _LEAST else 1.0


def _information(tastes: Tastes, pairs: Pairs) -> FloatArray:
    """What people's records say of each factor of an action, noise 1; mean over its factors.

    Everybody is a weak refusal, who completed or dismissed the action counts by confidence.
    """
    length = (tastes.users**2).mean(axis=1)
    more = (tastes.confidence.of(pairs) - 1.0) * length[pairs.user]
    n_actions = len(tastes.actions)
    found = length.sum() + np.bincount(pairs.action, more, n_actions)
    return np.asarray(np.maximum(found, _LEAST))


def _taste_prior(off: FloatArray, information: FloatArray) -> float:
    """How far factors are from their descriptions, variance of each factor.

    Actions count as far as the data determine them (expectation-maximisation, see
    ``spread.taste_prior``).
    """
    squares = (off**2).mean(axis=1)
    prior = max(float(squares.mean()), _LEAST)
    for _ in range(_SWEEPS):
        variance = 1.0 / (information + 1.0 / prior)
        known = 1.0 - variance / prior
        found = float(known @ (squares + variance) / max(known.sum(), _LEAST))
        prior = max(found, _LEAST)
    return prior
