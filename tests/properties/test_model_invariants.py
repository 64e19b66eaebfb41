"""Whatever is recorded: terms add up, nobody sees anybody else's record, order of ties is free."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.dataset import Events, Records, select_events, take_users, until
from recommender.domain import EVENT_CODES
from recommender.models import hybrid
from recommender.models.hybrid import HybridModel, ModelSettings
from tests.benchmarks.cohorts import DAY, Cohort, Variant, cohort

WORLD = Variant(users=250, actions=12, habit=0.5, fatigue=0.3)


@pytest.fixture(scope="module")
def world() -> Cohort:
    return cohort(WORLD, 9)


@pytest.fixture(scope="module", params=["impressions", "completions only"])
def model(request: pytest.FixtureRequest, world: Cohort) -> HybridModel:
    records = world.records
    if request.param == "completions only":
        done = records.events.kind == EVENT_CODES["complete"]
        records = replace(records, events=select_events(records.events, done))
    quick = ModelSettings(search_seconds=0.5)
    return hybrid.fit(records, world.catalogue, world.metrics, world.as_of, settings=quick)


deeds = st.lists(
    st.tuples(
        st.integers(0, 11),
        st.sampled_from(sorted(EVENT_CODES)),
        st.floats(0, 500, allow_nan=False),
        st.integers(-1, 3),
    ),
    max_size=30,
)


def with_events(records: Records, rows: list[tuple[int, str, float, int]], as_of: float) -> Records:
    rows = sorted(rows, key=lambda row: -row[2])
    n = len(rows)
    events = Events(
        np.zeros(n, np.int32),
        np.array([row[0] for row in rows], np.int32),
        np.array([EVENT_CODES[row[1]] for row in rows], np.int8),
        as_of - np.array([row[2] for row in rows]) * DAY,
        np.array([row[3] for row in rows], np.int64),
        np.full(n, np.nan),
        np.where([row[1] == "rate" for row in rows], 4.0, np.nan) if n else np.zeros(0),
    )
    return replace(records, events=events)


@settings(max_examples=60, deadline=None)
@given(rows=deeds)
def test_any_history_gives_finite_scores_whose_terms_add_up(
    world: Cohort, model: HybridModel, rows: list[tuple[int, str, float, int]]
) -> None:
    one = with_events(take_users(world.records, 4, 5), rows, world.as_of)
    parts = model.score(one, world.as_of)
    assert np.isfinite(parts).all()
    terms = model.explain(one, world.as_of, 0, [0, 11])
    for place, action in enumerate((0, 11)):
        total = sum(term.contribution for term in terms[place])
        assert total == pytest.approx(parts[0, action].sum(), abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(rows=deeds, start=st.integers(0, 200), size=st.integers(1, 40))
def test_others_in_the_batch_change_nothing(
    world: Cohort,
    model: HybridModel,
    rows: list[tuple[int, str, float, int]],
    start: int,
    size: int,
) -> None:
    batch = take_users(world.records, start, start + size)
    alone = take_users(world.records, start, start + 1)
    np.testing.assert_allclose(
        model.score(batch, world.as_of)[0], model.score(alone, world.as_of)[0], atol=1e-9
    )


@settings(max_examples=30, deadline=None)
@given(rows=deeds, day=st.floats(0, 100, allow_nan=False))
def test_what_comes_later_changes_nothing(
    world: Cohort, model: HybridModel, rows: list[tuple[int, str, float, int]], day: float
) -> None:
    one = with_events(take_users(world.records, 4, 5), rows, world.as_of)
    then = world.as_of - day * DAY
    past = until(one, then)
    assert (past.events.at <= then).all()
    np.testing.assert_allclose(model.score(one, then), model.score(past, then), atol=1e-9)
