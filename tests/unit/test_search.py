"""Search of settings: finds the best, keeps to its time, survives useless trials."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.search import coordinate_search

LADDERS = {"a": [1.0, 2.0, 4.0, 8.0], "b": [0.0, 0.5, 1.0]}


@given(st.sampled_from(LADDERS["a"]), st.sampled_from(LADDERS["b"]), st.integers(0, 11))
def test_the_lowest_point_of_a_bowl_is_found_from_anywhere(a: float, b: float, first: int) -> None:
    start = dict(zip(LADDERS, list(itertools.product(*LADDERS.values()))[first], strict=True))
    found = coordinate_search(
        lambda s: (math.log(s["a"] / a)) ** 2 + (s["b"] - b) ** 2, LADDERS, [start], seconds=60
    )
    assert (found.settings, found.finished) == ({"a": a, "b": b}, True)


def test_a_second_start_gets_out_of_a_dip_that_holds_the_first() -> None:
    dips = {1.0: 1.0, 2.0: 3.0, 4.0: 2.0, 8.0: 0.0}
    ladder = {"a": LADDERS["a"]}
    stuck = coordinate_search(lambda s: dips[s["a"]], ladder, [{"a": 1.0}], seconds=60)
    both = coordinate_search(lambda s: dips[s["a"]], ladder, [{"a": 1.0}, {"a": 4.0}], seconds=60)
    assert (stuck.settings["a"], both.settings["a"]) == (1.0, 8.0)


def test_no_trial_is_begun_that_would_not_end_in_time_but_one_is_always_made() -> None:
    now = [0.0]

    def slow(settings: object) -> float:
        now[0] += 10.0
        return -now[0]

    starts = [{"a": 1.0, "b": 0.0}]
    found = coordinate_search(slow, LADDERS, starts, seconds=35, clock=lambda: now[0])
    assert (found.tried, found.finished, now[0]) == (3, False, 30.0)
    hasty = coordinate_search(slow, LADDERS, starts, seconds=0, clock=lambda: now[0])
    assert (hasty.tried, hasty.finished) == (1, False)


def test_a_trial_without_a_figure_never_wins() -> None:
    found = coordinate_search(
        lambda s: math.nan if s["a"] > 1 else 5.0, LADDERS, [{"a": 2.0, "b": 0.5}], seconds=60
    )
    assert (found.settings["a"], found.cost) == (1.0, 5.0)


def test_a_start_off_its_ladder_is_refused() -> None:
    with pytest.raises(ValueError, match=r"3\.0"):
        coordinate_search(lambda s: 0.0, LADDERS, [{"a": 3.0, "b": 0.0}], seconds=60)
