"""What the OpenAPI document says of all operations alike: limits, headers, examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .examples import ANSWERS, ASKED, PARAMETERS, problem_example
from .frame import JSON_TYPE

Describe = Callable[..., dict[int | str, dict[str, Any]]]

_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A new one for each new request: sent again with the same body within a day, "
    "the request is not done twice.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "example": "9f1c2d3e-4b5a-6978-8796-a5b4c3d2e1f0",
}
_SECONDS = {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}
_VERSION = {"description": "Version of the profile.", "schema": {"type": "string"}}
_VERSIONED = "/v1/users/{user_id}"


def describe_all(document: dict[str, Any], problems: Describe) -> None:
    """Complete a document in place.

    Parameters
    ----------
    problems
        Describes the problems of some statuses.
    """
    for method, path, operation in _operations(document):
        answers = operation["responses"]
        if path.startswith("/v1/"):
            for status, answer in problems(*_common(method)).items():
                answers.setdefault(str(status), answer)
        if path.startswith("/v1/") and method == "post":
            operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)
        if path == _VERSIONED and method in ("get", "patch"):
            answers["200"]["headers"] = {"ETag": _VERSION}
        _add_examples(method, path, operation)


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def _common(method: str) -> tuple[int, ...]:
    return {
        "get": (429, 503),
        "delete": (429, 503),
        "patch": (408, 429, 503),
        "post": (408, 409, 413, 415, 429, 503),
    }[method]


def _add_examples(method: str, path: str, operation: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", ()):
        if parameter["name"] in PARAMETERS:
            parameter.setdefault("example", PARAMETERS[parameter["name"]])
    name = f"{method.upper()} {path}"
    if name in ASKED and "requestBody" in operation:
        operation["requestBody"]["content"][JSON_TYPE].setdefault("example", ASKED[name])
    for status, answer in operation["responses"].items():
        for kind, content in answer.get("content", {}).items():
            if status.startswith("2"):
                example = ANSWERS.get(name, {}).get(kind)
            else:
                example = problem_example(int(status))
                if status in ("429", "503"):
                    answer["headers"] = {"Retry-After": _SECONDS}
            if example is not None:
                content.setdefault("example", example)
