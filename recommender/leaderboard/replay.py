"""One entrant's answers to the held-out question: all that its figures are made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender.dataset import FloatArray, IntArray
from recommender.leaderboard.entrants import Scores
from recommender.leaderboard.held_out import HeldOut

LISTED = 10
"""Length of the lists whose variety is measured."""
KEPT = 50
"""Best actions kept of each person, so that a list can leave some out."""

_AT_ONCE = 600_000


@dataclass(frozen=True)
class Replayed:
    """What an entrant made of the judged people.

    Attributes
    ----------
    ranks
        Rank (1 is best) among the whole catalogue of each held-out pair, as in ``pair_user``.
    top, top_score
        The best actions of each person, best first, and their scores, [n_people, KEPT] or fewer.
    row_score
        Score of each held-out impression.
    """

    ranks: IntArray
    top: IntArray
    top_score: FloatArray
    row_score: FloatArray

    @property
    def listed(self) -> IntArray:
        """The first ``LISTED`` of each person."""
        return self.top[:, :LISTED]


def replay(held: HeldOut, scores: Scores, n_actions: int, seed: int) -> Replayed:
    """Let an entrant score the whole catalogue for everyone judged.

    Equal scores are ordered by one random order of the actions, never by their names.
    """
    shuffled = np.random.default_rng([seed, 75]).permutation(n_actions)
    n = len(held.users)
    ranks = np.empty(len(held.pair_user), np.int64)
    top = np.empty((n, min(KEPT, n_actions)), np.int64)
    top_score = np.empty(top.shape)
    row_score = np.empty(len(held.rows))
    step = max(1, _AT_ONCE // max(n_actions, 1))
    for start in range(0, n, step):
        users = np.arange(start, min(start + step, n))
        matrix = scores(users)
        order = shuffled[np.argsort(-matrix[:, shuffled], axis=1, kind="stable")]
        place = np.empty_like(order)
        np.put_along_axis(place, order, np.arange(n_actions)[None, :], axis=1)
        top[users] = order[:, : top.shape[1]]
        top_score[users] = np.take_along_axis(matrix, top[users], axis=1)
        pairs = slice(*np.searchsorted(held.pair_user, [start, start + step]))
        rows = slice(*np.searchsorted(held.rows.user, [start, start + step]))
        ranks[pairs] = place[held.pair_user[pairs] - start, held.pair_action[pairs]] + 1
        row_score[rows] = matrix[held.rows.user[rows] - start, held.rows.action[rows]]
    return Replayed(ranks, top, top_score, row_score)
