"""What the OpenAPI document shows beyond types: problems, bodies of records, examples."""

from __future__ import annotations

from typing import Any

import orjson

from .describe import describe_all
from .errors import PROBLEM_JSON
from .frame import JSON_TYPE, NDJSON_TYPES
from .schemas import ProblemOut

_MEANINGS = {
    401: "A key is needed, or the one given is no good.",
    403: "The key does not allow this.",
    404: "There is no such thing.",
    405: "The method is not offered here.",
    408: "The body took too long to arrive.",
    409: "That contradicts the state of things.",
    412: "It has changed since the version given in If-Match.",
    413: "More than a request may carry.",
    415: "A kind of content that is not taken here.",
    422: "Some fields can't be used; each is named.",
    429: "Too many requests were sent; Retry-After says when to go on.",
    500: "An unexpected fault.",
    503: "The server can't answer yet; says what to do.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the problems a route may answer with."""
    return {
        status: {
            "description": _MEANINGS[status],
            "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/ProblemOut"}}},
        }
        for status in statuses
    }


def with_problem_schema(document: dict[str, Any]) -> dict[str, Any]:
    """Add the schema that every problem refers to, and what holds for all operations."""
    parts = document.setdefault("components", {}).setdefault("schemas", {})
    if "ProblemOut" in parts:  # the document is made once and asked for often
        return document
    describe_all(document, problems)
    schema = ProblemOut.model_json_schema(ref_template="#/components/schemas/{model}")
    parts.update(schema.pop("$defs", {}))
    parts["ProblemOut"] = schema
    return document


def records_body(kind: str) -> dict[str, Any]:
    """Describe a body that is one record, an array, or one record a line."""
    record = {"type": "object", "additionalProperties": True, "example": EXAMPLES[kind]}
    one_or_many = {"oneOf": [record, {"type": "array", "items": record, "maxItems": 10_000}]}
    line = orjson.dumps(EXAMPLES[kind]).decode()
    lines = {NDJSON_TYPES[0]: {"schema": {"type": "string"}, "example": f"{line}\n"}}
    content = {JSON_TYPE: {"schema": one_or_many, "example": [EXAMPLES[kind]]}, **lines}
    return {"requestBody": {"required": True, "content": content}}


EXAMPLES: dict[str, dict[str, Any]] = {
    "events": {
        "event_id": "e0000001",
        "user_id": "u0000001",
        "action_id": "walk-after-dinner",
        "type": "complete",
        "occurred_at": "2026-11-01T19:30:00+01:00",
    },
    "observations": {
        "observation_id": "o0000001",
        "user_id": "u0000001",
        "metric": "systolic_bp",
        "value": 142,
        "unit": "mm[Hg]",
        "observed_at": "2026-11-01T07:10:00Z",
        "source": "home cuff",
    },
    "users": {
        "user_id": "u0000001",
        "birth_date": "1961-04-30",
        "sex": "female",
        "conditions": ["hypertension"],
        "smoking_status": "never",
    },
    "actions": {
        "action_id": "walk-after-dinner",
        "title": "Walk for ten minutes after dinner",
        "domain": "activity",
        "effort": 2,
        "minutes": 10,
        "targets": ["glucose", "step_count"],
        "tags": ["light_exercise"],
        "repeat_after_days": 1,
        "evidence": [{"source": "WHO guidelines on physical activity", "grade": "guideline"}],
    },
}

ANSWER_EXAMPLE: dict[str, Any] = {
    "request_id": "0d5c0f6a8f5e4f3c9a1b2c3d4e5f6071",
    "user_id": "u0000001",
    "run_id": "20261101T021500-a1b2c3",
    "generated_at": "2026-11-01T08:00:00.000000+00:00",
    "cold_start": False,
    "items": [
        {
            "rank": 1,
            "action_id": "walk-after-dinner",
            "title": "Walk for ten minutes after dinner",
            "domain": "activity",
            "score": 0.41,
            "p_complete": 0.38,
            "benefit": 0.62,
            "verdict": "allow",
            "reasons": [
                {
                    "part": "biometrics",
                    "feature": "systolic_bp",
                    "text": "Your blood pressure has room to improve, and this can help",
                    "contribution": 0.31,
                }
            ],
            "evidence": [
                {
                    "source": "WHO guidelines on physical activity",
                    "grade": "guideline",
                    "url": "https://www.who.int/publications/i/item/9789240015128",
                    "date": "2020",
                }
            ],
            "propensity": 1.0,
            "standard_error": 0.62,
        }
    ],
    "alerts": [],
    "withheld": 12,
}
