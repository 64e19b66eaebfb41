"""An example of every request and every answer, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from .errors import known_kinds

_JSON = "application/json"
_USER = "u0000001"
_RUN = "20261101T021500-a1b2c3"
_EARLIER_RUN = "20261031T021500-d4e5f6"
_RECEIPT = "erased:3f6a1c8e5b7d92046f1e8a3c5d7b9204e6f81a3c5b7d9204f6e8a1c3b5d79204"

PARAMETERS: dict[str, Any] = {
    "user_id": _USER,
    "run_id": _RUN,
    "action_id": "walk-after-dinner",
    "alert_id": "7c1e9a40b2d35f68",
    "limit": 10,
    "domain": "activity",
    "X-Purpose": "care",
}
"""Parameter -> example."""

ASKED: dict[str, Any] = {
    "POST /v1/users/{user_id}/rank": {
        "action_ids": ["walk-after-dinner", "box-breathing"],
        "objective": "benefit",
    },
    "PATCH /v1/users/{user_id}": {
        "conditions": ["hypertension", "type_2_diabetes"],
        "attributes": {"smoking_status": "former", "nickname": None},
    },
}
"""Operation -> body, where its own description has none."""

_TAKEN = {
    "accepted": 1,
    "duplicates": 0,
    "corrected": 0,
    "rejected": [{"index": 1, "reason": "unknown action"}],
}
_EVIDENCE = [
    {
        "source": "WHO guidelines on physical activity and sedentary behaviour",
        "grade": "guideline",
        "url": None,
        "date": "2020",
        "verified": "secondary",
    }
]
_USER_DOCUMENT = {
    "user_id": _USER,
    "birth_date": "1961-04-30",
    "sex": "female",
    "conditions": ["hypertension", "type_2_diabetes"],
    "attributes": {"smoking_status": "former"},
}
_RUN_DOCUMENT = {
    "run_id": _RUN,
    "status": "trained",
    "as_of": "2026-11-01T02:15:00Z",
    "started_at": "2026-11-01T02:15:00Z",
    "finished_at": "2026-11-01T02:16:12Z",
    "message": None,
    "published": True,
}
_STAGE = {
    "stage": "score",
    "part_of": None,
    "place": 8,
    "started_at": "2026-11-01T02:15:40Z",
    "seconds": 29.5,
    "cpu_seconds": 51.0,
    "peak_mb": 1210.0,
    "resident_mb": 940.0,
    "rows": 100000,
}
_ACTION = {
    "action_id": "walk-after-dinner",
    "title": "Walk for ten minutes after dinner",
    "domain": "activity",
    "description": "A short, easy walk after the evening meal.",
    "clinician_description": "Light walking after a meal lowers the rise of blood glucose.",
    "effort": 2,
    "minutes": 10.0,
    "targets": ["glucose", "step_count"],
    "tags": ["light_exercise"],
    "repeat_after_days": 1.0,
    "evidence": _EVIDENCE,
    "attributes": {},
    "retired": False,
    "intensity": "light",
    "technique": "8.1 Behavioral practice/rehearsal",
    "eligible": {"min_age": 18},
    "reviewed_on": "2026-09-01",
    "review_by": "2028-09-01",
}
_RANKED = {
    "rank": 1,
    "action_id": "walk-after-dinner",
    "title": "Walk for ten minutes after dinner",
    "domain": "activity",
    "score": 0.41,
    "p_complete": 0.5,
    "benefit": 0.62,
    "parts": {
        "base": -0.5,
        "profile": 0.1,
        "biometrics": 0.3,
        "behaviour": 0.05,
        "factor": 0.05,
    },
    "verdict": "allow",
    "rule_id": None,
    "standard_error": 0.62,
}
_ALERT = {
    "rule_id": "pressure_crisis",
    "severity": "critical",
    "text": "Your blood pressure is very high. Measure again after five minutes of rest.",
    "source": "2025 AHA/ACC guideline on high blood pressure",
    "alert_id": PARAMETERS["alert_id"],
    "contacts": [],
    "acknowledged_at": "2026-11-01T08:05:00Z",
}
_KEPT_ALERT = {
    **_ALERT,
    "rule_version": 1,
    "observation_id": "o0000001",
    "first_raised_at": "2026-11-01T08:00:00Z",
    "last_raised_at": "2026-11-01T09:30:00Z",
    "acknowledged_by": None,
    "holds": True,
}
_VERSION = {
    "action_id": "walk-after-dinner",
    "version": 1,
    "revision": 1,
    "valid_from": "2026-11-01T02:00:00Z",
    "content_hash": "9b5f0c6e3d1a4e7f8a2b5c6d7e8f90123456789abcdef0123456789abcdef012",
    "content": _ACTION,
    "changed_by": "http",
}
_READY = {
    "status": "ready",
    "run_id": _RUN,
    "rules": {"label": "core-1", "count": 116, "own": [], "disabled": []},
    "checks": [{"name": "database", "status": "ok", "found": "sqlite answers", "fix": ""}],
}
_CARD = {
    "format": 1,
    "run_id": _RUN,
    "intended_use": ["General wellness; not a medical device."],
    "limits": ["Says nothing of people unlike those it was learned from."],
    "versions": {"code": "0.1.0"},
    "data": {"people": 100000, "events": 2000000},
    "actions": {"in_catalogue": 500},
    "features": {"profile": ["age"]},
    "settings": {"seed": 0},
    "figures": {"log_loss": 0.41, "ndcg_at_10": 0.37},
    "least_people": 20,
    "groups": [{"group": "sex: female", "people": 512, "log_loss": 0.40}],
    "drift": {},
    "gate": {"passed": True},
    "guardrails": {"rules": 116},
    "offers": {"people": 5000, "figures": {"near_miss": 0.11}, "rules": []},
}
_EXPORT: dict[str, Any] = {
    "user_id": _USER,
    "users": [_USER_DOCUMENT],
    "events": [
        {
            "event_id": "e0000001",
            "user_id": _USER,
            "action_id": "walk-after-dinner",
            "type": "complete",
            "occurred_at": "2026-11-01T18:30:00Z",
        }
    ],
    "observations": [],
}

ANSWERS: dict[str, dict[str, Any]] = {
    "POST /v1/users/{user_id}/rank": {
        _JSON: {"user_id": _USER, "run_id": _RUN, "items": [_RANKED], "alerts": [_ALERT]}
    },
    "GET /v1/users/{user_id}/alerts": {_JSON: {"user_id": _USER, "items": [_KEPT_ALERT]}},
    "POST /v1/users/{user_id}/alerts/{alert_id}/acknowledge": {
        _JSON: {
            "alert_id": _ALERT["alert_id"],
            "user_id": _USER,
            "rule_id": _ALERT["rule_id"],
            "acknowledged_at": _ALERT["acknowledged_at"],
            "acknowledged_by": None,
        }
    },
    **{
        f"POST /v1/{kind}": {_JSON: _TAKEN}
        for kind in ("events", "observations", "users", "actions")
    },
    "GET /v1/users/{user_id}": {_JSON: _USER_DOCUMENT},
    "PATCH /v1/users/{user_id}": {_JSON: _USER_DOCUMENT},
    "DELETE /v1/users/{user_id}": {
        _JSON: {
            "user_id": _USER,
            "deleted": {"users": 1, "events": 214, "observations": 96},
            "receipt": _RECEIPT,
        }
    },
    "GET /v1/users/{user_id}/export": {_JSON: _EXPORT},
    "GET /v1/actions": {_JSON: {"items": [_ACTION], "next": "walk-after-dinner"}},
    "GET /v1/actions/{action_id}/versions": {_JSON: {"items": [_VERSION]}},
    "DELETE /v1/actions/{action_id}": {_JSON: {"action_id": "walk-after-dinner", "changed": True}},
    "GET /v1/runs": {_JSON: {"items": [_RUN_DOCUMENT], "next": None}},
    "GET /v1/runs/{run_id}": {
        _JSON: {
            **_RUN_DOCUMENT,
            "seed": 0,
            "code_version": "0.1.0",
            "published_at": ["2026-11-01T02:16:12Z"],
            "figures": [{"name": "log_loss", "segment": "all", "value": 0.41}],
            "manifest": None,
            "stages": [_STAGE],
        }
    },
    "GET /v1/runs/{run_id}/card": {
        _JSON: _CARD,
        "text/markdown": f"# Model card of run {_RUN}\n",
    },
    "POST /v1/runs/rollback": {_JSON: {"run_id": _EARLIER_RUN, "instead_of": _RUN}},
    "POST /v1/runs/{run_id}/publish": {_JSON: {"run_id": _RUN, "publication_id": 17}},
    "GET /status/live": {_JSON: {"status": "live"}},
    "GET /status/ready": {_JSON: _READY},
    "GET /metrics": {"text/plain": "recommender_published_run_age_seconds 3600.0\n"},
}
"""Operation -> kind of content -> answer."""


def problem_example(status: int) -> dict[str, Any]:
    """A problem as it is sent with a status."""
    kind, title = known_kinds()[status][0]
    return {"type": kind, "title": title, "status": status, "detail": "what was wrong, in words"}
