"""How well scores rank what was held out, over the whole catalogue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.dataset import AnyIntArray, BoolArray, FloatArray, IntArray
from recommender.models.positives import Pairs
from recommender.models.positives_hold_out import HeldOut

LENGTH = 20
"""Length of the list that is judged."""

Float32Array = NDArray[np.float32]

MOST_JUDGED = 4_000
_MOST_SCORES = 16_000_000
_CANDIDATES = 100
_REPEATS_MATTER = 0.2


@dataclass(frozen=True)
class Judged:
    """People with something held out, and what may stand in their lists.

    Attributes
    ----------
    users
        Their places in the records, ascending.
    relevant
        What they completed after, shape [n_judged, n_actions].
    done
        What they had completed before; can't be in a list unless people repeat themselves.
    repeats
        Whether people repeat themselves.
    """

    users: IntArray
    relevant: BoolArray
    done: BoolArray
    repeats: bool

    @classmethod
    def of(
        cls, held: HeldOut, before: Pairs, n_actions: int, seed: int, most: int = MOST_JUDGED
    ) -> Judged:
        """Draw the people judged, at most some and as many as memory allows."""
        users = np.unique(held.user)
        most = min(most, max(_MOST_SCORES // max(n_actions, 1), 1))
        if len(users) > most:
            users = np.sort(np.random.default_rng([seed, 7]).choice(users, most, replace=False))
        relevant = _table(held.user, held.action, users, n_actions)
        completed = before.count > 0
        done = _table(before.user[completed], before.action[completed], users, n_actions)
        repeated = (relevant & done).sum() > _REPEATS_MATTER * relevant.sum()
        if repeated:
            return cls(users, relevant, done, True)
        some = (relevant & ~done).any(axis=1)
        return cls(users[some], relevant[some] & ~done[some], done[some], False)

    def part(self, chosen: slice) -> Judged:
        """Some of the people."""
        return Judged(self.users[chosen], self.relevant[chosen], self.done[chosen], self.repeats)

    def visible(self, scores: Float32Array) -> Float32Array:
        """Scores with what can't be listed at minus infinity."""
        return scores if self.repeats else np.where(self.done, np.float32(-np.inf), scores)

    def best(self, scores: Float32Array) -> IntArray:
        """The best-scored actions of each person, in no order, shape [n_judged, n]."""
        n = min(_CANDIDATES, scores.shape[1])
        if n == scores.shape[1]:
            return _every(scores)
        return np.argpartition(scores, scores.shape[1] - n, axis=1)[:, -n:]

    def measures(
        self, actions: IntArray, scores: Float32Array, k: int = LENGTH
    ) -> tuple[FloatArray, FloatArray]:
        """NDCG and recall of each person's list of the best of some candidates.

        Parameters
        ----------
        actions, scores
            Different actions of each person and their scores, shape [n_judged, n].
        """
        order = _best_first(scores, k)
        listed = np.take_along_axis(actions, order, axis=1)
        hit = np.take_along_axis(self.relevant, listed, axis=1)
        hit &= np.take_along_axis(scores, order, axis=1) > -np.inf
        count = self.relevant.sum(axis=1)
        discount = 1.0 / np.log2(np.arange(k) + 2.0)
        ideal = np.concatenate([[0.0], np.cumsum(discount)])[np.minimum(count, k)]
        return hit @ discount[: hit.shape[1]] / ideal, hit.sum(axis=1) / count

    def gain(self, actions: IntArray, scores: Float32Array) -> float:
        """Mean of NDCG and recall over people: what settings are chosen by."""
        return float(np.mean(self.measures(actions, scores)))

    def ndcg(self, scores: Float32Array, k: int) -> FloatArray:
        """NDCG of each person's list, of scores of every action."""
        shown = self.visible(scores)
        best = self.best(shown)
        return self.measures(best, np.take_along_axis(shown, best, axis=1), k)[0]


def _best_first(scores: Float32Array, k: int) -> IntArray:
    """Places of each row's ``k`` best, best first."""
    n = scores.shape[1]
    some = np.argpartition(scores, n - k, axis=1)[:, -k:] if k < n else _every(scores)
    order = np.argsort(-np.take_along_axis(scores, some, axis=1), axis=1, kind="stable")
    return np.take_along_axis(some, order, axis=1)


def _every(scores: Float32Array) -> IntArray:
    return np.broadcast_to(np.arange(scores.shape[1]), scores.shape)


def _table(user: AnyIntArray, action: AnyIntArray, users: IntArray, n_actions: int) -> BoolArray:
    """Which of the users have which actions, shape [n_users, n_actions]."""
    place = np.full(int(max(user.max(initial=-1), users.max(initial=-1))) + 1, -1)
    place[users] = np.arange(len(users))
    mine = place[user] >= 0
    out = np.zeros((len(users), n_actions), np.bool_)
    out[place[user[mine]], action[mine]] = True
    return out
