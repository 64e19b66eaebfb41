"""How much of what is expected of everyone goes into a score, beside a person's tastes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recommender.dataset import IntArray
from recommender.models.positives_base import NEVER, Leanings, log_popularity, vectors_at
from recommender.models.positives_hold_out import HeldOut
from recommender.models.positives_ranking import Float32Array, Judged
from recommender.models.prepared import Frame

HALF_LIVES = (NEVER, 112.0, 56.0, 28.0, 14.0, 7.0, 3.0)
LEANINGS = (0.0, 0.5, 1.0, 1.4, 2.0)
BLENDS = (0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 1.0)
"""Weights of the base beside the factors; the base alone is one choice more.

None at all is tried but not chosen: nothing would be expected of people without history.
"""

AS_GOOD = 0.005
"""Of feature weights whose gain is this close to the best, relative to it, the largest is taken.

What is shown most is done most, so that popularity looks better on any log than it is; who leans
towards what does not depend on that.
"""

_LOW = np.float32(-1e30)


@dataclass(frozen=True)
class Base:
    """What is expected of the people judged.

    Attributes
    ----------
    half_life_days, leaning
        Of popularity, and the weight of the feature model on top of it.
    scores, best
        Of every action, and the best actions, for each person.
    gain
        Of the base alone.
    """

    half_life_days: float
    leaning: float
    scores: Float32Array
    best: IntArray
    gain: float


@dataclass(frozen=True)
class Blend:
    """A base with its weight, infinite where it stands alone, and the gain of both together."""

    base: Base
    weight: float
    gain: float


def bases_of(frame: Frame, held: HeldOut, judged: Judged, leanings: Leanings) -> list[Base]:
    """The best base of each feature weight; plain popularity, which does not fade, first."""
    n_actions = len(frame.catalogue)
    vectors = vectors_at(frame, held.past, held.at)[judged.users]
    leaning = leanings.scores(vectors).astype(np.float32)
    fades = HALF_LIVES if held.by_time else (NEVER,)
    every = {h: log_popularity(held.past, n_actions, h).astype(np.float32) for h in fades}
    out = [_base(judged, NEVER, 0.0, every[NEVER])]
    for weight in LEANINGS if leaning.any() else (0.0,):
        added = np.float32(weight) * leaning
        tried = (_base(judged, h, weight, popular + added) for h, popular in every.items())
        out.append(max(tried, key=lambda base: base.gain))
    return out


def _base(judged: Judged, half_life: float, weight: float, scores: Float32Array) -> Base:
    shown = judged.visible(np.broadcast_to(scores, judged.relevant.shape))
    best = judged.best(shown)
    gain = judged.gain(best, np.take_along_axis(shown, best, axis=1))
    return Base(half_life, weight, shown, best, gain)


def quick_choice(bases: Sequence[Base]) -> list[Base]:
    """The best base alone, and plain popularity."""
    return [max(bases, key=lambda base: base.gain), bases[0]]


def blends(judged: Judged, scores: Float32Array, bases: Sequence[Base]) -> list[Blend]:
    """Gains of scores of the factors with each base, at every weight."""
    shown = judged.visible(scores)
    best = judged.best(shown)
    return [blend for base in bases for blend in _blends(judged, shown, best, base)]


def _blends(judged: Judged, scores: Float32Array, best: IntArray, base: Base) -> list[Blend]:
    """Only the best of either can well be among the best of both."""
    actions = np.concatenate([best, base.best], axis=1)
    factor = np.take_along_axis(scores, actions, axis=1)
    expected = np.maximum(np.take_along_axis(base.scores, actions, axis=1), _LOW)
    twice = np.zeros(scores.shape, np.bool_)
    np.put_along_axis(twice, best, True, axis=1)
    factor[:, best.shape[1] :][np.take_along_axis(twice, base.best, axis=1)] = -np.inf
    out = [Blend(base, np.inf, base.gain)]
    for weight in BLENDS:
        both = np.asarray(factor + np.float32(weight) * expected, np.float32)
        out.append(Blend(base, weight, judged.gain(actions, both)))
    return out


def best_of(tried: Sequence[Blend]) -> Blend:
    """The best blend, or the most personal of those as good."""
    possible = [blend for blend in tried if blend.weight > 0]
    enough = max(blend.gain for blend in possible) * (1 - AS_GOOD)
    as_good = [blend for blend in possible if blend.gain >= enough]
    return max(as_good, key=lambda blend: (blend.base.leaning, blend.gain))
