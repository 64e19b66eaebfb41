from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from recommender.models.choosing import Choice, chosen_by, sample_for_search
from recommender.models.holdout import Losses
from recommender.outcomes import Impressions

KNOWN = {"rank": 8.0, "level_half_life_days": 2.0}
PEOPLE = 400


class World:
    """Held-out losses where one value of each of some settings is better by a gain."""

    def __init__(self, better: Mapping[str, float], gain: float, noise: float) -> None:
        self.better, self.gain = better, gain
        self.luck = np.random.default_rng(0).normal(0, noise, (100, PEOPLE))
        self.tried: list[dict[str, float]] = []

    def losses(self, settings: Mapping[str, float]) -> Losses:
        self.tried.append(dict(settings))
        right = sum(settings[name] == value for name, value in self.better.items())
        loss = 0.5 - self.gain * right + self.luck[len(self.tried)]
        return Losses(np.arange(PEOPLE, dtype=np.int32), loss, np.ones(PEOPLE))

    def choose(self, start: Mapping[str, float] | None = None, seconds: float = 60.0) -> Choice:
        return chosen_by(self.losses, KNOWN, start, seconds)


def test_what_is_clearly_better_is_chosen() -> None:
    found = World({"rank": 16.0, "level_half_life_days": 8.0}, 0.01, 0.001).choose()
    assert found.settings == {"rank": 16.0, "level_half_life_days": 8.0}
    assert found.gain == pytest.approx(0.02, abs=0.001)
    assert found.figures()["setting_rank"] == 16.0


def test_luck_changes_nothing() -> None:
    world = World({}, 0.0, 0.1)
    world.luck -= world.luck.mean(axis=1, keepdims=True)
    world.luck[2:] -= 0.001 * np.arange(98)[:, None] / 98  # each trial better than the one before
    found = world.choose()
    assert len(world.tried) > 2
    assert found.settings == KNOWN
    assert found.gain == 0.0


def test_without_time_only_the_known_settings_are_tried() -> None:
    world = World({"rank": 16.0}, 0.1, 0.0)
    assert world.choose(seconds=0.0).settings == KNOWN
    assert world.tried == [KNOWN]


def test_last_times_choice_is_tried_early() -> None:
    best = {"rank": 24.0, "level_half_life_days": 30.0}
    world = World(best, 0.1, 0.0)
    assert world.choose(start={**best, "unknown": 1.0}).settings == best
    assert world.tried[1] == best


def test_a_search_needs_enough_rows_and_bounds_them() -> None:
    def rows(n: int) -> Impressions:
        none = np.zeros(n)
        whole = none.astype(np.int32)
        return Impressions(whole, whole, none, none.astype(bool), none, none)

    assert len(sample_for_search(rows(1_000), 100, 0)) == 0
    some = sample_for_search(rows(1_000_000), 5_000, 0)
    assert len(some) == len(np.unique(some)) == 300
