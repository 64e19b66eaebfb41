"""Answers as plain mappings, ready for JSON: the one shape that HTTP and the command line share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Protocol

from recommender.catalogue_parts import eligibility_document, evidence_document
from recommender.columns import PARTS
from recommender.domain import (
    Action,
    Alert,
    Recommendation,
    RecommendationList,
    User,
    Verdict,
)
from recommender.stages.record import StageRecord
from recommender.store.runs import RunDetail

Document = dict[str, Any]


class Scored(Protocol):
    """An action with its score for one person, whatever its verdict."""

    @property
    def action(self) -> Action: ...  # noqa: D102
    @property
    def score(self) -> float: ...  # noqa: D102
    @property
    def p_complete(self) -> float: ...  # noqa: D102
    @property
    def benefit(self) -> float: ...  # noqa: D102
    @property
    def parts(self) -> tuple[float, ...]: ...  # noqa: D102
    @property
    def verdict(self) -> Verdict: ...  # noqa: D102
    @property
    def rule_id(self) -> str | None: ...  # noqa: D102
    @property
    def standard_error(self) -> float | None: ...  # noqa: D102


def answer_document(answer: RecommendationList, items: Any = None) -> Document:
    """An answer as ``GET /v1/users/{user_id}/recommendations`` gives it.

    Parameters
    ----------
    items
        In place of the answer's own: the same, written already (``Draft.items_as_json``).
    """
    return {
        "request_id": answer.request_id,
        "user_id": answer.user_id,
        "run_id": answer.run_id,
        "generated_at": answer.generated_at,
        "cold_start": answer.cold_start,
        "items": [_item(item) for item in answer.items] if items is None else items,
        "alerts": [_alert(alert) for alert in answer.alerts],
        "withheld": answer.withheld,
    }


def ranking_document(ranked: Sequence[Scored]) -> list[Document]:
    """Scored actions as ``POST /v1/users/{user_id}/rank`` lists them, best first."""
    return [
        {
            "rank": rank,
            "action_id": item.action.action_id,
            "title": item.action.title,
            "domain": item.action.domain,
            "score": item.score,
            "p_complete": item.p_complete,
            "benefit": item.benefit + 0.0,
            "parts": dict(zip(PARTS, item.parts, strict=True)),
            "verdict": item.verdict.value,
            "rule_id": item.rule_id,
            "standard_error": item.standard_error,
        }
        for rank, item in enumerate(ranked, start=1)
    ]


def alert_document(alert: Alert) -> Document:
    """An alert as every answer carries it."""
    return _alert(alert)


def action_document(action: Action) -> Document:
    """An action of the catalogue with every field."""
    return {
        "action_id": action.action_id,
        "title": action.title,
        "domain": action.domain,
        "description": action.description,
        "clinician_description": action.clinician_description,
        "effort": action.effort,
        "minutes": action.minutes,
        "targets": list(action.targets),
        "tags": list(action.tags),
        "repeat_after_days": action.repeat_after_days,
        "evidence": [evidence_document(entry) for entry in action.evidence],
        "attributes": dict(action.attributes),
        "retired": action.retired,
        "intensity": action.intensity,
        "technique": action.technique,
        "eligible": eligibility_document(action.eligible),
        "reviewed_on": action.reviewed_on,
        "review_by": action.review_by,
    }


def user_document(user: User) -> Document:
    """A person's profile as stored."""
    return {
        "user_id": user.user_id,
        "birth_date": user.birth_date,
        "sex": user.sex.value,
        "conditions": list(user.conditions),
        "attributes": dict(user.attributes),
    }


def run_document(detail: RunDetail, stages: Sequence[StageRecord]) -> Document:
    """One run in full with what its stages took, as ``GET /v1/runs/{run_id}`` gives it."""
    return asdict(detail.summary) | {
        "seed": detail.seed,
        "code_version": detail.code_version,
        "published_at": list(detail.published_at),
        "figures": [
            {"name": name, "segment": segment, "value": value}
            for (name, segment), value in sorted(detail.figures.items())
        ],
        "manifest": detail.manifest,
        "stages": [asdict(stage) for stage in stages],
    }


def _item(item: Recommendation) -> Document:
    # In the middle of every answer: no call for each reason.
    action = item.action
    return {
        "rank": item.rank,
        "action_id": action.action_id,
        "title": action.title,
        "domain": action.domain,
        "score": item.score,
        "p_complete": item.p_complete,
        "benefit": item.benefit + 0.0,  # never -0.0
        "verdict": item.verdict.value,
        "reasons": [
            {"part": part, "feature": feature, "text": text, "contribution": contribution}
            for part, feature, text, contribution in item.reasons
        ],
        "evidence": action.evidence_documents,
        "propensity": item.propensity,
        "standard_error": item.standard_error,
    }


def _alert(alert: Alert) -> Document:
    return {
        "rule_id": alert.rule_id,
        "severity": alert.severity,
        "text": alert.text,
        "source": alert.source,
        "alert_id": alert.alert_id,
        "contacts": [asdict(contact) for contact in alert.contacts],
        "acknowledged_at": alert.acknowledged_at,
    }
