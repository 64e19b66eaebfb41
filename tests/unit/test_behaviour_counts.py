"""Behaviour counted all at once is what counting event by event gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.dataset import Events, IntArray
from recommender.domain import EVENT_CODES, SECONDS_PER_DAY
from recommender.features import behaviour

NOW, RATE, N_DOMAINS = 1.7e9, 0.2, 3
DOMAIN = np.array([0, 2, 0, 1], np.int32)
WINDOWS = {"last_days": 2.0, "recent": 7.0, "month": 28.0, "all": 400.0}
KINDS = {
    "impressions": {"impression"},
    "completions": {"complete"},
    "engagements": {"view", "accept"},
    "dismissals": {"dismiss", "snooze"},
}
Row = tuple[int, int, str, float, float]
rows = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(0, len(DOMAIN) - 1),
        st.sampled_from(sorted(EVENT_CODES)),
        st.sampled_from([0.0, 0.5, 1.75, 2.0, 6.5, 7.0, 20.25, 28.0, 90.5, 399.5, 410.0]),
        st.sampled_from([1.0, 2.5, 3.0, 5.0]),
    ),
    max_size=40,
)


def events_of(log: list[Row]) -> Events:
    log = sorted(log, key=lambda row: (row[0], -row[3]))
    user, action, kind, ago, value = zip(*log, strict=True) if log else ((),) * 5
    n = len(log)
    return Events(
        np.array(user, np.int32),
        np.array(action, np.int32),
        np.array([EVENT_CODES[each] for each in kind], np.int8),
        NOW - np.array(ago, np.float64) * SECONDS_PER_DAY,
        np.full(n, -1, np.int64),
        np.full(n, np.nan),
        np.array(value, np.float64),
    )


def plain(log: list[Row], level: str, user: int, action: int, ago: float) -> list[float]:
    """A level's features, one event after the other."""
    same = {
        "action": lambda other: other == action,
        "domain": lambda other: DOMAIN[other] == DOMAIN[action],
        "user": lambda other: True,
    }[level]
    mine = [row for row in log if row[0] == user and same(row[1]) and row[3] > ago]

    def count(window: str, kind: str) -> float:
        within = [row for row in mine if min(row[3], 400.0) <= ago + WINDOWS[window]]
        if kind == "ratings":
            return sum(row[4] - 3.0 for row in within if row[2] == "rate")
        return float(sum(row[2] in KINDS[kind] for row in within))

    names = [name.rpartition(":")[2] for name in behaviour.names(level)][:-1]
    windows = [next(w for w in WINDOWS if name.startswith(w + "_")) for name in names]
    counted = [
        count(window, name.removeprefix(window + "_"))
        for window, name in zip(windows, names, strict=True)
    ]
    shown, done = count("all", "impressions"), count("all", "completions")
    strength = behaviour.RATE_NAMES[level]
    rate = np.log((done / RATE + strength) / (max(shown, done) + strength))
    return [*(np.sign(n) * np.log1p(abs(n)) for n in counted), rate]


def asked(n: int) -> tuple[IntArray, IntArray]:
    user, action = np.divmod(np.arange(n), len(DOMAIN))
    return user, action


@settings(max_examples=60, deadline=None)
@given(rows, st.sampled_from([0.0, 1.0, 6.5, 10.0]))
def test_rows_are_counted_as_event_by_event(log: list[Row], ago: float) -> None:
    user, action = asked(3 * len(DOMAIN))
    past = behaviour.history(events_of(log), DOMAIN, N_DOMAINS, NOW)
    at = past.clock(np.full(len(user), NOW - ago * SECONDS_PER_DAY))
    found = behaviour.row_features(past, user, action, at, RATE)
    expected = [
        [value for level in behaviour.LEVELS for value in plain(log, level, u, a, ago)]
        for u, a in zip(user.tolist(), action.tolist(), strict=True)
    ]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_level_is_counted_by_itself_as_beside_the_others() -> None:
    log: list[Row] = [(0, 0, "complete", 3.0, 3.0), (0, 2, "impression", 1.0, 3.0)]
    past = behaviour.history(events_of(log), DOMAIN, N_DOMAINS, NOW)
    user, action = asked(len(DOMAIN))
    places = {"action": action, "domain": DOMAIN[action], "user": np.zeros(len(user), np.int64)}
    at = np.full(len(user), past.clock(np.array([NOW]))[0])
    for level, place in places.items():
        found = behaviour.features(past, level, user, place, at, RATE)
        expected = [plain(log, level, 0, one, 0.0) for one in action.tolist()]
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_events_of_nobody_and_of_no_action_are_refused() -> None:
    for user, action in ((0, len(DOMAIN)), (0, -1), (-1, 0)):
        events = events_of([(0, 0, "view", 1.0, 3.0)])
        wrong = replace(
            events, user=np.array([user], np.int32), action=np.array([action], np.int32)
        )
        with pytest.raises(IndexError, match="of nobody"):
            behaviour.history(wrong, DOMAIN, N_DOMAINS, NOW)
