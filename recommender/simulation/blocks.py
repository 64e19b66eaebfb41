"""Everybody of a simulation, some at a time, so that memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pyarrow as pa

from recommender.dataset import FloatArray
from recommender.simulation.behaviour import Impressions, events_of, live_through
from recommender.simulation.course import Course, plan_course
from recommender.simulation.odds import sigmoid
from recommender.simulation.people import People, Population, draw_people, every_person_once
from recommender.simulation.policy import slate_probabilities
from recommender.simulation.readings import measure
from recommender.simulation.tables import (
    events_table,
    observations_table,
    truth_table,
    users_table,
)
from recommender.simulation.world import Menu, Strengths

PEOPLE_PER_BLOCK = 1000


@dataclass(frozen=True)
class Plan:
    """What to simulate.

    Attributes
    ----------
    end_at
        Aware instant just after the last event.
    bootstrap
        True to draw people from the survey rows at random, False to take each row once, in
        order and as measured.
    """

    population: Population
    menu: Menu
    users: int
    days: int
    seed: int
    end_at: datetime
    bootstrap: bool = True
    strengths: Strengths = field(default_factory=Strengths)


@dataclass(frozen=True)
class Block:
    """Some people with everything about them.

    Attributes
    ----------
    chance
        [n_people, n_actions] true probability of completing within 7 days if shown at the end.
    """

    people: People
    course: Course
    impressions: Impressions
    chance: FloatArray
    users: pa.Table
    events: pa.Table
    observations: pa.Table
    menu: Menu

    def truth(self) -> pa.Table:
        """``chance`` as a table, for the people in ``users``."""
        return truth_table(self.people, self.menu, self.chance).slice(
            0, self.users.num_rows * len(self.menu)
        )


def blocks(plan: Plan) -> Iterator[Block]:
    """Everybody of a plan, in order.

    A block always lives through the log in full and is cut afterwards, so that a person
    depends on the seed, the days and their own number, not on how many others were asked for.
    """
    shown = slate_probabilities(plan.menu, plan.days, plan.seed)
    for first in range(0, plan.users, PEOPLE_PER_BLOCK):
        yield _block(plan, shown, first)


def _block(plan: Plan, shown: FloatArray, first: int) -> Block:
    people = _people(plan, first)
    rng = np.random.default_rng([plan.seed, 41, first])
    course = plan_course(people, plan.days, rng)
    impressions, log_odds = live_through(
        people, course, plan.menu, shown, plan.strengths, rng, plan.seed
    )
    happenings = events_of(impressions, plan.days, rng)
    readings = measure(people, course, rng)
    wanted = min(len(people), plan.users - first)
    events = events_table(people, happenings, plan.menu, plan.end_at, plan.days)
    observations = observations_table(people, readings, plan.end_at, plan.days)
    return Block(
        people=people,
        course=course,
        impressions=impressions,
        chance=sigmoid(log_odds),
        users=users_table(people).slice(0, wanted),
        events=events.slice(0, int(np.searchsorted(happenings.person, wanted))),
        observations=observations.slice(0, int(np.searchsorted(readings.person, wanted))),
        menu=plan.menu,
    )


def _people(plan: Plan, first: int) -> People:
    if plan.bootstrap:
        draw, count = draw_people, PEOPLE_PER_BLOCK
    else:
        draw, count = every_person_once, min(PEOPLE_PER_BLOCK, len(plan.population) - first)
    return draw(plan.population, first, count, plan.end_at, plan.days, plan.seed)
