"""Beginning a training where the last one ended.

The settings of the run in force are kept, and the final training's factors start from its. What
is judged on held-out days is still learned from nothing: the run in force has seen those days.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from recommender.dataset import FloatArray
from recommender.domain import Catalogue
from recommender.models.choosing import SEARCHED
from recommender.models.factors import Taste
from recommender.models.fold_in import ActionFactors, Packing
from recommender.models.parameters import Parameters

_LEAST_KNOWN = 0.8
"""Share of today's actions that a run must have learned to begin from it."""


@dataclass(frozen=True)
class WarmStart:
    """What a training takes over from another.

    Attributes
    ----------
    settings
        Those that a search chooses, by name.
    factors
        Of today's actions, in the order of the catalogue.
    """

    settings: dict[str, float]
    factors: ActionFactors

    def taste(self, n_users: int, n_described: int) -> Taste:
        """First tastes, to be refined; users' own are worked out anew."""
        mean = self.factors.mean
        n = mean.shape[1]
        second = Packing.of(n).full(self.factors.second)
        return Taste(
            mean=mean,
            covariance=second - mean[:, :, None] * mean[:, None, :],
            general=np.zeros((n - 1, n_described)),
            precision=self.factors.precision,
            users=np.zeros((n_users, n)),
            users_covariance=np.zeros((n_users, n, n)) + np.eye(n),
        )

    def fits(self, described: FloatArray, rank: int) -> bool:
        """Whether it is of these actions and of as many factors."""
        return self.factors.mean.shape == (len(described), rank + 1)


def warm_start(
    parameters: Parameters, learned: Catalogue, facts: Mapping[str, Any], catalogue: Catalogue
) -> WarmStart | str:
    """What to begin with, or why there is nothing.

    Parameters
    ----------
    parameters, learned, facts
        Of the run in force: as trained, the actions it learned from, and ``HybridModel.facts``.
    """
    if parameters.positives_only:
        return "the run in force learned from completions alone"
    settings = facts.get("settings", {})
    if not all(name in settings for name in SEARCHED):
        return "the run in force does not say what its settings were"
    known = sum(action_id in learned.index for action_id in catalogue.ids)
    if known < _LEAST_KNOWN * len(catalogue):
        return f"the run in force knows {known} of {len(catalogue)} actions"
    aligned = parameters.aligned(learned, catalogue)
    return WarmStart({name: float(settings[name]) for name in SEARCHED}, aligned.factors)
