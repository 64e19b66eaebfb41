"""Who is learned from where there are too many people for all of them."""

from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recommender.dataset import sample_of
from recommender.models.model_settings import ModelSettings

_IDS = st.lists(st.text(min_size=1, max_size=8), unique=True, max_size=60)


@given(_IDS, st.integers(1, 70), st.integers(0, 2**31 - 1), st.randoms(use_true_random=False))
def test_the_same_people_whatever_their_order(
    ids: list[str], most: int, seed: int, chance: Random
) -> None:
    shuffled = sorted(ids, key=lambda _: chance.random())
    one, two = (np.array(each, dtype=object) for each in (sorted(ids), shuffled))
    first, second = sample_of(one, most, seed), sample_of(two, most, seed)

    assert len(first) == min(most, len(ids))
    assert (np.diff(first) > 0).all()
    assert set(one[first]) == set(two[second])


@given(_IDS, st.integers(1, 60), st.integers(0, 9))
def test_who_was_chosen_stays_chosen_while_others_leave(
    ids: list[str], most: int, seed: int
) -> None:
    everybody = np.array(ids, dtype=object)
    chosen = set(everybody[sample_of(everybody, most, seed)])
    fewer = everybody[1:]

    assert chosen - set(fewer[sample_of(fewer, most, seed)]) <= set(everybody[:1])


def test_numbered_people_are_drawn_evenly() -> None:
    ids = np.array([f"p{number:09d}" for number in range(20_000)], dtype=object)
    chosen = sample_of(ids, 5_000, 0)

    by_thousand = np.bincount(chosen // 1000, minlength=20)
    # a quarter of 1,000 each; six standard errors of a draw without replacement
    assert np.abs(by_thousand - 250).max() < 6 * np.sqrt(1000 * 0.25 * 0.75)
    assert set(chosen) != set(sample_of(ids, 5_000, 1))


@given(st.integers(1, 10**7), st.integers(0, 10**9))
def test_people_learned_from_are_bounded_by_people_and_events(users: int, events: int) -> None:
    settings = ModelSettings()
    most = settings.most_users(users, events)

    assert 1 <= most <= min(users, settings.max_users)
    assert most == 1 or most * events / users <= settings.max_events
    assert most == users or users > settings.max_users or events > settings.max_events
