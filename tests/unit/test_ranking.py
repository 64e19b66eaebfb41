from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.dataset import Events
from recommender.domain import EVENT_CODES
from recommender.listing import best_varied
from recommender.ranking import discounts, resting, varied_order

DAY = 86_400.0
NOW = 1_700_000_000.0
REPEAT_DAYS = np.array([0.0, 7.0])


def _one_event(action: int, kind: str, days_ago: float) -> Events:
    return Events(
        user=np.zeros(1, np.int32),
        action=np.array([action], np.int32),
        kind=np.array([EVENT_CODES[kind]], np.int8),
        at=np.array([NOW - days_ago * DAY]),
        request=np.array([-1]),
        propensity=np.array([np.nan]),
        value=np.array([np.nan]),
    )


@pytest.mark.parametrize(
    ("action", "kind", "days_ago", "rests"),
    [
        (1, "complete", 6.9, True),
        (1, "complete", 7.1, False),
        (0, "complete", 0.1, False),
        (0, "dismiss", 29.9, True),
        (0, "dismiss", 30.1, False),
        (0, "snooze", 2.9, True),
        (0, "snooze", 3.1, False),
        (0, "view", 0.1, False),
        (0, "dismiss", -0.1, False),  # not yet happened as of the answer's instant
    ],
)
def test_what_rests_and_for_how_long(action: int, kind: str, days_ago: float, rests: bool) -> None:
    found = resting(
        _one_event(action, kind, days_ago),
        REPEAT_DAYS,
        NOW,
        dismiss_rest_days=30.0,
        snooze_rest_days=3.0,
    )
    assert found[action] == rests
    assert not found[1 - action]


@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.sampled_from(["sleep", "social", "stress"])),
        min_size=1,
        max_size=30,
    ),
    st.floats(0.1, 1.0),
)
def test_the_order_is_that_of_greedy_picking(
    scored: list[tuple[float, str]], variety: float
) -> None:
    scores = np.array([score for score, _ in scored])
    domains = [domain for _, domain in scored]
    left, picked, seen = list(range(len(scores))), [], dict.fromkeys(domains, 0)
    while left:
        worth = [scores[i] * variety ** seen[domains[i]] for i in left]
        best = left[int(np.argmax(worth))]
        picked.append(scores[best] * variety ** seen[domains[best]])
        seen[domains[best]] += 1
        left.remove(best)
    codes = np.unique(domains, return_inverse=True)[1]
    order = varied_order(scores, codes, variety)
    counts = dict.fromkeys(domains, 0)
    ours = []
    for place in order:
        ours.append(scores[place] * variety ** counts[domains[place]])
        counts[domains[place]] += 1
    assert sorted(order.tolist()) == list(range(len(scores)))
    assert ours == pytest.approx(picked, abs=1e-12)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_the_first_of_several_lists_are_those_of_the_whole_lists(data: st.DataObject) -> None:
    n_users, n_actions = data.draw(st.integers(1, 4)), data.draw(st.integers(0, 60))
    variety = data.draw(st.sampled_from([0.3, 0.8, 1.0]))
    chance = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    steps = data.draw(st.sampled_from([3, 100]))  # many equal ones, or few
    scores = chance.integers(0, steps, (2 * n_users, n_actions)) / steps
    stand = chance.random((n_users, n_actions)) < data.draw(st.sampled_from([0.0, 0.1, 0.9]))
    n_domains = data.draw(st.integers(1, 6))
    domains = chance.integers(0, n_domains, n_actions)
    n_lists = data.draw(st.integers(0, 5))
    lists = np.stack(
        [
            chance.integers(0, 2 * n_users, n_lists),
            chance.integers(0, n_users, n_lists),
            chance.integers(-2, n_domains + 1, n_lists),
            chance.integers(0, n_actions + 1, n_lists),
        ],
        axis=1,
    )
    found = best_varied(scores, stand, domains, discounts(variety, n_actions), lists)
    assert found.shape == (n_lists, lists[:, 3].max(initial=0))
    for places, (row, user, only, wanted) in zip(found, lists.tolist(), strict=True):
        may = np.flatnonzero(stand[user] & ((only == -1) | (domains == only)))
        whole = may[varied_order(scores[row][may], domains[may], variety)][:wanted]
        assert places[: len(whole)].tolist() == whole.tolist()
        assert (places[len(whole) :] == -1).all()
