"""Answers: people's own records, the published run, today's guardrails, ordered lists.

The path of a request, top to bottom: ``store.read`` loads the record, ``assess`` scores it and
asks the guardrails, ``selection`` lists and orders what is left, ``items`` puts it into words,
``store.write`` logs what was shown and what was not. People who ask at the same moment go the same
way together: one query, one pass over arrays, one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

import numpy as np

from recommender.alerts import acknowledged_as, alerts_of, rows_of
from recommender.assess import FEW, Assessment, Assessor
from recommender.dataset import IntArray
from recommender.domain import Alert, Audience, Objective, RecommendationList
from recommender.errors import NotFoundError
from recommender.items import (
    Draft,
    RankedAction,
    Rows,
    cited_for,
    is_unknown,
    ranked_actions,
    shown_of,
)
from recommender.published import LiveRun, Published
from recommender.request_ids import request_ids
from recommender.selection import lists_of
from recommender.settings import Settings
from recommender.stopwatch import Stopwatch, Watch
from recommender.store.access import Asker
from recommender.store.alerts import keep_alerts
from recommender.store.direct import Direct, direct
from recommender.store.read import Held, load_user_record, load_user_records
from recommender.store.write import Logged, log_requests

Given = TypeVar("Given")


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
class Question:
    """Who asks for what, and who is told how long the stages of the answer took."""

    user_id: str
    ask: Ask = Ask()
    watch: Watch | None = None


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
    return recommend_each(published, [Question(user_id, ask)], settings)[0]


def recommend_each(
    published: Published, questions: Sequence[Question], settings: Settings
) -> list[RecommendationList]:
    """Answer several people at once, each as ``recommend_for`` would, and log all of it.

    Nobody's answer depends on who else asks.
    """
    return answer_each(published, questions, settings, Draft.finished)


def answer_each(
    published: Published,
    questions: Sequence[Question],
    settings: Settings,
    write: Callable[[Draft], list[Given]],
) -> list[Given]:
    """As ``recommend_each``; what ``write`` makes of each answer, in the order of the questions.

    Reasons and ``write`` are worked out while the database keeps the log, which needs neither.
    Nothing is given before the log is kept.
    """
    live, now = published.current(), datetime.now(UTC)
    clock = Stopwatch(question.watch for question in questions)
    drafts: list[tuple[list[int], Draft]] = []
    with direct(published.engine) as store:
        most = min(FEW, live.assessor.model.at_once)
        for places in _alike(questions, most):
            together = [questions[place] for place in places]
            drafts.append((places, _answer(store, live, together, now, settings, clock)))
        logged = [each for _, draft in drafts for each in draft.logged]
        raised = [each for _, draft in drafts for each in draft.raised]
        given = log_requests(store, logged, raised, partial(_in_order, drafts, write))
    clock.ended("log")
    return given


def warm_up(published: Published, settings: Settings) -> None:
    """Work answers out for nobody and throw them away, so that nobody waits for what is compiled
    or loaded on the way.

    Raises
    ------
    NoPublishedRunError
        If nothing has been trained yet.
    """
    live, now, clock = published.current(), datetime.now(UTC), Stopwatch(())
    # No id of a record begins like these. Many items are not quite worked out as few are.
    many = min(FEW, live.assessor.model.at_once)
    nobody = [Question(f"\x1f{place}") for place in range(many)]
    with direct(published.engine) as store:
        for questions in (nobody, [replace(nobody[0], ask=Ask(limit=1))]):
            _answer(store, live, questions, now, settings, clock).items_as_json()


def _in_order(
    drafts: Sequence[tuple[list[int], Draft]], write: Callable[[Draft], list[Given]]
) -> list[Given]:
    """What is made of each answer, in the order of the questions."""
    given: dict[int, Given] = {}
    for places, draft in drafts:
        given.update(zip(places, write(draft), strict=True))
    return [given[place] for place in sorted(given)]


def _alike(questions: Sequence[Question], most: int) -> Iterable[list[int]]:
    """Places of questions that can be answered together: of one instant and audience."""
    groups: dict[tuple[datetime | None, Audience], list[int]] = {}
    for place, question in enumerate(questions):
        groups.setdefault((question.ask.as_of, question.ask.audience), []).append(place)
    for places in groups.values():
        yield from (places[start : start + most] for start in range(0, len(places), most))


def _answer(
    store: Direct,
    live: LiveRun,
    questions: Sequence[Question],
    now: datetime,
    settings: Settings,
    clock: Stopwatch,
) -> Draft:
    """Answer questions of one instant and audience; the reasons of all items are still to come."""
    assessor, ask = live.assessor, questions[0].ask
    ids = sorted({question.user_id for question in questions})
    at = ask.as_of or now
    held = load_user_records(store, ids, at, assessor.catalogue, assessor.metrics)
    records = held.records
    clock.ended("records")
    assessment = assessor.assess(records, at.timestamp(), ask.audience)
    clock.ended("assess")
    users = [ids.index(question.user_id) for question in questions]
    ids_of_answers = request_ids(len(questions))
    lists = lists_of(
        assessor,
        assessment,
        records.events,
        at.timestamp(),
        users,
        [question.ask for question in questions],
        settings,
        ids_of_answers,
    )
    shown = shown_of(assessor, assessment, lists)
    raised = _raised(assessor, assessment, held, ask, settings)
    unknown = is_unknown(records).tolist()
    grounds = assessor.guard.grounds(assessment.decisions, records)
    logs, by_rule = assessor.verdict_log.texts(grounds), assessor.verdict_log.decided(grounds)
    clock.ended("list")
    logged = [
        Logged(
            RecommendationList(
                request_id=request_id,
                user_id=question.user_id,
                run_id=live.run.run_id,
                generated_at=now,
                cold_start=unknown[user],
                items=(),
                alerts=raised.get(question.user_id, ()),
                withheld=held_back,
                decided=by_rule[user],
            ),
            question.ask,
            items,
            logs[user],
            question.ask.asker or Asker(None, question.ask.channel),
            live.catalogue_revision,
            assessor.guard.rules_label,
        )
        for question, user, request_id, items, held_back in zip(
            questions, users, ids_of_answers, shown.logged(), lists.withheld, strict=True
        )
    ]
    cite = partial(cited_for, shown, assessment, records, ask.audience)
    return Draft(logged, [] if ask.as_of else rows_of(raised, now), shown, cite)


def _raised(
    assessor: Assessor, assessment: Assessment, held: Held, ask: Ask, settings: Settings
) -> dict[str, tuple[Alert, ...]]:
    """Alerts of each person who has any; a look back says nothing of acknowledgements."""
    known = {} if ask.as_of else held.acknowledged
    guard, decisions = assessor.guard, assessment.decisions
    raised = alerts_of(guard, decisions, held.records, ask.audience, settings.country)
    return {user_id: acknowledged_as(alerts, known) for user_id, alerts in raised.items()}


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
    live, held, assessment, ranked = _rank(published, user_id, action_ids, ask)
    raised = _raised(live.assessor, assessment, held, ask, settings)
    if not ask.as_of:  # a look back raises nothing now
        with direct(published.engine) as store:
            keep_alerts(store, rows_of(raised, datetime.now(UTC)))
    return live, ranked, raised.get(user_id, ())


def _rank(
    published: Published, user_id: str, action_ids: Sequence[str] | None, ask: Ask
) -> tuple[LiveRun, Held, Assessment, list[RankedAction]]:
    live = published.current()
    assessor = live.assessor
    as_of = ask.as_of or datetime.now(UTC)
    places = _places(assessor, action_ids)
    with direct(published.engine) as store:
        held = load_user_record(store, user_id, as_of, assessor.catalogue, assessor.metrics)
    assessment = assessor.assess(held.records, as_of.timestamp(), ask.audience)
    scores = assessment.score(ask.objective)[0]
    best_first = places[np.argsort(-scores[places], kind="stable")]
    rows = Rows.of([0], [best_first])
    ranked = ranked_actions(assessor, assessment, rows, scores[best_first])
    return live, held, assessment, ranked


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
