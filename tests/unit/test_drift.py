"""What changed between two runs is measured, and chance alone is not taken for a change."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from histories import CATALOGUE, END, METRICS, history
from hypothesis import given
from hypothesis import strategies as st

from recommender.dataset import FloatArray, Observations, Records, select_events
from recommender.domain import EVENT_CODES, SECONDS_PER_DAY
from recommender.drift.feeds import event_feeds, reading_feeds
from recommender.drift.measure import measure, since
from recommender.drift.outcomes import calibration, paired
from recommender.drift.people import (
    compare,
    picture,
    picture_document,
    picture_from,
    population_stability,
)
from recommender.features.space import fit_space
from recommender.models import hybrid
from recommender.models.holdout import expected
from recommender.outcomes import Impressions
from recommender.store.feeds import FeedCount

COUNTS = st.lists(st.integers(0, 500), min_size=2, max_size=8)


@given(COUNTS, st.data())
def test_stability_index_is_symmetric_and_zero_only_without_change(
    before: list[int], data: st.DataObject
) -> None:
    size = len(before)
    now = data.draw(st.lists(st.integers(0, 500), min_size=size, max_size=size))
    index = population_stability(before, now)
    assert index == pytest.approx(population_stability(now, before))
    assert index >= -1e-12
    assert population_stability(before, before) == pytest.approx(0.0)


def steps(values: FloatArray) -> Records:
    """One reading a person, on the day before the end."""
    people = history(len(values))
    user = np.arange(len(values), dtype=np.int32)
    at = np.full(len(values), END - SECONDS_PER_DAY)
    return replace(people, observations=Observations(user, np.zeros_like(user), values, at))


def test_a_picture_survives_json_and_shows_no_one() -> None:
    values = 5000 + 1000 * np.random.default_rng(1).normal(size=400)
    records = steps(values)
    taken = picture(fit_space(records, METRICS, END), records, END)
    assert picture_from(picture_document(taken)) == taken
    [levels] = [column for column in taken if column.name == "biometrics:steps:level"]
    assert len(levels.edges) == 9
    assert all(edge == float(f"{edge:.3g}") for edge in levels.edges)
    assert all(count % 10 == 0 for count in (*levels.counts, levels.missing))
    assert min(levels.counts) >= 20
    assert levels.known == pytest.approx(400, abs=50)


def test_a_rare_column_is_no_part_of_the_picture() -> None:
    records = history(400)
    users = records.users
    rare = np.array([f"name {n // 10}" if n < 40 else "common" for n in range(400)], dtype=object)
    records = replace(records, users=replace(users, attributes={"nickname": rare}))
    space = fit_space(records, METRICS, END)
    names = {column.name for column in picture(space, records, END)}
    assert any("name " in name for name in space.names)
    assert not any("name " in name for name in names)
    assert "profile:condition=type_2_diabetes" in names


@pytest.mark.parametrize(
    ("factor", "offset", "moved"), [(1.0, 0.0, False), (2.2, 0.0, True), (1.0, 1500.0, True)]
)
def test_a_shift_is_told_from_chance(factor: float, offset: float, moved: bool) -> None:
    random = np.random.default_rng(2)
    before = steps(5000 + 1000 * random.normal(size=300))
    now = steps((5000 + 1000 * random.normal(size=300)) * factor + offset)
    space = fit_space(before, METRICS, END)
    drift = {one.name: one for one in compare(picture(space, before, END), space, now, END)}
    found = drift["biometrics:steps:level"]
    assert (found.beyond_chance and found.psi > 0.25) == moved
    assert found.present_before == found.present_now == 1.0
    assert not drift["profile:age"].beyond_chance


def test_missing_values_are_counted_apart() -> None:
    before = steps(np.linspace(4000, 9000, 300))
    space = fit_space(before, METRICS, END)
    gone = replace(
        before, observations=Observations(*(np.zeros(0, t) for t in ("i4", "i4", "f8", "f8")))
    )
    [found] = [
        one
        for one in compare(picture(space, before, END), space, gone, END)
        if one.name == "biometrics:steps:level"
    ]
    assert (found.present_before, found.present_now) == (1.0, 0.0)


def feed(
    source: str | None, weeks: list[int], people: int = 40, mean: float = 10.0, newest: float = 10.0
) -> list[FeedCount]:
    """Counts of the newest day, the rest of its week, and the weeks before; spread 1."""
    halves = [n for week in weeks[2:] for n in (week // 7, week - week // 7)]
    return [
        FeedCount("steps", source, period, n, n * m, n * (m * m + 1.0), people)
        for period, n in enumerate([*weeks[:2], *halves])
        for m in [newest if period == 0 else mean]
        if n
    ]


def test_a_feed_that_stops_and_one_that_goes_on() -> None:
    counts = feed("watch", [0, 0, 70, 80, 70, 70]) + feed("cuff", [10, 60, 70, 70, 60, 80])
    found = {one.name: one for one in reading_feeds(counts)}
    assert found["steps/watch"].ratio == 0.0
    assert found["steps/cuff"].ratio == 1.0
    assert found["steps/watch"].share == found["steps/cuff"].share == 0.5


def test_the_last_day_is_set_against_the_same_day_of_the_weeks_before() -> None:
    [silent] = reading_feeds(feed("watch", [7, 420, 490, 490, 490, 490]))
    assert (silent.usual_day, silent.day) == (70.0, 0.1)
    assert silent.ratio > 0.8
    # On a day on which it never brings anything, or too little, nothing can be said.
    weekdays = [
        FeedCount("steps", "clinic", 2 * week + 1, 350, 0.0, 350.0, 40) for week in range(5)
    ]
    [found] = reading_feeds(weekdays)
    assert (found.ratio, found.usual_day, found.day) == (1.0, 0.0, None)


def test_a_single_import_and_a_new_feed_are_not_judged() -> None:
    assert reading_feeds(feed("old papers", [0, 0, 0, 9000, 0, 0])) == []
    assert reading_feeds(feed("new", [50, 300, 0, 0, 0, 0])) == []


def test_sources_of_few_people_are_not_named() -> None:
    counts = [
        row
        for person in range(30)
        for row in feed(f"Ann {person}'s watch", [1, 6, 7, 7, 7, 7], people=1)
    ]
    [found] = reading_feeds(counts)
    assert found.name == "steps/other sources"
    assert found.ratio == 1.0
    assert reading_feeds(feed("Bea's watch", [100] * 6, people=1)) == []


def test_new_readings_in_another_unit_are_seen_on_the_first_day() -> None:
    [usual] = reading_feeds(feed("watch", [50, 300, 350, 350, 350, 350]))
    [other] = reading_feeds(feed("watch", [50, 300, 350, 350, 350, 350], newest=22.0))
    assert usual.shift == pytest.approx(0.0, abs=1e-6)
    assert other.shift == pytest.approx(12.0)
    [few] = reading_feeds(feed(None, [50, 300, 350, 350, 350, 350]))
    assert few.name == "steps"


def test_types_of_events_are_feeds() -> None:
    found = {one.name: one for one in event_feeds(history().events, END)}
    assert set(found) == {"event/impression", "event/complete"}
    late = history().events
    kept = (late.kind != EVENT_CODES["complete"]) | (late.at < END - 8 * SECONDS_PER_DAY)
    stopped = {one.name: one.ratio for one in event_feeds(select_events(late, kept), END)}
    assert stopped["event/complete"] == 0.0
    assert stopped["event/impression"] > 0.8


def rows(log_odds: FloatArray, seed: int = 0) -> Impressions:
    n = len(log_odds)
    completed = np.random.default_rng(seed).random(n) < 1 / (1 + np.exp(-log_odds))
    return Impressions(
        np.arange(n, dtype=np.int32) // 4,
        np.zeros(n, np.int32),
        np.arange(n, dtype=np.float64),
        completed,
        np.ones(n),
        np.full(n, np.nan),
    )


def test_calibration_finds_the_shift_and_the_slope_there_are() -> None:
    truth = np.random.default_rng(3).normal(-1.5, 1.0, 40_000)
    exact = calibration(rows(truth), truth)
    assert exact is not None
    assert exact.slope is not None
    assert abs(exact.shift) < 3 * exact.shift_se < 0.1
    assert exact.slope == pytest.approx(1.0, abs=0.05)
    off = calibration(rows(truth), 2.0 * truth + 3.0)
    assert off is not None
    assert off.slope == pytest.approx(0.5, abs=0.03)
    low = calibration(rows(truth), truth + 0.8)
    assert low is not None
    assert low.shift == pytest.approx(-0.8, abs=0.05)


def test_calibration_stands_where_nothing_is_completed_any_more() -> None:
    expected = np.full(1000, -1.0)
    found = calibration(replace(rows(expected), completed=np.zeros(1000, np.bool_)), expected)
    assert found is not None
    assert found.shift < -3
    assert found.slope is None


def test_too_few_rows_say_nothing() -> None:
    few = np.full(150, -1.0)
    assert calibration(rows(few), few) is None
    assert paired(rows(few), few, few) is None
    rare = np.full(1000, -6.0)
    assert calibration(rows(rare), rare) is None


def test_paired_comparison_knows_which_model_is_worse() -> None:
    truth = np.random.default_rng(4).normal(-1.0, 1.0, 8000)
    found = paired(rows(truth), np.full(8000, -1.0), truth)
    assert found is not None
    assert found.change > 3 * found.change_se > 0
    same = paired(rows(truth), truth, truth)
    assert same is not None
    assert (same.change, same.change_se) == (0.0, 0.0)


def test_a_first_run_is_compared_with_nothing() -> None:
    records = history()
    model = hybrid.fit(records, CATALOGUE, METRICS, END)
    drift = measure(model, None, records, [], datetime.fromtimestamp(END, UTC))
    assert drift.own is not None
    assert drift.features == ()
    assert drift.published is drift.late is drift.early is None
    assert not any(name.startswith("drift_") for name, _ in drift.figures())


def test_only_rows_after_an_instant_are_compared_with_their_own_people() -> None:
    records = history()
    late_comers = select_events(records.events, records.events.user >= 5)
    records = replace(records, events=late_comers)
    model = hybrid.fit(records, CATALOGUE, METRICS, END)
    held = model.held_out
    assert held is not None
    at = END - 3 * SECONDS_PER_DAY
    new = since(held, at)
    assert (new.rows.at > at).all()
    assert len(new.rows) == (held.rows.at > at).sum()
    ids = new.records.users.ids[new.rows.user]
    assert ids.tolist() == held.records.users.ids[held.rows.user[held.rows.at > at]].tolist()
    # The same model says the same of them, whoever else is there.
    alone = expected(model.parameters, new)
    among = expected(model.parameters, held)
    np.testing.assert_allclose(alone, among[held.rows.at > at], atol=1e-9)
