"""Answers: a person's own record, the published run, today's guardrails, an ordered list.

The path of a request, top to bottom: ``store.read`` loads the record, ``assess`` scores it and
asks the guardrails, ``ranking`` orders what is left, ``reasons`` puts it into words,
``store.write`` logs what was shown and what was not.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from recommender.assess import Assessment, Assessor
from recommender.benefit import latest_readings, need
from recommender.dataset import IntArray, Records, Users
from recommender.domain import (
    Action,
    Audience,
    Objective,
    Reason,
    Recommendation,
    RecommendationList,
    Verdict,
)
from recommender.errors import NotFoundError
from recommender.published import LiveRun, Published
from recommender.ranking import resting, varied_order
from recommender.reasons import Wording, cite_all
from recommender.settings import Settings
from recommender.store.engine import reading, writing
from recommender.store.read import load_user_record
from recommender.store.write import log_request

VERDICTS = tuple(Verdict)


@dataclass(frozen=True)
class Ask:
    """What is asked for.

    Attributes
    ----------
    as_of
        Answer from the records up to here; now if None.
    channel
        ``http`` or ``cli``; kept in the log.
    """

    limit: int = 10
    domain: str | None = None
    audience: Audience = Audience.USER
    objective: Objective = Objective.BENEFIT
    as_of: datetime | None = None
    channel: str = "http"


@dataclass(frozen=True)
class RankedAction:
    """One action as scored for one person, whatever its verdict."""

    action: Action
    score: float
    p_complete: float
    benefit: float
    parts: tuple[float, ...]
    verdict: Verdict
    rule_id: str | None


def recommend_for(
    published: Published, user_id: str, ask: Ask, settings: Settings
) -> RecommendationList:
    """Answer what to show one person, and log it.

    Returns exactly ``min(ask.limit, eligible)`` items: an action is eligible unless it is
    withheld, retired, resting (``ranking.resting``) or of another domain than asked for.

    Raises
    ------
    NoPublishedRunError
        If nothing has been trained yet.
    """
    live = published.current()
    now = datetime.now(UTC)
    records, assessment = _assess(published, live, user_id, ask.as_of or now, ask.audience)
    at = (ask.as_of or now).timestamp()
    eligible, withheld = _eligible(live.assessor, assessment, records, at, ask, settings)
    scores = assessment.score(ask.objective)[0]
    domains = [live.assessor.domains[place] for place in eligible]
    order = varied_order(scores[eligible], domains, settings.variety)[: ask.limit]
    shown = eligible[order]
    answer = RecommendationList(
        request_id=uuid.uuid4().hex,
        user_id=user_id,
        run_id=live.run.run_id,
        generated_at=now,
        cold_start=is_unknown(records),
        items=_items(live.assessor, assessment, records, at, scores, shown, ask.audience),
        alerts=live.assessor.guard.alerts(assessment.decisions, 0, ask.audience),
        withheld=withheld,
    )
    with writing(published.engine) as connection:
        log_request(connection, answer, ask, _verdict_log(live.assessor, assessment, records))
    return answer


def rank_for(
    published: Published,
    user_id: str,
    action_ids: Sequence[str] | None,
    ask: Ask,
) -> tuple[LiveRun, list[RankedAction]]:
    """Score the asked actions (all if None) for one person, best first.

    Nothing is left out: withheld actions carry their verdict and rule. Ties are in order of
    ``action_id``.

    Raises
    ------
    NotFoundError
        If an asked action is not in the catalogue.
    """
    live = published.current()
    assessor = live.assessor
    as_of = ask.as_of or datetime.now(UTC)
    places = _places(assessor, action_ids)
    _, assessment = _assess(published, live, user_id, as_of, ask.audience)
    scores = assessment.score(ask.objective)[0]
    best_first = places[np.argsort(-scores[places], kind="stable")].tolist()
    return live, [_ranked(assessor, assessment, float(scores[one]), one) for one in best_first]


def is_unknown(records: Records) -> bool:
    """True if nothing at all is known of the (single) person."""
    return not (len(records.events) or len(records.observations) or _has_profile(records.users))


def _has_profile(users: Users) -> bool:
    return bool(
        len(users.condition_user)
        or users.sex[0]
        or users.born_at[0] == users.born_at[0]
        or any(column[0] is not None for column in users.attributes.values())
    )


def _assess(
    published: Published, live: LiveRun, user_id: str, as_of: datetime, audience: Audience
) -> tuple[Records, Assessment]:
    assessor = live.assessor
    with reading(published.engine) as connection:
        records = load_user_record(connection, user_id, as_of, assessor.catalogue, assessor.metrics)
    return records, assessor.assess(records, as_of.timestamp(), audience)


def _eligible(
    assessor: Assessor,
    assessment: Assessment,
    records: Records,
    at: float,
    ask: Ask,
    settings: Settings,
) -> tuple[IntArray, int]:
    """Indices of what may be shown, and how many actions were withheld."""
    asked = assessor.active.copy()
    if ask.domain is not None:
        asked &= np.array([domain == ask.domain for domain in assessor.domains], dtype=bool)
    withheld = assessment.withheld[0]
    rests = resting(
        records.events,
        assessor.catalogue,
        at,
        dismiss_rest_days=settings.dismiss_rest_days,
        snooze_rest_days=settings.snooze_rest_days,
    )
    return np.flatnonzero(asked & ~withheld & ~rests), int((asked & withheld).sum())


def _items(
    assessor: Assessor,
    assessment: Assessment,
    records: Records,
    at: float,
    scores: np.ndarray,
    shown: IntArray,
    audience: Audience,
) -> tuple[Recommendation, ...]:
    reasons = _reasons(assessor, assessment, records, at, shown, audience)
    items = []
    for rank, (place, why) in enumerate(zip(shown, reasons, strict=True), start=1):
        ranked = _ranked(assessor, assessment, float(scores[place]), int(place))
        items.append(
            Recommendation(
                rank=rank,
                action=ranked.action,
                score=ranked.score,
                p_complete=ranked.p_complete,
                benefit=ranked.benefit,
                parts=ranked.parts,
                verdict=ranked.verdict,
                rule_id=ranked.rule_id,
                reasons=why,
                propensity=1.0,
            )
        )
    return tuple(items)


def _reasons(
    assessor: Assessor,
    assessment: Assessment,
    records: Records,
    at: float,
    shown: IntArray,
    audience: Audience,
) -> list[tuple[Reason, ...]]:
    assert assessment.view is not None  # one person was assessed
    readings = latest_readings(records.observations, 1, assessor.metrics, at)[0]
    wording = Wording(
        metrics=assessor.metrics,
        catalogue=assessor.catalogue,
        audience=audience,
        readings=readings,
        needs=need(readings, assessor.metrics.metrics),
        measured=np.isin(np.arange(len(assessor.metrics)), records.observations.metric),
        has_profile=_has_profile(records.users),
    )
    shares = assessor.model.shares(assessment.view, 0, shown.tolist())
    return cite_all(shares, [assessor.catalogue.actions[place] for place in shown], wording)


def _ranked(assessor: Assessor, assessment: Assessment, score: float, place: int) -> RankedAction:
    decisions = assessment.decisions
    return RankedAction(
        action=assessor.catalogue.actions[place],
        score=score,
        p_complete=float(assessment.p_complete[0, place]),
        benefit=float(assessment.benefit[0, place]),
        parts=tuple(assessment.parts[0, place].tolist()),
        verdict=VERDICTS[decisions.verdict[0, place]],
        rule_id=assessor.guard.rule_id(int(decisions.rule[0, place])),
    )


def _places(assessor: Assessor, action_ids: Sequence[str] | None) -> IntArray:
    if action_ids is None:
        return np.flatnonzero(assessor.active)
    unknown = [name for name in action_ids if name not in assessor.catalogue.index]
    if unknown:
        raise NotFoundError(f"no such action: {', '.join(sorted(unknown)[:5])}")
    return np.array(sorted({assessor.catalogue.index[name] for name in action_ids}), dtype=int)


def _verdict_log(
    assessor: Assessor, assessment: Assessment, records: Records
) -> list[list[str | int | None]]:
    """``[action_id, verdict, rule_id, rule_version, observation_id]`` of what was not allowed."""
    return [
        [assessor.catalogue.ids[hit.action], VERDICTS[hit.verdict], *hit.citation]
        for hit in assessor.guard.hits(assessment.decisions, records, 0)
    ]
