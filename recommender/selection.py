"""Which actions a list holds, in which order, and with which probability each stands in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, pairwise
from typing import NamedTuple, Protocol

import numpy as np

from recommender.assess import Assessment, Assessor
from recommender.dataset import BoolArray, Events, FloatArray, Int8Array, Int32Array, IntArray
from recommender.domain import VERDICT_CODES, Audience, Exploration, Objective, Verdict
from recommender.exploration import Candidates, drawn, in_the_free_places, inclusion
from recommender.listing import listed, standing
from recommender.ranking import (
    discounts,
    event_columns,
    varied_order,
    varied_scores,
)
from recommender.settings import Settings

_ALLOW = VERDICT_CODES[Verdict.ALLOW]
_WITHHOLD = VERDICT_CODES[Verdict.WITHHOLD]


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


_Shelf = tuple[
    BoolArray,
    Int8Array,
    Int32Array,
    Int32Array,
    Int8Array,
    FloatArray,
    float,
    FloatArray,
    float,
    float,
]
"""Arguments of ``listing.standing``."""


class Listed(NamedTuple):
    """A list: places in the catalogue, in order, and the propensity of each."""

    shown: IntArray
    propensity: FloatArray


@dataclass(frozen=True)
class Lists:
    """Several lists, one after the other.

    Attributes
    ----------
    sizes, withheld
        How many items each list has, and how many actions the guardrails keep off it; one entry a
        list.
    user, action
        Whom an item is shown, by place among the people assessed, and its place in the catalogue.
    rank
        From 1 in each list.
    score, propensity
        What its list is ordered by, and the probability with which it stands there.
    """

    sizes: list[int]
    withheld: list[int]
    user: IntArray
    action: IntArray
    rank: IntArray
    score: FloatArray
    propensity: FloatArray


@dataclass(frozen=True)
class Eligible:
    """What may be shown to some people.

    Attributes
    ----------
    may_stand
        Whether an action may stand in a list, shape [n_users, n_actions].
    domains, domain_code
        Domain of each action, and a number for it.
    """

    may_stand: BoolArray
    domains: tuple[str, ...]
    domain_code: IntArray

    def of(self, user: int, domain: str | None) -> IntArray:
        """Places of what may be shown to one person."""
        may_stand = self.may_stand[user]
        if domain is not None:
            may_stand = may_stand & (self.domain_code == number_of(domain, self))
        return np.asarray(may_stand.nonzero()[0])


class InDomains(Protocol):
    """Actions, each of a domain."""

    @property
    def domains(self) -> tuple[str, ...]:
        """Domain of each action."""

    @property
    def domain_code(self) -> IntArray:
        """A number for it."""


def number_of(domain: str | None, actions: InDomains) -> int:
    """Number of a domain: -1 for all of them, -2 for one that no action is of."""
    if domain is None:
        return -1
    if domain not in actions.domains:
        return -2
    return int(actions.domain_code[actions.domains.index(domain)])


def eligible(
    assessor: Assessor, assessment: Assessment, events: Events, at: float, settings: Settings
) -> Eligible:
    """Find out what may be shown to the people who were assessed, whose ``events`` these are."""
    may_stand = standing(*_shelf(assessor, assessment, events, at, settings))
    return Eligible(may_stand, assessor.domains, assessor.domain_code)


def lists_of(
    assessor: Assessor,
    assessment: Assessment,
    events: Events,
    at: float,
    users: Sequence[int],
    asked: Sequence[Asked],
    settings: Settings,
    request_ids: Sequence[str],
) -> Lists:
    """Answer what is asked for people who were assessed, each as if alone.

    Chance only has a say in what a person is shown now: a list for a clinician and one as of an
    earlier instant are the plain ones. What the guardrails caution against stands where the
    plain list has it, and nowhere else.

    Parameters
    ----------
    events
        Of the people who were assessed.
    at
        The lists' instant, seconds since 1970.
    users
        Whose each list is; a person may have several.
    """
    scores, lists = _wanted(assessor, assessment, users, asked)
    may_stand, sizes, withheld, user, action, rank, score = listed(
        *_shelf(assessor, assessment, events, at, settings),
        np.ascontiguousarray(scores, np.float64),
        assessor.domain_code,
        discounts(settings.variety, scores.shape[1]),
        lists,
    )
    chance = np.ones(len(action))
    found = Lists(sizes.tolist(), withheld.tolist(), user, action, rank, score, chance)
    if settings.exploration is not Exploration.OFF:
        may = Eligible(may_stand, assessor.domains, assessor.domain_code)
        ends = list(pairwise(accumulate(found.sizes, initial=0)))
        for place, (one, name) in enumerate(zip(asked, request_ids, strict=True)):
            if _explores(one, settings):
                whose, items = users[place], slice(*ends[place])
                mine = may.of(whose, one.domain)
                by_chance = chosen(assessor, assessment, mine, one, settings, name, whose)
                action[items], chance[items] = by_chance
                score[items] = scores[lists[place, 0], by_chance.shown]
    return found


def _wanted(
    assessor: Assessor, assessment: Assessment, users: Sequence[int], asked: Sequence[Asked]
) -> tuple[FloatArray, IntArray]:
    """Scores by everything that lists are ordered by, and ``lists`` as ``best_varied`` takes it."""
    objectives = list(dict.fromkeys([each.objective for each in asked]))
    by_objective = [assessment.score(each) for each in objectives]
    n_users, n_actions = by_objective[0].shape
    lists = [
        (
            objectives.index(one.objective) * n_users + user,
            user,
            number_of(one.domain, assessor),
            min(one.limit, n_actions),
        )
        for one, user in zip(asked, users, strict=True)
    ]
    scores = by_objective[0] if len(by_objective) == 1 else np.concatenate(by_objective)
    return scores, np.array(lists, np.int64)


def _shelf(
    assessor: Assessor, assessment: Assessment, events: Events, at: float, settings: Settings
) -> _Shelf:
    return (
        assessor.active,
        np.ascontiguousarray(assessment.decisions.verdict, np.int8),
        *event_columns(events),
        float(at),
        assessor.repeat_days,
        float(settings.dismiss_rest_days),
        float(settings.snooze_rest_days),
    )


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
