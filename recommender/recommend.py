"""Answers: a person's own record, the published run, today's guardrails, an ordered list.

The path of a request, top to bottom: ``store.read`` loads the record, ``assess`` scores it and
asks the guardrails, ``selection`` lists and orders what is left, ``reasons`` puts it into words,
``store.write`` logs what was shown and what was not.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from recommender.alerts import alerts_for, keep
from recommender.assess import Assessment, Assessor
from recommender.dataset import FloatArray, IntArray, Records, Users
from recommender.domain import (
    Action,
    Alert,
    Audience,
    Objective,
    Reason,
    Recommendation,
    RecommendationList,
    Verdict,
)
from recommender.errors import NotFoundError
from recommender.guardrails.check import Citation, Grounds
from recommender.published import LiveRun, Published
from recommender.reasons import Wording, cite_all
from recommender.selection import Listed, chosen, eligible
from recommender.settings import Settings
from recommender.store.access import Asker
from recommender.store.engine import direct, json_text
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
    asker
        Who asks and why, for the log; nobody in particular if None.
    """

    limit: int = 10
    domain: str | None = None
    audience: Audience = Audience.USER
    objective: Objective = Objective.BENEFIT
    as_of: datetime | None = None
    channel: str = "http"
    asker: Asker | None = None


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
    standard_error: float | None


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
    assessor, now = live.assessor, datetime.now(UTC)
    records, assessment = _assess(published, live, user_id, ask.as_of or now, ask.audience)
    at = (ask.as_of or now).timestamp()
    may_stand, withheld = eligible(assessor, assessment, records.events, at, ask, settings)
    request_id = uuid.uuid4().hex
    listed = chosen(assessor, assessment, may_stand, ask, settings, request_id)
    alerts = alerts_for(
        assessor.guard, assessment.decisions, records, ask.audience, settings.country
    )
    if alerts and ask.as_of is None:  # a look back raises nothing now
        with direct(published.engine) as store:
            alerts = keep(store, user_id, alerts, now)
    grounds = assessor.guard.grounds(assessment.decisions, records, 0)
    answer = RecommendationList(
        request_id=request_id,
        user_id=user_id,
        run_id=live.run.run_id,
        generated_at=now,
        cold_start=is_unknown(records),
        items=_items(assessor, assessment, records, listed, ask),
        alerts=alerts,
        withheld=withheld,
        decided=_decided(grounds),
    )
    with direct(published.engine) as store:
        log = _verdict_log(assessor, grounds)
        asker, rules = ask.asker or Asker(None, ask.channel), assessor.guard.rules_label
        log_request(store, answer, ask, log, asker, live.catalogue_revision, rules=rules)
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
    live, _, _, ranked = _rank(published, user_id, action_ids, ask)
    return live, ranked


def rank_with_alerts(
    published: Published,
    user_id: str,
    action_ids: Sequence[str] | None,
    ask: Ask,
    settings: Settings,
) -> tuple[LiveRun, list[RankedAction], tuple[Alert, ...]]:
    """As ``rank_for``, with the alerts that go with every answer."""
    live, records, assessment, ranked = _rank(published, user_id, action_ids, ask)
    guard = live.assessor.guard
    alerts = alerts_for(guard, assessment.decisions, records, ask.audience, settings.country)
    if alerts and ask.as_of is None:
        with direct(published.engine) as store:
            alerts = keep(store, user_id, alerts, datetime.now(UTC))
    return live, ranked, alerts


def _rank(
    published: Published, user_id: str, action_ids: Sequence[str] | None, ask: Ask
) -> tuple[LiveRun, Records, Assessment, list[RankedAction]]:
    live = published.current()
    assessor = live.assessor
    as_of = ask.as_of or datetime.now(UTC)
    places = _places(assessor, action_ids)
    records, assessment = _assess(published, live, user_id, as_of, ask.audience)
    scores = assessment.score(ask.objective)[0]
    best_first = places[np.argsort(-scores[places], kind="stable")]
    return live, records, assessment, _ranked(assessor, assessment, scores, best_first)


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
    with direct(published.engine) as store:
        records = load_user_record(store, user_id, as_of, assessor.catalogue, assessor.metrics)
    return records, assessor.assess(records, as_of.timestamp(), audience)


def _items(
    assessor: Assessor,
    assessment: Assessment,
    records: Records,
    listed: Listed,
    ask: Ask,
) -> tuple[Recommendation, ...]:
    reasons = _reasons(assessor, assessment, records, listed.shown, ask.audience)
    scores = assessment.score(ask.objective)[0]
    ranked = _ranked(assessor, assessment, scores, listed.shown)
    rows = zip(ranked, reasons, listed.propensity.tolist(), strict=True)
    return tuple(
        Recommendation(
            rank=rank,
            action=one.action,
            score=one.score,
            p_complete=one.p_complete,
            benefit=one.benefit,
            parts=one.parts,
            verdict=one.verdict,
            rule_id=one.rule_id,
            reasons=why,
            propensity=propensity,
            standard_error=one.standard_error,
        )
        for rank, (one, why, propensity) in enumerate(rows, start=1)
    )


def _reasons(
    assessor: Assessor,
    assessment: Assessment,
    records: Records,
    shown: IntArray,
    audience: Audience,
) -> list[tuple[Reason, ...]]:
    assert assessment.view is not None  # one person was assessed
    measured = np.zeros(len(assessor.metrics), dtype=bool)
    measured[records.observations.metric] = True
    wording = Wording(
        metrics=assessor.metrics,
        catalogue=assessor.catalogue,
        audience=audience,
        readings=assessment.readings[0],
        needs=assessment.needs[0],
        measured=measured,
        has_profile=_has_profile(records.users),
    )
    places = shown.tolist()
    shares = assessor.model.shares(assessment.view, 0, places)
    return cite_all(shares, [assessor.catalogue.actions[place] for place in places], wording)


def _ranked(
    assessor: Assessor, assessment: Assessment, scores: FloatArray, places: IntArray
) -> list[RankedAction]:
    actions, rule_id = assessor.catalogue.actions, assessor.guard.rule_id
    columns = (
        places,
        scores[places],
        assessment.p_complete[0, places],
        assessment.benefit[0, places],
        assessment.parts[0, places],
        assessment.decisions.verdict[0, places],
        assessment.decisions.rule[0, places],
        assessor.standard_error(assessment, places)[0],
    )
    return [
        RankedAction(
            actions[place],
            score,
            p,
            benefit,
            tuple(parts),
            VERDICTS[code],
            rule_id(rule),
            error if error == error else None,
        )
        for place, score, p, benefit, parts, code, rule, error in zip(
            *(column.tolist() for column in columns), strict=True
        )
    ]


def _places(assessor: Assessor, action_ids: Sequence[str] | None) -> IntArray:
    if action_ids is None:
        return np.flatnonzero(assessor.active)
    unknown = [n for n, name in enumerate(action_ids) if name not in assessor.catalogue.index]
    if unknown:
        # By number: what was sent is never repeated in an answer or a log.
        raise NotFoundError(
            f"no such action: number {', '.join(map(str, unknown[:5]))} of those asked"
        )
    return np.array(sorted({assessor.catalogue.index[name] for name in action_ids}), dtype=int)


def _decided(grounds: Grounds) -> dict[tuple[str, str], int]:
    """How many actions each rule decided about."""
    many = Counter(grounds.rules)
    return {(one.verdict, one.rule_id): many[rule] for rule, one in grounds.cited.items()}


def _verdict_log(assessor: Assessor, grounds: Grounds) -> str:
    """JSON of what was not simply allowed; see ``store.write.log_request``."""
    ends = {rule: json_text(_entry(citation))[1:] for rule, citation in grounds.cited.items()}
    quoted = assessor.quoted_ids
    entries = [
        f"[{quoted[action]},{ends[rule]}"
        for action, rule in zip(grounds.actions, grounds.rules, strict=True)
    ]
    return f"[{','.join(entries)}]"


def _entry(citation: Citation) -> list[str | int | None]:
    """A citation as the log keeps it: a disputing reading only where there is one."""
    return [*citation[:4], *([citation.rival] if citation.rival else [])]
