"""Who takes part: every entrant gives a score for every action of the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from recommender.dataset import FloatArray, IntArray
from recommender.leaderboard.held_out import HeldOut, judged_records
from recommender.models.hybrid import HybridModel
from recommender.models.live import BASE, FACTOR

Scores = Callable[[IntArray], FloatArray]
"""Places of judged people -> scores of every action, shape [n_people, n_actions]."""

HYBRID = "hybrid"

_AT_ONCE = 600_000


@dataclass(frozen=True)
class Entrant:
    """A line of the leaderboard.

    Attributes
    ----------
    name, label
        For machines and for people.
    scores
        Log-odds of completing where ``gives_probability``, else any number that orders actions.
    settings
        What was chosen for it on the days before the split.
    """

    name: str
    label: str
    scores: Scores
    gives_probability: bool = False
    settings: Mapping[str, float] = field(default_factory=dict)


class Parts:
    """Parts of the hybrid's scores as of the split, worked out once for three entrants."""

    def __init__(self, model: HybridModel, held: HeldOut) -> None:
        self._model, self._held = model, held
        self._of: bytes = b""
        self._parts: FloatArray = np.zeros((0, 0, 0))

    def of(self, users: IntArray) -> FloatArray:
        """Parts for some of the judged, shape [n_people, n_actions, 5]."""
        if users.tobytes() != self._of:
            some = judged_records(self._held, users)
            self._parts = self._model.score(some, self._held.split)
            self._of = users.tobytes()
        return self._parts


def hybrid_entrants(model: HybridModel, held: HeldOut) -> list[Entrant]:
    """The hybrid, and its own parts without one another."""
    parts = Parts(model, held)
    return [
        Entrant("features", "feature model alone", lambda u: _without_factor(parts.of(u)), True),
        Entrant("factors", "factors alone", lambda u: _base_and_factor(parts.of(u)), True),
        Entrant(HYBRID, "hybrid", lambda u: np.asarray(parts.of(u).sum(axis=2)), True),
    ]


def probabilities(entrant: Entrant, n_people: int, n_actions: int) -> FloatArray:
    """Probabilities of every action for everyone judged, shape [n_people, n_actions]."""
    out = np.empty((n_people, n_actions))
    step = max(1, _AT_ONCE // max(n_actions, 1))
    for start in range(0, n_people, step):
        users = np.arange(start, min(start + step, n_people))
        out[users] = 1.0 / (1.0 + np.exp(-entrant.scores(users)))
    return out


def _without_factor(parts: FloatArray) -> FloatArray:
    return np.asarray(parts[:, :, :FACTOR].sum(axis=2))


def _base_and_factor(parts: FloatArray) -> FloatArray:
    return np.asarray(parts[:, :, BASE] + parts[:, :, FACTOR])
