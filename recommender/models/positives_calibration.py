"""From scores to log-odds where only completions are logged, learned on held-out data.

A constant and one positive slope keep the order of scores. Beside them stand a person's activity,
which is the same for all actions, and what the person did with the action before: where nobody
repeats anything that becomes strongly negative, where people have habits positive.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender.dataset import AnyIntArray, BoolArray, FloatArray, IntArray
from recommender.features import behaviour
from recommender.models.parameters import Parameters, behaviour_names
from recommender.models.positives_hold_out import HeldOut

MOST_USERS = 3_000
_NEGATIVES = 100
_MOST_DONE = 600_000
_LEAST_ROWS = 10
_SPREAD = np.array([30.0, 10.0])
"""Prior spreads of the constant and the slope: wide."""
_BEHAVIOUR_SPREAD = 3.0
_OVERALL_SPREAD = 0.3
_LEAST_SLOPE = 1e-3
_MOST_STEPS = 60
_SMALL_STEP = 1e-7
_LEARNED = ("completions", "dismissals", "engagements", "ratings")
_OVERALL = np.array([name.startswith("behaviour:user") for name in behaviour_names()])


@dataclass(frozen=True)
class Rows:
    """People's chances of completing actions in the horizon after the cut, sampled.

    Attributes
    ----------
    weight
        How many pairs of person and action the row stands for.
    behaviour
        Before the cut, shape [n_rows, n_behaviour].
    """

    user: IntArray
    action: IntArray
    completed: BoolArray
    weight: FloatArray
    behaviour: FloatArray


@dataclass(frozen=True)
class Calibration:
    """Log-odds are ``constant + slope * score + behaviour @ deeds``."""

    constant: float
    slope: float
    deeds: FloatArray

    def log_odds(self, scores: FloatArray, deeds: FloatArray) -> FloatArray:
        """Log-odds of rows."""
        return np.asarray(self.constant + self.slope * scores + deeds @ self.deeds)


def sample_rows(model: Parameters, held: HeldOut, seed: int) -> Rows:
    """Draw people, all they had done before and had yet to do, and a sample of the rest."""
    n_actions = len(model.domain)
    draws = np.random.default_rng([seed, 8])
    events = held.past.events
    known = np.union1d(events.user, held.user)
    chosen = np.sort(draws.permutation(known)[:MOST_USERS])
    soon = _keys(held.user[held.within_horizon], held.action[held.within_horizon], n_actions)
    touched = _keys(events.user.astype(np.int64), events.action, n_actions)
    sure = np.union1d(soon, touched)
    sure = sure[np.isin(sure // n_actions, chosen)]
    share = min(1.0, _MOST_DONE / max(len(sure), 1))
    sure_kept = sure[draws.random(len(sure)) < share]
    other = np.repeat(chosen, _NEGATIVES) * n_actions + draws.integers(
        0, n_actions, len(chosen) * _NEGATIVES
    )
    other = other[~np.isin(other, sure)]
    left = len(chosen) * n_actions - len(sure)
    key = np.concatenate([sure_kept, other])
    weight = np.repeat(
        [1.0 / share, max(left, 0) / max(len(other), 1)], [len(sure_kept), len(other)]
    )
    order = np.argsort(key, kind="stable")
    key = key[order]
    user, action = key // n_actions, key % n_actions
    past = behaviour.history(events, model.domain, model.n_domains, held.at)
    # one millisecond on, so that what happened at the very instant counts as past
    now = np.full(len(key), past.clock(np.array([held.at]))[0] + 1)
    deeds = behaviour.row_features(past, user, action, now, model.rate)
    return Rows(user, action, np.isin(key, soon), weight[order], deeds)


def _keys(user: IntArray, action: AnyIntArray, n_actions: int) -> IntArray:
    return np.unique(user * n_actions + action)


def calibrate(rows: Rows, scores: FloatArray) -> Calibration:
    """Learn the constant, the slope and the weight of what was done before."""
    kept = _learnable(rows.behaviour)
    overall = _OVERALL[kept]
    # activity is counted from its mean, so that its weight can't stand in for the constant
    middle = np.where(overall, np.average(rows.behaviour[:, kept], axis=0, weights=rows.weight), 0)
    weights = fit_logistic(
        np.column_stack([np.ones(len(scores)), scores, rows.behaviour[:, kept] - middle]),
        rows.completed,
        rows.weight,
        np.concatenate([_SPREAD, np.where(overall, _OVERALL_SPREAD, _BEHAVIOUR_SPREAD)]),
    )
    deeds = np.zeros(rows.behaviour.shape[1])
    deeds[kept] = weights[2:]
    constant = weights[0] - weights[2:] @ middle
    return Calibration(float(constant), float(weights[1]), deeds)


def only_scores(rows: Rows, scores: FloatArray) -> FloatArray:
    """Log-odds of rows from scores alone, learned on the other half of the people."""
    design = np.column_stack([np.ones(len(scores)), scores])
    out = np.empty(len(scores))
    for half in (0, 1):
        mine = rows.user % 2 == half
        other = ~mine
        weights = fit_logistic(design[other], rows.completed[other], rows.weight[other], _SPREAD)
        out[mine] = design[mine] @ weights
    return out


def crossed(rows: Rows, scores: FloatArray) -> FloatArray:
    """Log-odds of rows, each calibrated on the other half of the people."""
    out = np.empty(len(scores))
    for half in (0, 1):
        mine = rows.user % 2 == half
        learned = calibrate(_select(rows, ~mine), scores[~mine])
        out[mine] = learned.log_odds(scores[mine], rows.behaviour[mine])
    return out


def _select(rows: Rows, chosen: BoolArray) -> Rows:
    return Rows(
        rows.user[chosen],
        rows.action[chosen],
        rows.completed[chosen],
        rows.weight[chosen],
        rows.behaviour[chosen],
    )


def _learnable(deeds: FloatArray) -> IntArray:
    """Behaviour with the action, and overall activity; not with other actions of the domain."""
    varied = (np.abs(deeds) > 1e-9).sum(axis=0) >= _LEAST_ROWS
    return np.array(
        [
            place
            for place, name in enumerate(behaviour_names())
            if varied[place] and name.endswith(_LEARNED) and not name.startswith("behaviour:domain")
        ],
        np.int64,
    )


def fit_logistic(
    design: FloatArray, completed: BoolArray, weight: FloatArray, spread: FloatArray
) -> FloatArray:
    """Logistic regression with normal priors around 0, by Newton's method with halved steps.

    Parameters
    ----------
    design
        The first column is 1, the second the score, whose weight is kept above 0.
    spread
        Prior standard deviation of each weight.
    """
    beta = np.zeros(design.shape[1])
    rate = (weight @ completed + 0.5) / (weight.sum() + 1.0)
    beta[0] = np.log(rate) - np.log1p(-rate)
    free = np.ones(len(beta), np.bool_)
    for _ in range(_MOST_STEPS):
        eta = design @ beta
        p = 1.0 / (1.0 + np.exp(-eta))
        gradient = design.T @ (weight * (completed - p)) - beta / spread**2
        hessian = (design * (weight * p * (1 - p))[:, None]).T @ design + np.diag(spread**-2.0)
        step = np.zeros(len(beta))
        step[free] = np.linalg.solve(hessian[np.ix_(free, free)], gradient[free])
        along = design @ step
        loss = _loss(eta, completed, weight, beta / spread)
        while np.abs(step).max() > _SMALL_STEP and not (
            _loss(eta + along, completed, weight, (beta + step) / spread) <= loss
        ):
            step, along = step / 2, along / 2
        beta = beta + step
        if np.abs(step).max() <= _SMALL_STEP:
            if beta[1] >= _LEAST_SLOPE:
                break
            beta[1], free[1] = _LEAST_SLOPE, False
    return beta


def _loss(eta: FloatArray, completed: BoolArray, weight: FloatArray, scaled: FloatArray) -> float:
    """Penalised negative log-likelihood; ``scaled`` are weights over their prior spread."""
    surprise = np.logaddexp(0.0, np.where(completed, -eta, eta))
    return float(weight @ surprise + scaled @ scaled / 2)
