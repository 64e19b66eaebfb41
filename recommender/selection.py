"""Which actions a list holds, in which order, and with which probability each stands in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np

from recommender.assess import Assessment, Assessor
from recommender.dataset import Events, FloatArray, IntArray
from recommender.domain import VERDICT_CODES, Audience, Exploration, Objective, Verdict
from recommender.exploration import Candidates, drawn, in_the_free_places, inclusion
from recommender.ranking import resting, varied_order, varied_scores
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


def eligible(
    assessor: Assessor,
    assessment: Assessment,
    events: Events,
    at: float,
    asked: Asked,
    settings: Settings,
) -> tuple[IntArray, int]:
    """Places of what may be shown to one person, and how many actions were withheld."""
    wanted = assessor.active
    if asked.domain is not None:
        of_domain = [domain == asked.domain for domain in assessor.domains]
        wanted = wanted & np.array(of_domain, dtype=bool)
    withheld = assessment.withheld[0]
    rests = resting(
        events,
        assessor.repeat_days,
        at,
        dismiss_rest_days=settings.dismiss_rest_days,
        snooze_rest_days=settings.snooze_rest_days,
    )
    return np.flatnonzero(wanted & ~(withheld | rests)), int((wanted & withheld).sum())


def chosen(
    assessor: Assessor,
    assessment: Assessment,
    places: IntArray,
    asked: Asked,
    settings: Settings,
    request_id: str,
) -> Listed:
    """List the best of these places, some of them by chance where exploration is on.

    Chance only has a say in what a person is shown now: a list for a clinician and one as of an
    earlier instant are the plain ones. What the guardrails caution against stands where the
    plain list has it, and nowhere else.
    """
    scores = assessment.score(asked.objective)[0, places]
    varied = varied_scores(scores, assessor.domain_code[places], settings.variety)
    plain = np.argsort(-varied, kind="stable")[: asked.limit]
    if _explores(asked, settings) and len(plain) < len(places):
        return _explored(assessor, assessment, places, plain, scores, varied, settings, request_id)
    return Listed(places[plain], np.ones(len(plain)))


def _explores(asked: Asked, settings: Settings) -> bool:
    on = settings.exploration is not Exploration.OFF
    return on and asked.audience is Audience.USER and asked.as_of is None


def _explored(
    assessor: Assessor,
    assessment: Assessment,
    places: IntArray,
    plain: IntArray,
    scores: FloatArray,
    varied: FloatArray,
    settings: Settings,
    request_id: str,
) -> Listed:
    allowed = assessment.decisions.verdict[0, places] == _ALLOW
    in_plain = np.zeros(len(places), dtype=bool)
    in_plain[plain] = True
    free = np.flatnonzero(allowed)
    if in_plain[free].all() or not in_plain[free].any():
        return Listed(places[plain], np.ones(len(plain)))
    candidates = Candidates(
        in_plain[free],
        assessment.parts[0, places[free]].sum(axis=-1),
        assessor.standard_error(assessment, places[free])[0],
        varied[free] / assessment.p_complete[0, places[free]],
    )
    propensity = np.ones(len(places))
    propensity[free] = inclusion(candidates, settings.exploration, settings.exploration_rate)
    picked = free[drawn(propensity[free], request_id)]
    domains = assessor.domain_code[places[picked]]
    picked = picked[varied_order(scores[picked], domains, settings.variety)]
    shown = in_the_free_places(plain, ~allowed[plain], picked)
    return Listed(places[shown], propensity[shown])
