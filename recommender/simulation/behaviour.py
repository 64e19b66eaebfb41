"""What people do with what they are shown, day by day.

Whether an impression leads to completing is a coin with known odds (``odds.py``); views,
acceptances, dismissals, snoozes and ratings follow from the coin and its odds.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from recommender.dataset import BoolArray, FloatArray, Int8Array, IntArray
from recommender.domain import EVENT_CODES
from recommender.simulation.course import Course
from recommender.simulation.odds import Memory, Minds, lasting_log_odds, sigmoid
from recommender.simulation.people import People
from recommender.simulation.policy import draw_slates
from recommender.simulation.world import Menu, Strengths

_COMPLETE_WITHIN_DAYS = 7.0
_USUAL_DELAY_DAYS = 1.4
_QUICKEST_DAYS = 0.005
_LINKED_SHARE = 0.88
_MINUTES = 1.0 / 1440.0


@dataclass(frozen=True)
class Impressions:
    """What was shown, by day; all arrays have one entry an impression.

    Attributes
    ----------
    person
        Place among the people.
    day
        When, in days from the start of the log.
    request, position
        Running number of the slate among these people, and the place on it from one.
    propensity
        Probability that a slate of that day holds the action.
    chance
        Probability that the person completes it within 7 days.
    completed_day
        When they did; NaN if they did not.
    """

    person: IntArray
    action: IntArray
    day: FloatArray
    request: IntArray
    position: IntArray
    propensity: FloatArray
    chance: FloatArray
    completed_day: FloatArray

    def __len__(self) -> int:
        return len(self.person)


@dataclass(frozen=True)
class Happenings:
    """Events, sorted by person, then time; all arrays have one entry an event.

    Attributes
    ----------
    kind
        Codes of ``domain.EVENT_CODES``.
    request, position
        As in ``Impressions``; -1 where not recorded.
    propensity
        NaN for anything but an impression.
    value
        Rating 1-5, NaN for anything else.
    """

    person: IntArray
    action: IntArray
    kind: Int8Array
    day: FloatArray
    request: IntArray
    position: IntArray
    propensity: FloatArray
    value: FloatArray

    def __len__(self) -> int:
        return len(self.person)


def live_through(
    people: People,
    course: Course,
    menu: Menu,
    shown: FloatArray,
    strengths: Strengths,
    rng: np.random.Generator,
    seed: int,
) -> tuple[Impressions, FloatArray]:
    """Let people live through the log.

    Parameters
    ----------
    shown
        [n_weeks, n_actions] result of ``slate_probabilities``.

    Returns
    -------
    tuple
        What was shown and completed, and [n_people, n_actions] the log-odds of completing
        within 7 days if shown at the end of the log.
    """
    lasting = lasting_log_odds(people, menu, strengths, seed)
    minds = Minds(lasting, Memory(menu, len(people)), course, menu, strengths)
    slates: list[Impressions] = []
    requests = 0
    for day in range(int(course.days)):
        minds.memory.begin_day(day)
        who = _who_comes(people, day, rng)
        slates.append(_show(minds, who, shown[day // 7], day, requests, rng))
        requests += len(who)
    minds.memory.begin_day(int(course.days))
    return _joined(slates), minds.all_log_odds(course.days)


def _who_comes(people: People, day: int, rng: np.random.Generator) -> IntArray:
    comes = rng.random(len(people)) < people.sessions_per_day
    return np.flatnonzero(comes & (people.joined_day <= day))


def _show(
    minds: Minds,
    who: IntArray,
    shown: FloatArray,
    day: int,
    first_request: int,
    rng: np.random.Generator,
) -> Impressions:
    """One day's slates, one for each of ``who``, and what comes of them."""
    picked, propensity = draw_slates(shown, len(who), rng)
    size = picked.shape[1]
    person, action = np.repeat(who, size), picked.ravel()
    chance = sigmoid(minds.log_odds(person, action, day + 0.5))
    at = np.repeat(day + rng.uniform(6.5, 22.5, len(who)) / 24.0, size)
    completed = _completions(at, chance, rng)
    done = ~np.isnan(completed)
    minds.memory.note_shown(person, action)
    minds.memory.note_completed(person[done], action[done], completed[done])
    return Impressions(
        person=person,
        action=action,
        day=at,
        request=np.repeat(first_request + np.arange(len(who)), size),
        position=np.tile(np.arange(1, size + 1), len(who)),
        propensity=propensity.ravel(),
        chance=chance,
        completed_day=completed,
    )


def _completions(at: FloatArray, chance: FloatArray, rng: np.random.Generator) -> FloatArray:
    """When each impression is completed: mostly soon, always within 7 days; NaN if never."""
    longest = _COMPLETE_WITHIN_DAYS - 2 * _QUICKEST_DAYS
    within = 1.0 - np.exp(-longest / _USUAL_DELAY_DAYS)
    delay = -_USUAL_DELAY_DAYS * np.log1p(-within * rng.random(len(at)))
    happens = rng.random(len(at)) < chance
    return np.where(happens, at + _QUICKEST_DAYS + delay, np.nan)


def _joined(slates: list[Impressions]) -> Impressions:
    parts = {
        column.name: np.concatenate([getattr(slate, column.name) for slate in slates])
        for column in fields(Impressions)
    }
    return Impressions(**parts)


def events_of(shown: Impressions, days: float, rng: np.random.Generator) -> Happenings:
    """Everything people did with what they were shown, up to the end of the log."""
    count = len(shown)
    done = ~np.isnan(shown.completed_day)
    viewed = done | (rng.random(count) < 0.35)
    accepted = (done & (rng.random(count) < 0.8)) | (viewed & (rng.random(count) < 0.08))
    unmoved = ~done & ~accepted
    dismissed = unmoved & (rng.random(count) < 0.16 * (1.0 - shown.chance) ** 4)
    snoozed = unmoved & ~dismissed & (rng.random(count) < 0.03)
    rated = done & (rng.random(count) < 0.3)
    quick = shown.day + rng.exponential(2 * _MINUTES, count) + _MINUTES / 4
    later = quick + rng.exponential(3 * _MINUTES, count) + _MINUTES / 4
    soon = np.where(done, np.minimum(later, shown.completed_day - _MINUTES / 4), later)
    everything = np.ones(count, dtype=np.bool_)
    kinds: list[tuple[str, BoolArray, FloatArray]] = [
        ("impression", everything, shown.day),
        ("view", viewed, np.minimum(quick, soon - _MINUTES / 8)),
        ("accept", accepted, soon),
        ("complete", done, shown.completed_day),
        ("dismiss", dismissed, later),
        ("snooze", snoozed, later),
        ("rate", rated, shown.completed_day + rng.exponential(20 * _MINUTES, count)),
    ]
    return _sorted_events(shown, kinds, days, rng)


def _sorted_events(
    shown: Impressions,
    kinds: list[tuple[str, BoolArray, FloatArray]],
    days: float,
    rng: np.random.Generator,
) -> Happenings:
    source = np.concatenate([np.flatnonzero(happens & (day < days)) for _, happens, day in kinds])
    kind = np.concatenate(
        [
            np.full(np.count_nonzero(happens & (day < days)), EVENT_CODES[name], dtype=np.int8)
            for name, happens, day in kinds
        ]
    )
    at = np.concatenate([day[happens & (day < days)] for _, happens, day in kinds])
    order = np.lexsort((shown.position[source], kind, at, shown.person[source]))
    source, kind, at = source[order], kind[order], at[order]
    impression = kind == EVENT_CODES["impression"]
    complete = kind == EVENT_CODES["complete"]
    linked = ~complete | (rng.random(len(kind)) < _LINKED_SHARE)
    return Happenings(
        person=shown.person[source],
        action=shown.action[source],
        kind=kind,
        day=at,
        request=np.where(linked, shown.request[source], -1),
        position=np.where(impression, shown.position[source], -1),
        propensity=np.where(impression, shown.propensity[source], np.nan),
        value=np.where(kind == EVENT_CODES["rate"], _ratings(shown.chance[source], rng), np.nan),
    )


def _ratings(chance: FloatArray, rng: np.random.Generator) -> FloatArray:
    liking = np.log(chance / (1.0 - chance))
    return np.clip(np.round(4.0 + 0.4 * liking + rng.normal(0, 0.8, len(chance))), 1, 5)
