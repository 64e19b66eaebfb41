"""What people are shown: slates drawn from popularity and chance, never from the person.

Every propensity is exact. A slate is a systematic sample: the inclusion probabilities of the
day are laid end to end in random order, and marks one apart, from a random start, pick the
actions they fall on. So an action is on a slate with exactly its probability.
"""

from __future__ import annotations

import numpy as np

from recommender.dataset import FloatArray, IntArray
from recommender.simulation.world import SLATE_SIZE, Menu

_CHANCE = 0.4
_MOST_PROPENSITY = 0.35


def slate_probabilities(menu: Menu, days: int, seed: int) -> FloatArray:
    """[n_weeks, n_actions] probability that an action is on a slate of that week.

    Popularity that wavers from week to week, mixed with chance; no action is on more than
    about a third of the slates. Rows add up to the number of actions on a slate.
    """
    weeks = int(np.ceil(days / 7.0))
    rng = np.random.default_rng([seed, 31])
    favour = 0.8 * menu.appeal + 0.5 * rng.normal(size=(weeks, len(menu)))
    weight = np.exp(favour) * menu.launched
    share = (1.0 - _CHANCE) * weight / weight.sum(axis=1, keepdims=True)
    share = share + _CHANCE * menu.launched / menu.launched.sum()
    slots = min(SLATE_SIZE, int(menu.launched.sum()))
    return _capped(slots * share, max(_MOST_PROPENSITY, 1.5 * slots / menu.launched.sum()))


def _capped(wanted: FloatArray, most: float) -> FloatArray:
    """Cut at ``most`` (never above 1) and spread what was cut; keeps the row sums."""
    total = wanted.sum(axis=1, keepdims=True)
    most = min(most, 1.0)
    for _ in range(50):
        wanted = np.minimum(wanted, most)
        room = (wanted < most) * wanted
        lacking = total - wanted.sum(axis=1, keepdims=True)
        wanted = wanted + lacking * room / np.maximum(room.sum(axis=1, keepdims=True), 1e-12)
    return np.asarray(np.minimum(wanted, most))


def draw_slates(
    shown: FloatArray, count: int, rng: np.random.Generator
) -> tuple[IntArray, FloatArray]:
    """Draw ``count`` slates: actions and their propensities, both [count, slate size].

    ``shown`` is one row of ``slate_probabilities``. No action is twice on a slate.
    """
    order = rng.permutation(np.flatnonzero(shown > 0.0))
    ends = np.cumsum(shown[order])
    size = round(float(ends[-1]))
    ends *= size / ends[-1]
    marks = rng.random((count, 1)) + np.arange(size)
    picked = order[np.minimum(np.searchsorted(ends, marks, side="right"), len(order) - 1)]
    return picked, shown[picked]
