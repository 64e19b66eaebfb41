"""Settings for logs of completions, chosen on what is held out of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from recommender.models.positives import Pairs, own_pairs
from recommender.models.positives_base import NEVER, Leanings
from recommender.models.positives_blend import (
    Base,
    Blend,
    bases_of,
    best_of,
    blends,
    quick_choice,
)
from recommender.models.positives_hold_out import HeldOut
from recommender.models.positives_ranking import Float32Array, Judged
from recommender.models.positives_tastes import fit_tastes, has_levels
from recommender.models.prepared import Frame
from recommender.search import Settings, coordinate_search

LADDERS: Mapping[str, tuple[float, ...]] = {
    "rank": (8, 16, 32, 64, 96, 128),
    "ridge": (0.01, 0.03, 0.1, 0.3, 0.6, 1, 1.7, 3, 6),
    "alpha": (1, 2, 3, 5, 7, 10, 15, 20, 30),
    "fading": (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7),
    "likeness": (0, 0.3, 1, 3, 10),
    "repeats": (0, 0.5, 1),
}
_SHAPES = (
    (64, 1, 10, 0.3, 0),
    (128, 1, 10, 0.4, 0),
    (16, 1, 3, 0.2, 1),
    (8, 0.1, 3, 0.2, 1),
)
STARTS: tuple[Settings, ...] = tuple(
    {
        "rank": rank,
        "ridge": ridge,
        "alpha": alpha,
        "fading": fading,
        "likeness": likeness,
        "repeats": 0.5,
    }
    for rank, ridge, alpha, fading, likeness in _SHAPES
)
SEARCH_ITERATIONS = 10
ITERATIONS = 20


@dataclass(frozen=True)
class Recipe:
    """What was chosen.

    Attributes
    ----------
    tastes
        See ``positives_tastes.fit_tastes``.
    half_life_days, leaning
        Of popularity, and the weight of the feature model on top of it.
    base, factor
        Weights of both in the score.
    """

    tastes: Settings
    half_life_days: float = NEVER
    leaning: float = 1.0
    base: float = 0.1
    factor: float = 1.0


@dataclass(frozen=True)
class Chosen:
    """A recipe, and NDCG and recall of it and of simpler ones on what chose them."""

    recipe: Recipe
    gains: dict[str, float]
    tried: int
    finished: bool


def choose(
    frame: Frame,
    held: HeldOut,
    leanings: Leanings,
    seconds: float,
    seed: int,
    use_factors: bool,
) -> Chosen | None:
    """Try settings within the time; None if nothing held out can tell them apart."""
    n_actions = len(frame.catalogue)
    pairs = own_pairs(held.past.events, n_actions)
    judged = Judged.of(held, pairs, n_actions, seed)
    if not len(judged.users):
        return None
    bases = bases_of(frame, held, judged, leanings)
    trials = _Trials(frame, pairs, len(held.past.users), judged, quick_choice(bases), seed)
    ladders = _ladders(frame, pairs)
    starts = [{k: v if v in ladders[k] else ladders[k][0] for k, v in s.items()} for s in STARTS]
    found = coordinate_search(trials, ladders, starts, seconds=seconds if use_factors else 0)
    tried = blends(judged, trials.scores(found.settings), bases)
    blend = best_of([one for one in tried if use_factors or one.weight == np.inf])
    gains = {
        "popularity": bases[0].gain,
        "base": max(base.gain for base in bases),
        "factors": trials.alone,
        "chosen": blend.gain,
    }
    return Chosen(_recipe(found.settings, blend), gains, found.tried, found.finished)


def _ladders(frame: Frame, pairs: Pairs) -> dict[str, tuple[float, ...]]:
    """Leave out what can make no difference."""
    ladders = dict(LADDERS)
    if not has_levels(frame):
        ladders["likeness"] = (0.0,)
    if not (pairs.count > 1).any():
        ladders["repeats"] = (0.0,)
    return ladders


def _recipe(settings: Settings, blend: Blend) -> Recipe:
    alone = blend.weight == np.inf
    return Recipe(
        settings,
        blend.base.half_life_days,
        blend.base.leaning,
        base=1.0 if alone else blend.weight,
        factor=0.0 if alone else 1.0,
    )


@dataclass
class _Trials:
    """The cost of settings: minus the gain of their best blend with one of the bases.

    ``alone`` is the best gain of factors without a base.
    """

    frame: Frame
    pairs: Pairs
    n_users: int
    judged: Judged
    bases: list[Base]
    seed: int
    alone: float = 0.0

    def __call__(self, settings: Settings) -> float:
        tried = blends(self.judged, self.scores(settings), self.bases)
        self.alone = max(self.alone, *(blend.gain for blend in tried if not blend.weight))
        return -max(blend.gain for blend in tried if blend.weight)

    def scores(self, settings: Settings) -> Float32Array:
        """The factors' scores for the people judged."""
        tastes = fit_tastes(
            self.frame, self.pairs, self.n_users, settings, SEARCH_ITERATIONS, self.seed
        )
        users = tastes.users[self.judged.users].astype(np.float32)
        return np.asarray(users @ tastes.actions.astype(np.float32).T)
