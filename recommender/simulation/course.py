"""How people's readings move over the days of the log.

The survey value is a person's level at the end. Before it, some have drifted there over the
whole log, and some jumped there in its last ten days.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender.dataset import BoolArray, FloatArray, IntArray
from recommender.simulation.people import People
from recommender.simulation.world import MEASURES, METRIC_INDEX, THEMES

LAST_DAYS = 10.0
_CHANGED_SHARE = 0.15
_DRIFTING_SHARE = 0.25
_WORSE_SHARE = 0.75
_THEME_SHARE = 0.45
_MOST_NEED = 3.0


@dataclass(frozen=True)
class Course:
    """Levels over time; time is counted in days from the start of the log.

    Attributes
    ----------
    days
        Length of the log.
    level
        [n_people, n_metrics] level at the end, NaN if unknown.
    drift, jump
        [n_people, n_metrics] how much of it came gradually, and at once.
    changed
        True for people whose readings jumped.
    changed_day
        When they jumped; minus infinity for the others.
    """

    days: float
    level: FloatArray
    drift: FloatArray
    jump: FloatArray
    changed: BoolArray
    changed_day: FloatArray

    def levels(self, who: IntArray, day: float) -> FloatArray:
        """[len(who), n_metrics] levels on a day."""
        share = 1.0 - min(day / self.days, 1.0)
        before = (self.changed_day[who] > day)[:, None]
        return np.asarray(self.level[who] - self.drift[who] * share - self.jump[who] * before)

    def level_of(self, metric: int, who: IntArray, day: FloatArray) -> FloatArray:
        """Level of one metric for aligned people and days, inside the metric's limits."""
        share = np.clip(1.0 - day / self.days, 0.0, 1.0)
        before = self.changed_day[who] > day
        value = self.level[who, metric] - self.drift[who, metric] * share
        value = value - self.jump[who, metric] * before
        return np.asarray(np.clip(value, MEASURES[metric].floor, MEASURES[metric].ceiling))


def plan_course(people: People, days: int, rng: np.random.Generator) -> Course:
    """Decide whose readings drift or jump, and by how much."""
    count = len(people)
    changed = rng.random(count) < _CHANGED_SHARE
    drifting = rng.random(count) < _DRIFTING_SHARE
    ago = rng.uniform(1.0, max(1.5, min(LAST_DAYS, days / 2)), count)
    return Course(
        days=float(days),
        level=people.readings,
        drift=_moves(people, rng) * drifting[:, None],
        jump=_moves(people, rng) * changed[:, None],
        changed=changed,
        changed_day=np.where(changed, days - ago, -np.inf),
    )


def _moves(people: People, rng: np.random.Generator) -> FloatArray:
    """[n_people, n_metrics] signed moves in the metrics' units, by theme."""
    size = (len(people), len(THEMES))
    direction = np.where(rng.random(size) < _WORSE_SHARE, 1.0, -1.0)
    themes = direction * (rng.random(size) < _THEME_SHARE) * rng.uniform(0.6, 1.4, size)
    moves = np.zeros((len(people), len(MEASURES)))
    for place, measure in enumerate(MEASURES):
        if measure.theme in THEMES:
            moves[:, place] = themes[:, THEMES.index(measure.theme)] * measure.shift
    metres = people.readings[:, METRIC_INDEX["body_height"]] / 100.0
    weight = moves[:, METRIC_INDEX["body_weight"]]
    moves[:, METRIC_INDEX["body_mass_index"]] = np.nan_to_num(weight / metres**2)
    return moves


def needs(levels: FloatArray) -> FloatArray:
    """Steps away from the range in which nobody feels a need; 0 where unknown.

    ``levels`` and the result are [n_people, n_metrics]; at most three steps count.
    """
    low = np.array([measure.low for measure in MEASURES])
    high = np.array([measure.high for measure in MEASURES])
    scale = np.array([measure.scale for measure in MEASURES])
    away = np.maximum(low - levels, levels - high) / scale
    return np.asarray(np.clip(np.nan_to_num(away, nan=0.0), 0.0, _MOST_NEED))
