"""A person's factors where only completions are logged: one weighted ridge regression.

This is ``implicit``'s own model (Hu, Koren and Volinsky 2008): everything is a weak refusal of
weight 1, what somebody completed is a yes of its confidence, what somebody dismissed a refusal of
its confidence. The actions' factors are stored turned and scaled so that the sum over everything
and the ridge together are the identity, and so a person's factors depend on nothing but the
factors of that person's own actions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender.dataset import BoolArray, Events, FloatArray, IntArray
from recommender.domain import EVENT_CODES
from recommender.models.fold_in import Outcomes, UserFactors

_COMPLETE, _DISMISS = EVENT_CODES["complete"], EVENT_CODES["dismiss"]
_AT_ONCE = 2_000_000
"""Numbers gathered at once: bounds memory."""


@dataclass(frozen=True)
class Confidence:
    """How much one completed action says: less from people, and of actions, with many.

    Attributes
    ----------
    action
        Of one completion of each action by a person with the typical number of actions.
    unseen
        The same of an action nobody had completed when the model was trained.
    typical
        Mean number of different actions that a person completed.
    person_power
        Confidence falls with the number of a person's actions to this power.
    repeat_power
        Confidence grows with the number of completions of the action to this power.
    """

    action: FloatArray
    unseen: float
    typical: float
    person_power: float
    repeat_power: float

    def of(self, pairs: Pairs) -> FloatArray:
        """Confidence of each pair, positive whether completed or dismissed."""
        completed = pairs.count > 0
        person = np.maximum(np.bincount(pairs.user, completed), 1.0)
        scale = (person / self.typical) ** -self.person_power
        repeated = np.maximum(pairs.count, 1.0) ** self.repeat_power
        return np.asarray(self.action[pairs.action] * scale[pairs.user] * repeated)


@dataclass(frozen=True)
class Pairs:
    """What each person made of each action, sorted by (user, action).

    Attributes
    ----------
    count
        Completions; 0 where the last word was a dismissal.
    """

    user: IntArray
    action: IntArray
    count: FloatArray

    def __len__(self) -> int:
        return len(self.user)

    def select(self, chosen: BoolArray) -> Pairs:
        """Return the chosen pairs."""
        return Pairs(self.user[chosen], self.action[chosen], self.count[chosen])


def own_pairs(events: Events, n_actions: int) -> Pairs:
    """Sum up completions and dismissals of each user and action."""
    said = np.flatnonzero((events.kind == _COMPLETE) | (events.kind == _DISMISS))
    key = events.user[said].astype(np.int64) * n_actions + events.action[said]
    order = np.argsort(key, kind="stable")  # by time within a pair
    key, kind = key[order], events.kind[said][order]
    first = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]])[: len(key)])
    last = np.concatenate([first[1:], [len(key)]])[: len(first)] - 1
    count = np.add.reduceat((kind == _COMPLETE) * 1.0, first) if len(key) else np.zeros(0)
    key = key[first]
    count = np.where(kind[last] == _DISMISS, 0.0, count)
    return Pairs(key // max(n_actions, 1), key % max(n_actions, 1), count)


def fold_in_pairs(
    events: Events, n_users: int, factors: FloatArray, confidence: Confidence
) -> tuple[Outcomes, UserFactors]:
    """Work out users' factors from their completions and dismissals.

    Parameters
    ----------
    factors
        Of the actions, shape [n_actions, n_factors], scaled as this module says.

    Returns
    -------
    rows, users
        One row a pair; users without any have factors 0. A user's mean is
        ``covariance @ sum(pull * v)``.
    """
    pairs = own_pairs(events, len(factors))
    weight = confidence.of(pairs)
    completed = (pairs.count > 0).astype(np.float64)
    n = factors.shape[1]
    users = UserFactors(
        np.zeros((n_users, n)), np.zeros((n_users, n, n)) + np.eye(n), weight * completed
    )
    starts = np.searchsorted(pairs.user, np.arange(n_users + 1))
    for some in _alike_in_size(np.diff(starts), n):
        place, inside = _padded(starts, some)
        v = factors[pairs.action[place]] * inside[:, :, None]
        turned = v.transpose(0, 2, 1)
        extra = (weight[place] - 1.0)[:, None, :]
        covariance = np.linalg.inv(np.eye(n) + (turned * extra) @ v)
        users.covariance[some] = covariance
        users.mean[some] = (covariance @ (turned @ users.pull[place][:, :, None]))[:, :, 0]
    return Outcomes(pairs.user, pairs.action, completed, weight, np.zeros(len(pairs))), users


def _alike_in_size(size: IntArray, n_factors: int) -> list[IntArray]:
    """Users with rows, in groups of about as many rows each, largest first."""
    order = np.argsort(-size, kind="stable")[: int((size > 0).sum())]
    out = []
    while len(order):
        wide = int(size[order[0]]) + n_factors
        many = max(1, _AT_ONCE // (wide * n_factors))
        out.append(order[:many])
        order = order[many:]
    return out


def _padded(starts: IntArray, users: IntArray) -> tuple[IntArray, BoolArray]:
    """Places of the users' rows, shape [n_users, most], and which of them are theirs."""
    size = starts[users + 1] - starts[users]
    offset = np.arange(int(size.max()))
    inside: BoolArray = offset < size[:, None]
    return np.where(inside, starts[users][:, None] + offset, 0), inside
