"""A small history made by hand: who was shown what, what they did, what was measured."""

from __future__ import annotations

import numpy as np

from recommender.dataset import Events, FloatArray, Observations, Records, Users
from recommender.domain import (
    EVENT_CODES,
    SECONDS_PER_DAY,
    Action,
    Catalogue,
    Metric,
    MetricsList,
)
from recommender.leaderboard.entrants import Entrant
from recommender.leaderboard.held_out import HeldOut

PEOPLE, ACTIONS, DAYS, SLATE = 150, 14, 40, 3
METRICS = MetricsList(
    (Metric("steps", "daily steps", ("1-1",), "1", 0, 1e5, 30, target_low=7000, target_scale=1000),)
)
CATALOGUE = Catalogue(
    tuple(
        Action(f"a{i:02}", f"Action {i}", ("move", "rest")[i % 2], targets=("steps",) * (i % 2))
        for i in range(ACTIONS)
    )
)
SPLIT = 30 * SECONDS_PER_DAY
END = DAYS * SECONDS_PER_DAY


def history(people: int = PEOPLE) -> Records:
    """People shown three random actions every other day, who do what they like."""
    random = np.random.default_rng(0)
    taste = random.normal(-1.0, 1.2, (people, ACTIONS)) + np.linspace(-1, 1, ACTIONS)
    rows = []
    request = 0
    for user in range(people - 10):  # the last ten never come
        first = 31 if user % 10 == 0 else 0  # one in ten comes after the split only
        for day in range(first, DAYS, 2):
            request += 1
            for action in random.choice(ACTIONS, SLATE, replace=False):
                at = (day + random.random() * 0.5) * SECONDS_PER_DAY
                rows.append((user, action, 0, at, request, SLATE / ACTIONS))
                if random.random() < 1 / (1 + np.exp(-taste[user, action])):
                    rows.append((user, action, EVENT_CODES["complete"], at + 3600, request, np.nan))
    table = np.array(rows, dtype=np.float64)
    table = table[np.lexsort((table[:, 3], table[:, 0]))]
    ids = table[:, :5].astype(np.int64)
    events = Events(
        ids[:, 0].astype(np.int32),
        ids[:, 1].astype(np.int32),
        ids[:, 2].astype(np.int8),
        table[:, 3],
        ids[:, 4],
        table[:, 5],
        np.full(len(table), np.nan),
    )
    users = Users(
        np.array([f"u{i:04}" for i in range(people)], dtype=object),
        -random.uniform(20, 80, people) * 365 * SECONDS_PER_DAY,
        (np.arange(people) % 3).astype(np.int8),
        np.arange(0, people, 2, dtype=np.int32),
        np.array(["type_2_diabetes"] * len(range(0, people, 2)), dtype=object),
    )
    return Records(users, events, readings(people))


def readings(people: int) -> Observations:
    """Everybody is read on days 5 and 25; one in three falls from 8000 steps to 6000."""
    user = np.repeat(np.arange(people, dtype=np.int32), 2)
    later = np.tile([False, True], people)
    value = np.where(later & (user % 3 == 0), 6000.0, 8000.0)
    at = np.where(later, 25.0, 5.0) * SECONDS_PER_DAY
    return Observations(user, np.zeros(2 * people, np.int32), value, at)


def by_scores(matrix: FloatArray, probability: bool = False) -> Entrant:
    return Entrant("x", "x", lambda users: matrix[users], probability)


def random_matrix(held: HeldOut, seed: int = 1) -> FloatArray:
    return np.random.default_rng(seed).normal(size=(len(held.users), ACTIONS))


def relevance(held: HeldOut) -> FloatArray:
    out = np.zeros((len(held.users), ACTIONS))
    out[held.pair_user, held.pair_action] = 1.0
    return out
