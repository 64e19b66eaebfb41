"""The log-odds that somebody completes an action they are shown, term by term."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.dataset import BoolArray, FloatArray, IntArray
from recommender.simulation.course import Course, needs
from recommender.simulation.people import People
from recommender.simulation.world import DOMAINS, TASTE_RANK, Menu, Strengths

Float32Array = NDArray[np.float32]

_FATIGUE_HALF_LIFE_DAYS = 7.0
_PROFILE_FEATURES = 8


def lasting_log_odds(people: People, menu: Menu, strengths: Strengths, seed: int) -> FloatArray:
    """[n_people, n_actions] everything in the log-odds that does not change over the log."""
    taste = people.taste @ menu.taste.T / np.sqrt(TASTE_RANK)
    profile = _profile(people) @ _leanings(seed) @ menu.traits.T
    unsuited = (people.age[:, None] < menu.min_age) | (people.age[:, None] > menu.max_age)
    unsuited |= (menu.sex > 0) & (people.sex[:, None] != menu.sex)
    return np.asarray(
        strengths.base
        + strengths.appeal * menu.appeal
        + (strengths.diligence * people.diligence)[:, None]
        + strengths.taste * taste
        + strengths.profile * profile
        - strengths.unsuited * unsuited
    )


def _profile(people: People) -> FloatArray:
    facts = people.attributes
    return np.column_stack(
        [
            (people.age - 48) / 18.0,
            (people.sex == 1) - 0.5,
            facts["physically_active"] == "yes",
            facts["general_health"].isin(["fair", "poor"]),
            facts["smoking_status"] == "current",
            facts["sleep_trouble"] == "yes",
            facts["diabetes"] == "yes",
            facts["alcohol_days_per_year"].fillna(0).to_numpy(np.float64) >= 100,
        ]
    ).astype(np.float64)


def _leanings(seed: int) -> FloatArray:
    """[profile features, traits]: what kind of people lean to what kind of action."""
    rng = np.random.default_rng([seed, 32])
    leanings = rng.normal(0.0, 0.16, size=(_PROFILE_FEATURES, 3 + len(DOMAINS)))
    domain = {name: 3 + place for place, name in enumerate(DOMAINS)}
    effort, minutes, sugar = 0, 1, 2
    for feature, trait, lean in (
        (0, effort, -0.30),
        (0, domain["monitoring"], 0.25),
        (0, domain["screening"], 0.20),
        (1, domain["stress"], 0.25),
        (2, domain["activity"], 0.50),
        (2, effort, 0.20),
        (3, minutes, -0.25),
        (4, domain["substance_use"], 0.50),
        (5, domain["sleep"], 0.60),
        (6, sugar, 0.70),
        (7, domain["substance_use"], 0.35),
    ):
        leanings[feature, trait] += lean
    return np.asarray(leanings)


class Memory:
    """What each person still has in mind of each action; fades day by day.

    Attributes
    ----------
    done, seen
        [n_people, n_actions] completions and impressions, each halved with its half-life.
    """

    def __init__(self, menu: Menu, people: int) -> None:
        self._keep_done = (0.5 ** (1.0 / menu.memory_days)).astype(np.float32)
        self._keep_seen = np.float32(0.5 ** (1.0 / _FATIGUE_HALF_LIFE_DAYS))
        self._due: dict[int, list[tuple[IntArray, IntArray]]] = {}
        self.done: Float32Array = np.zeros((people, len(menu)), dtype=np.float32)
        self.seen: Float32Array = np.zeros((people, len(menu)), dtype=np.float32)

    def begin_day(self, day: int) -> None:
        """Fade by a day, and take in what was completed on the day before."""
        self.done *= self._keep_done
        self.seen *= self._keep_seen
        for person, action in self._due.pop(day, []):
            np.add.at(self.done, (person, action), 1.0)

    def note_shown(self, person: IntArray, action: IntArray) -> None:
        """Take in impressions; a pair occurs at most once a call."""
        self.seen[person, action] += 1.0

    def note_completed(self, person: IntArray, action: IntArray, day: FloatArray) -> None:
        """Take in completions on the day after they happen."""
        begins = day.astype(np.int64) + 1
        for begin in np.unique(begins):
            due = begins == begin
            self._due.setdefault(int(begin), []).append((person[due], action[due]))


@dataclass(frozen=True)
class Minds:
    """Everything that the odds of some people depend on.

    ``lasting`` is the result of ``lasting_log_odds``.
    """

    lasting: FloatArray
    memory: Memory
    course: Course
    menu: Menu
    strengths: Strengths

    def log_odds(self, person: IntArray, action: IntArray, day: float) -> FloatArray:
        """Log-odds of aligned pairs for an impression on a day.

        ``person`` must come in runs of equal numbers, one run a person.
        """
        first = np.flatnonzero(np.diff(person, prepend=-1))
        run = np.cumsum(np.diff(person, prepend=-1) != 0) - 1
        need = needs(self.course.levels(person[first], day))
        wanting = np.einsum("pm,pm->p", need[run], self.menu.targets[action])
        return np.asarray(
            self.lasting[person, action]
            + self.strengths.need * wanting
            + self._remembered(self.memory.done[person, action], self.menu.seldom[action])
            - self.strengths.fatigue * np.log1p(self.memory.seen[person, action])
        )

    def all_log_odds(self, day: float) -> FloatArray:
        """[n_people, n_actions] log-odds for an impression on a day."""
        everybody = np.arange(len(self.lasting))
        wanting = needs(self.course.levels(everybody, day)) @ self.menu.targets.T
        return np.asarray(
            self.lasting
            + self.strengths.need * wanting
            + self._remembered(self.memory.done, self.menu.seldom)
            - self.strengths.fatigue * np.log1p(self.memory.seen)
        )

    def _remembered(self, done: Float32Array, seldom: BoolArray) -> FloatArray:
        """Having done it makes a habit stronger, and settles what is done seldom."""
        settled = -self.strengths.unsuited * np.minimum(done, 1.0)
        return np.asarray(np.where(seldom, settled, self.strengths.habit * np.log1p(done)))


def sigmoid(log_odds: FloatArray) -> FloatArray:
    """Probabilities of log-odds, any shape."""
    return np.asarray(1.0 / (1.0 + np.exp(-log_odds)))
