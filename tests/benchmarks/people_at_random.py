"""People at random, at and around everything that guardrails could look at.

Most are well but for a thing or two: somebody with ten reasons against everything would show
nothing about any of them. One in six is in trouble all over.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from recommender.catalogue import load_conditions
from recommender.dataset import BoolArray, Events, FloatArray, IntArray, ObjectArray, Records, Users
from recommender.domain import EVENT_CODES, Catalogue
from tests.benchmarks.attributes_at_random import attributes_at_random
from tests.benchmarks.oracle_record import DAY, NO_EXERCISE_PREGNANT, PREGNANT
from tests.benchmarks.readings_at_random import readings_at_random

TROUBLE = (0.02, 0.1, 0.35)
TROUBLE_SHARES = (0.5, 0.34, 0.16)
CLEARED = (
    "type_1_diabetes", "type_2_diabetes", "coronary_artery_disease", "stroke", "heart_failure",
    "chronic_kidney_disease", "chest_pain_on_exertion",
)  # fmt: skip
"""What some have whom a clinician cleared for vigorous exercise."""
AGE_EDGES = np.array([
    11, 12, 13, 15, 18, 19, 20, 21, 26, 27, 30, 35, 40, 45, 46, 49, 50, 59, 60, 64, 65, 66, 70,
    71, 74, 75, 76, 79, 80, 81, 85, 100,
])  # fmt: skip


def people_at_random(
    count: int, rng: np.random.Generator, as_of: float, catalogue: Catalogue
) -> Records:
    """Draw ``count`` people as they are on record at ``as_of``; some readings are yet to come."""
    trouble = rng.choice(TROUBLE, count, p=TROUBLE_SHARES)
    cleared = rng.random(count) < 0.02
    owner, condition = _conditions(trouble, cleared, rng)
    attributes = attributes_at_random(trouble, rng, as_of)
    attributes["exercise_clearance"][cleared] = "vigorous"
    attributes["exercise_clearance_on"][cleared] = str(np.datetime64(int(as_of - 9e6), "s"))
    stranger = rng.random(count) < 0.01  # nothing is on record
    kept = ~stranger[owner]
    users = Users(
        ids=np.array([f"p{number:08d}" for number in range(count)], dtype=object),
        born_at=np.where(stranger, np.nan, _born(trouble, rng, as_of)),
        sex=np.where(stranger, 0, _sex(owner, condition, count, rng)).astype(np.int8),
        condition_user=owner[kept].astype(np.int32),
        condition_name=condition[kept],
        attributes=_without(attributes, stranger),
    )
    events = _events(trouble * ~stranger, rng, as_of, catalogue)
    return Records(users, events, readings_at_random(trouble, stranger, rng, as_of))


def instant_at_random(rng: np.random.Generator) -> float:
    """An instant of 2026 to 2029, now and then a leap day or New Year."""
    special = ("2028-02-29T12:00:00", "2027-02-28T23:59:59", "2027-03-01T00:00:00", "2027-01-01")
    if rng.random() < 0.2:
        return float(np.datetime64(str(rng.choice(special)), "s").astype(int))
    start = np.datetime64("2026-01-01", "s").astype(int)
    return float(start + rng.integers(0, int(4 * 365 * DAY)))


def _without(columns: dict[str, ObjectArray], nobody: np.ndarray) -> dict[str, ObjectArray]:
    for column in columns.values():
        column[nobody] = None
    return columns


def _born(trouble: FloatArray, rng: np.random.Generator, as_of: float) -> FloatArray:
    count = len(trouble)
    years = np.where(rng.random(count) < 0.4, rng.choice(AGE_EDGES, count), 0)
    years = np.where(years == 0, rng.integers(18, 101, count), years)
    years = np.where(rng.random(count) < 0.02, rng.integers(0, 18, count), years)
    today = np.datetime64(int(as_of), "s").astype("datetime64[D]")
    day = (today - today.astype("datetime64[M]")).astype(int)
    month = today.astype("datetime64[M]") - 12 * years
    born = month.astype("datetime64[D]") + day + rng.choice([-1, 0, 1, 100, -100], count)
    unknown = rng.random(count) < trouble * 0.3
    return np.where(unknown, np.nan, born.astype("datetime64[s]").astype(float))


def _conditions(
    trouble: FloatArray, cleared: BoolArray, rng: np.random.Generator
) -> tuple[IntArray, ObjectArray]:
    count = len(trouble)
    usual = np.array([name for name in load_conditions() if name not in PREGNANT], dtype=object)
    many = rng.binomial(5, np.minimum(trouble * 1.6, 0.6))
    owner = np.repeat(np.arange(count), many)
    pregnant = np.flatnonzero(rng.random(count) < 0.09)
    complicated = pregnant[rng.random(len(pregnant)) < 0.4]
    unmapped = np.flatnonzero(rng.random(count) < 0.01)
    more = (
        (pregnant, np.array(PREGNANT[:3], dtype=object), (0.85, 0.1, 0.05)),
        (complicated, np.array(NO_EXERCISE_PREGNANT, dtype=object), None),
        (np.flatnonzero(cleared), np.array(CLEARED, dtype=object), None),
        (unmapped, np.array(["something_else"], dtype=object), None),
    )
    owners, names = [owner], [rng.choice(usual, len(owner))]
    for people, choices, shares in more:
        owners.append(people)
        names.append(rng.choice(choices, len(people), p=shares))
    return _each_once(np.concatenate(owners), np.concatenate(names))


def _each_once(owner: IntArray, name: ObjectArray) -> tuple[IntArray, ObjectArray]:
    places = {one: place for place, one in enumerate(sorted(set(name)))}
    codes = np.array([places[one] for one in name], dtype=np.int64)
    pairs = np.unique(owner * len(places) + codes) if len(owner) else owner
    found = np.array(list(places), dtype=object)
    return pairs // max(len(places), 1), found[pairs % max(len(places), 1)]


def _sex(owner: IntArray, condition: ObjectArray, count: int, rng: np.random.Generator) -> IntArray:
    sex: IntArray = rng.choice([0, 1, 2, 3], count, p=[0.06, 0.46, 0.44, 0.04])
    pregnant = np.isin(condition.astype(str), PREGNANT)
    mostly = owner[pregnant][rng.random(int(pregnant.sum())) < 0.9]
    sex[mostly] = 1
    return sex


def _events(
    trouble: FloatArray, rng: np.random.Generator, as_of: float, catalogue: Catalogue
) -> Events:
    """Mostly completed screenings and vaccinations, around the end of the time they cover."""
    once = _covering(catalogue)
    many = rng.binomial(4, np.minimum(trouble * 2, 0.6))
    user = np.repeat(np.arange(len(trouble)), many)
    total = len(user)
    covered = rng.random(total) < 0.8
    places = np.array(list(once), dtype=np.int64)
    action = np.where(covered, rng.choice(places, total), rng.integers(0, len(catalogue), total))
    days = np.array([once.get(place, 1.0) for place in range(len(catalogue))])
    off = rng.choice([-86400.0, -1.0, 0.0, 1.0, 86400.0], total)
    inside = rng.random(total) * np.minimum(days[action], 8000) * DAY
    age = np.where(rng.random(total) < 0.5, days[action] * DAY + off, inside)
    at = as_of - np.where(age > 80 * 365 * DAY, inside, age)
    kind = np.where(rng.random(total) < 0.75, EVENT_CODES["complete"], rng.integers(0, 7, total))
    order = np.lexsort((at, user))
    nothing = np.full(total, np.nan)
    return Events(
        user=user[order].astype(np.int32),
        action=action[order].astype(np.int32),
        kind=kind[order].astype(np.int8),
        at=at[order],
        request=np.full(total, -1),
        propensity=nothing,
        value=nothing,
    )


def _covering(catalogue: Catalogue) -> Mapping[int, float]:
    return {
        place: action.eligible.not_done_within_days
        for place, action in enumerate(catalogue.actions)
        if action.eligible.not_done_within_days
    }
