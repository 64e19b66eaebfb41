"""Whom a single action is for, by what its catalogue entry says and what the person has done."""

from __future__ import annotations

import numpy as np

from recommender.dataset import BoolArray
from recommender.domain import EVENT_CODES, SEX_CODES, Action, Catalogue
from tests.benchmarks.oracle_record import DAY, Sight

PREVENTIVE = ("screening:", "vaccination:")


def outside_eligibility(sight: Sight, catalogue: Catalogue) -> BoolArray:
    """Who is not known to meet an action's ``eligible``, shape [n_people, n_actions]."""
    outside = np.zeros((sight.count, len(catalogue)), bool, order="F")
    for place, action in enumerate(catalogue.actions):
        outside[:, place] = _outside(sight, action)
    _covered(sight, catalogue, outside)
    return outside


def _outside(sight: Sight, action: Action) -> BoolArray:
    asked = action.eligible
    outside = np.zeros(sight.count, bool)
    if asked.min_age is not None:
        outside |= ~(sight.age >= asked.min_age)
    if asked.max_age is not None:
        outside |= ~(sight.age <= asked.max_age)
    if asked.sex is not None:
        outside |= ~sight.sex_is(SEX_CODES[asked.sex.value])
    if asked.conditions_any:
        outside |= ~sight.has(*asked.conditions_any)
    if asked.conditions_none:
        outside |= sight.has(*asked.conditions_none)
    return outside


def _covered(sight: Sight, catalogue: Catalogue, outside: BoolArray) -> None:
    """Mark who completed an action, or one alike, within that one's own days."""
    events = sight.records.events
    days = np.array([one.eligible.not_done_within_days or 0.0 for one in catalogue.actions])
    age = sight.as_of - events.at
    counts = (events.kind == EVENT_CODES["complete"]) & (age >= 0)
    counts &= age < days[events.action] * DAY
    for done in np.unique(events.action[counts]):
        people = events.user[counts & (events.action == done)]
        for place in _alike(catalogue, int(done)):
            outside[people, place] = True


def _alike(catalogue: Catalogue, done: int) -> list[int]:
    """Places of the action itself and of those that share one of its preventive tags."""
    shared = {tag for tag in catalogue.actions[done].tags if tag.startswith(PREVENTIVE)}
    return [
        place
        for place, other in enumerate(catalogue.actions)
        if place == done or not shared.isdisjoint(other.tags)
    ]
