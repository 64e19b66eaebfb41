"""Which actions a list holds, in which order, and with which probability each stands in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Protocol

import numpy as np

from recommender.assess import Assessment, Assessor
from recommender.dataset import BoolArray, Events, FloatArray, IntArray
from recommender.domain import VERDICT_CODES, Audience, Exploration, Objective, Verdict
from recommender.exploration import Candidates, drawn, in_the_free_places, inclusion
from recommender.ranking import best_varied, resting_each, varied_order, varied_scores
from recommender.settings import Settings

_ALLOW = VERDICT_CODES[Verdict.ALLOW]


class Asked(Protocol):
    """What a list depends on, of what is asked."""

    @property
    def limit(self) -> int:
        """How many items at most."""

    @property
    def domain(self) -> str | None:
        """Domain, or None for all."""

    @property
    def audience(self) -> Audience:
        """Who reads it."""

    @property
    def objective(self) -> Objective:
        """What it is ordered by."""

    @property
    def as_of(self) -> datetime | None:
        """Records up to here were asked for; None for now."""


@dataclass(frozen=True)
class Listed:
    """A list: places in the catalogue, in order, and the propensity of each."""

    shown: IntArray
    propensity: FloatArray


@dataclass(frozen=True)
class Eligible:
    """What may be shown to some people.

    Attributes
    ----------
    may_stand, withheld
        Whether an action may stand in a list, and whether the guardrails withhold one that would
        else; shape [n_users, n_actions].
    """

    may_stand: BoolArray
    withheld: BoolArray
    domains: tuple[str, ...]

    def may_be_listed(self, users: Sequence[int], domains: Sequence[str | None]) -> BoolArray:
        """What may stand in lists, each of a domain or of all, shape [n_lists, n_actions]."""
        return self._within(self.may_stand, users, domains)

    def how_many_withheld(self, users: Sequence[int], domains: Sequence[str | None]) -> list[int]:
        """How many actions were withheld from lists, each of a domain or of all."""
        many = np.count_nonzero(self._within(self.withheld, users, domains), axis=1)
        return [int(each) for each in many]

    def of(self, user: int, domain: str | None) -> tuple[IntArray, int]:
        """Places of what may be shown to one person, and how many actions were withheld."""
        may_stand = self.may_be_listed([user], [domain])[0]
        return may_stand.nonzero()[0], self.how_many_withheld([user], [domain])[0]

    def _within(
        self, marked: BoolArray, users: Sequence[int], domains: Sequence[str | None]
    ) -> BoolArray:
        """The rows of users, each without what is of another domain than asked for."""
        rows: BoolArray = marked[users]
        for row, domain in enumerate(domains):
            if domain is not None:
                rows[row] &= _of_domain(self.domains, domain)
        return rows


@lru_cache(maxsize=256)
def _of_domain(domains: tuple[str, ...], domain: str) -> BoolArray:
    return np.array([each == domain for each in domains], dtype=bool)


def eligible(
    assessor: Assessor, assessment: Assessment, events: Events, at: float, settings: Settings
) -> Eligible:
    """Find out what may be shown to the people who were assessed, whose ``events`` these are."""
    withheld = assessment.withheld
    rests = resting_each(
        events,
        len(withheld),
        assessor.repeat_days,
        at,
        dismiss_rest_days=settings.dismiss_rest_days,
        snooze_rest_days=settings.snooze_rest_days,
    )
    may_stand = assessor.active & ~(withheld | rests)
    return Eligible(may_stand, assessor.active & withheld, assessor.domains)


def lists_of(
    assessor: Assessor,
    assessment: Assessment,
    may: Eligible,
    users: Sequence[int],
    asked: Sequence[Asked],
    settings: Settings,
    request_ids: Sequence[str],
) -> list[Listed]:
    """Answer what is asked for people who were assessed, each as if alone.

    Chance only has a say in what a person is shown now: a list for a clinician and one as of an
    earlier instant are the plain ones. What the guardrails caution against stands where the
    plain list has it, and nowhere else.
    """
    stand = may.may_be_listed(users, [each.domain for each in asked])
    by_objective = {each: assessment.score(each) for each in {one.objective for one in asked}}
    scores = np.stack(
        [by_objective[one.objective][user] for one, user in zip(asked, users, strict=True)]
    )
    most = max(each.limit for each in asked)
    best, sure_of = best_varied(scores, stand, assessor.domain_code, settings.variety, most)
    sure, standing = sure_of.tolist(), np.count_nonzero(stand, axis=1).tolist()
    lists = []
    for row, (one, request_id) in enumerate(zip(asked, request_ids, strict=True)):
        wanted = min(one.limit, standing[row])
        if _explores(one, settings) or sure[row] < wanted:
            places = stand[row].nonzero()[0]
            lists.append(
                chosen(assessor, assessment, places, one, settings, request_id, users[row])
            )
        else:
            lists.append(Listed(best[row, :wanted], np.ones(wanted)))
    return lists


def chosen(
    assessor: Assessor,
    assessment: Assessment,
    places: IntArray,
    asked: Asked,
    settings: Settings,
    request_id: str,
    user: int = 0,
) -> Listed:
    """List the best of these places for one person; see ``lists_of``."""
    scores = assessment.score(asked.objective)[user, places]
    varied = varied_scores(scores, assessor.domain_code[places], settings.variety)
    plain = np.argsort(-varied, kind="stable")[: asked.limit]
    if _explores(asked, settings) and len(plain) < len(places):
        return _explored(
            assessor, assessment, user, places, plain, scores, varied, settings, request_id
        )
    return Listed(places[plain], np.ones(len(plain)))


def _explores(asked: Asked, settings: Settings) -> bool:
    on = settings.exploration is not Exploration.OFF
    return on and asked.audience is Audience.USER and asked.as_of is None


def _explored(
    assessor: Assessor,
    assessment: Assessment,
    user: int,
    places: IntArray,
    plain: IntArray,
    scores: FloatArray,
    varied: FloatArray,
    settings: Settings,
    request_id: str,
) -> Listed:
    allowed = assessment.decisions.verdict[user, places] == _ALLOW
    in_plain = np.zeros(len(places), dtype=bool)
    in_plain[plain] = True
    free = np.flatnonzero(allowed)
    if in_plain[free].all() or not in_plain[free].any():
        return Listed(places[plain], np.ones(len(plain)))
    candidates = Candidates(
        in_plain[free],
        assessment.parts[user, places[free]].sum(axis=-1),
        assessor.standard_error(assessment, places[free], user)[0],
        varied[free] / assessment.p_complete[user, places[free]],
    )
    propensity = np.ones(len(places))
    propensity[free] = inclusion(candidates, settings.exploration, settings.exploration_rate)
    picked = free[drawn(propensity[free], request_id)]
    domains = assessor.domain_code[places[picked]]
    picked = picked[varied_order(scores[picked], domains, settings.variety)]
    shown = in_the_free_places(plain, ~allowed[plain], picked)
    return Listed(places[shown], propensity[shown])
