"""Lists varied by chance, with exact propensities.

First every candidate is given the probability with which it stands in the list; then a list
with exactly these probabilities is drawn. The probabilities depend on the person's scores alone
and the draw on the request's id alone, so that an answer can be worked out again.

Sources: Madow 1949 (systematic sampling with unequal probabilities), Thompson 1933 and Chapelle
and Li 2011 (choosing by the probability of being best).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from recommender.dataset import BoolArray, FloatArray, IntArray
from recommender.domain import Exploration

_HALVINGS = 14
_LOGISTIC_OF_NORMAL = 1.702
"""A logistic curve this much steeper is within .01 of the normal one (Haley 1952)."""
_MOST_ERRORS = 8.0


@dataclass(frozen=True)
class Candidates:
    """Actions that chance may bring in: the guardrails allow them outright; one entry each.

    Attributes
    ----------
    plain
        Whether it stands in the list without exploration.
    log_odds, errors
        Of completing it, with standard errors (NaN for a run of an older version).
    worth
        What its score, variety included, is per probability of completion.
    """

    plain: BoolArray
    log_odds: FloatArray
    errors: FloatArray
    worth: FloatArray


def inclusion(candidates: Candidates, kind: Exploration, rate: float) -> FloatArray:
    """Probability of each candidate to stand in the list, shape [n].

    They add up to as many as the plain list holds. Without standard errors, ``thompson`` is as
    ``epsilon``.
    """
    likely = candidates.plain.astype(np.float64)
    places = int(candidates.plain.sum())
    if kind is Exploration.THOMPSON and not np.isnan(candidates.errors).any():
        likely = likely_best(candidates.log_odds, candidates.errors, candidates.worth, places)
    return mixed(likely, rate)


def mixed(likely: FloatArray, rate: float) -> FloatArray:
    """Inclusion probabilities: a share of the list drawn evenly, the rest as is likely.

    Parameters
    ----------
    likely
        Inclusion probabilities, in [0, 1], that add up to the number of places, shape [n].
    rate
        Share of the places drawn evenly, above 0.

    Returns
    -------
    array of shape [n]
        The sum is kept. With fewer places than candidates each is at least
        ``rate * places / n`` and at most ``1 - rate * (1 - places / n)``.

    Examples
    --------
    >>> mixed(np.array([1.0, 1.0, 0.0, 0.0]), 0.1).round(3).tolist()
    [0.95, 0.95, 0.05, 0.05]
    """
    return np.asarray((1.0 - rate) * likely + rate * likely.mean())


def likely_best(
    log_odds: FloatArray, errors: FloatArray, worth: FloatArray, places: int
) -> FloatArray:
    """Probability of being among the best, were every log-odds drawn from its own posterior.

    The best are those above a threshold that as many as there are places exceed on average.

    Parameters
    ----------
    log_odds, errors
        Of completing each action, with standard errors above 0, shape [n].
    worth
        What a score is per probability of completion, above 0, shape [n].
    places
        How many are shown, less than n.

    Returns
    -------
    array of shape [n]
        In [0, 1]; adds up to ``places``.
    """
    errors, log_worth = np.maximum(errors, 1e-6), np.log(np.maximum(worth, 1e-300))
    low = float((log_worth - np.logaddexp(0, _MOST_ERRORS * errors - log_odds)).min())
    high = float(log_worth.max())
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        enough = _above(middle - log_worth, log_odds, errors).sum() > places
        low, high = (middle, high) if enough else (low, middle)
    more, less = (_above(end - log_worth, log_odds, errors) for end in (low, high))
    surplus, lack = more.sum() - places, places - less.sum()
    return np.asarray((lack * more + surplus * less) / (surplus + lack))


def _above(log_p: FloatArray, log_odds: FloatArray, errors: FloatArray) -> FloatArray:
    """Probability that ``p`` exceeds ``exp(log_p)``, its log-odds drawn from their posterior."""
    within = np.minimum(log_p, -1e-12)
    needed = within - np.log(-np.expm1(within))
    steps = _LOGISTIC_OF_NORMAL * (log_odds - needed) / errors
    return np.where(log_p < 0.0, 0.5 * (1.0 + np.tanh(0.5 * steps)), 0.0)


def drawn(probabilities: FloatArray, request_id: str) -> IntArray:
    """Draw a list in which each candidate stands with exactly its probability.

    The probabilities are laid end to end in an order drawn by chance, and marks one apart, from
    a random start, pick the candidates they fall on.

    Parameters
    ----------
    probabilities
        In (0, 1], adding up to a whole number.
    request_id
        What all chance is derived from.

    Returns
    -------
    array
        Ascending places of as many different candidates as the probabilities add up to.
    """
    seed = int.from_bytes(hashlib.sha256(request_id.encode()).digest()[:16], "big")
    chance = np.random.Generator(np.random.PCG64(seed)).random(len(probabilities) + 1)
    order = np.argsort(chance[1:])
    ends = np.cumsum(probabilities[order])
    size = round(float(ends[-1]))
    ends *= size / ends[-1]
    picked = np.searchsorted(ends, chance[0] + np.arange(size), side="right")
    return np.sort(order[np.minimum(picked, len(order) - 1)])


def in_the_free_places(plain: IntArray, fixed: BoolArray, chosen: IntArray) -> IntArray:
    """Fill a list's free places, in order; what is fixed stays where it is.

    >>> in_the_free_places(np.array([7, 5, 3]), np.array([False, True, False]), np.array([9, 7]))
    array([9, 5, 7])
    """
    shown = plain.copy()
    shown[~fixed] = chosen
    return shown
