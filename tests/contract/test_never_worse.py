"""The hybrid never loses more than a little to the best of its parts, whatever the data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recommender.dataset import FloatArray, Records
from recommender.models import hybrid, popularity
from recommender.quality import ndcg_at_k
from tests.benchmarks.cohorts import Cohort, Variant, cohort

ALLOWED = 0.01
"""Share of the best part's figure that may be lost."""

NOTHING = Variant(
    users=500, actions=30, taste=0.0, profile=0.0, need=0.0, popularity=0.0, changed_share=0.0
)
WORLDS = {
    "all actions alike": NOTHING,
    "popularity only": replace(NOTHING, popularity=1.0),
    "features useless": replace(NOTHING, popularity=1.0, taste=1.0),
    "tastes useless": replace(NOTHING, popularity=1.0, profile=0.5, need=0.7),
    "behaviour only": replace(NOTHING, popularity=0.5, fatigue=0.5, habit=0.8),
    "people differ in how much they do": replace(NOTHING, popularity=1.0, level=1.0),
    "sparse": Variant(users=300, actions=40, impressions_per_day=0.15),
    "sparse popularity": replace(NOTHING, users=300, popularity=1.0, impressions_per_day=0.15),
}


def without_profiles_and_readings(records: Records) -> Records:
    n, readings = len(records.users), records.observations
    none = slice(0, 0)
    return Records(
        replace(
            records.users,
            born_at=np.full(n, np.nan),
            sex=np.zeros(n, np.int8),
            attributes={},
        ),
        records.events,
        replace(
            readings,
            user=readings.user[none],
            metric=readings.metric[none],
            value=readings.value[none],
            at=readings.at[none],
        ),
    )


def entrants(world: Cohort, seed: int) -> dict[str, FloatArray]:
    """Log-odds of each model, shape [n_users, n_actions]; every one is fitted on its own."""

    def fitted(records: Records) -> FloatArray:
        model = hybrid.fit(records, world.catalogue, world.metrics, world.as_of, seed=seed)
        return model.score(records, world.as_of)

    all_parts = fitted(world.records)
    bare = fitted(without_profiles_and_readings(world.records))
    popular = popularity.fit(world.records, world.catalogue, world.as_of)
    return {
        "hybrid": all_parts.sum(axis=2),
        "popularity": popular.score(world.records, world.as_of).sum(axis=2),
        "features": all_parts[:, :, :3].sum(axis=2),
        "factors": bare[:, :, 0] + bare[:, :, 4],
    }


def figures(world: Cohort, log_odds: FloatArray) -> tuple[float, float]:
    """Log loss expected under the true probabilities, and NDCG@10 against them."""
    p = 1.0 / (1.0 + np.exp(-log_odds))
    loss = -(world.p * np.log(p) + (1 - world.p) * np.log1p(-p)).mean()
    return float(loss), float(ndcg_at_k(world.p, log_odds).mean())


@pytest.mark.parametrize("name", WORLDS)
def test_hybrid_is_at_most_one_percent_below_the_best_part(name: str) -> None:
    world = cohort(WORLDS[name], 3)
    found = {who: figures(world, scores) for who, scores in entrants(world, 3).items()}
    loss, gain = found.pop("hybrid")
    assert loss <= (1 + ALLOWED) * min(one[0] for one in found.values()), found
    assert gain >= (1 - ALLOWED) * max(one[1] for one in found.values()), found
