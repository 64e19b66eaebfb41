"""Choosing the settings that depend on the data, by trial on held-out time within a budget.

Two settings are worth it: how many factors, and how fast a reading ages. Everything else was
either learned in closed form or made no difference (see docs/decisions/002-model.md).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from recommender import quality
from recommender.dataset import IntArray
from recommender.models.holdout import Losses
from recommender.outcomes import Impressions
from recommender.search import coordinate_search

SEARCHED: Mapping[str, tuple[float, ...]] = {
    "rank": (4.0, 8.0, 16.0, 24.0),
    "level_half_life_days": (2.0, 8.0, 30.0),
}
"""Values to choose from; a setting that was given otherwise is one more."""

_FEWEST_ROWS = 50_000
"""With fewer impressions than this, differences between settings are noise."""
_MOST_ROWS = 60_000
"""Impressions that trials learn from: bounds the time of one, whatever the data."""
_LEAST_GAIN_SE = 1.0
"""Standard errors by which another setting must be better than the given one."""


@dataclass(frozen=True)
class Choice:
    """What the search came to.

    Attributes
    ----------
    settings
        The chosen ones.
    tried
        Settings tried; 0 if there was no search.
    gain, gain_se
        Held-out log loss of the given settings less that of the best, and its standard error.
    finished
        False if time ran out before nothing near was better.
    """

    settings: Mapping[str, float]
    tried: int = 0
    gain: float = 0.0
    gain_se: float = 0.0
    finished: bool = True

    def facts(self) -> dict[str, Any]:
        """What is worth keeping with the run."""
        return {
            "tried": self.tried,
            "gain": self.gain,
            "gain_se": self.gain_se,
            "finished": self.finished,
        }

    def figures(self) -> dict[str, float]:
        """Chosen settings and how they came about, by name; empty if there was no search."""
        if not self.tried:
            return {}
        chosen = {f"setting_{name}": value for name, value in self.settings.items()}
        return {**chosen, "search_tried": float(self.tried), "search_gain": self.gain}


def sample_for_search(rows: Impressions, n_users: int, seed: int) -> IntArray:
    """Users whose records settings are tried on, ascending; none where there is too little."""
    if len(rows) < _FEWEST_ROWS:
        return np.zeros(0, np.int64)
    some = int(n_users * min(1.0, _MOST_ROWS / len(rows)))
    return np.sort(np.random.default_rng(seed).choice(n_users, max(some, 1), replace=False))


def chosen_by(
    losses: Callable[[Mapping[str, float]], Losses],
    known: Mapping[str, float],
    start: Mapping[str, float] | None,
    seconds: float,
) -> Choice:
    """Search from the known settings, and from last time's where given.

    The known ones stand unless others are better by more than chance.
    """
    ladders = {name: sorted({*SEARCHED[name], known[name]}) for name in SEARCHED}
    kept: dict[tuple[float, ...], Losses] = {}

    def cost(settings: Mapping[str, float]) -> float:
        kept[_key(settings)] = losses(settings)
        return _mean(kept[_key(settings)])

    # The thread's own time: on a busy machine a search would otherwise end after its first trial.
    starts = _starts(ladders, known, start)
    found = coordinate_search(cost, ladders, starts, seconds=seconds, clock=time.thread_time)
    plain, best = kept[_key(known)], kept[_key(found.settings)]
    gain = _mean(plain) - _mean(best)
    error = quality.clustered_se(plain.user, plain.loss - best.loss, plain.weight)
    stays = gain <= _LEAST_GAIN_SE * error
    return Choice(
        dict(known) if stays else found.settings,
        len(kept),
        0.0 if stays else gain,
        error,
        found.finished,
    )


def _starts(
    ladders: Mapping[str, list[float]],
    known: Mapping[str, float],
    start: Mapping[str, float] | None,
) -> list[dict[str, float]]:
    if not start:
        return [dict(known)]
    near = {
        name: min(values, key=lambda v: abs(v - start.get(name, known[name])))
        for name, values in ladders.items()
    }
    return [dict(known)] if near == known else [dict(known), near]


def _key(settings: Mapping[str, float]) -> tuple[float, ...]:
    return tuple(settings[name] for name in SEARCHED)


def _mean(losses: Losses) -> float:
    return float(losses.loss.sum() / losses.weight.sum())
