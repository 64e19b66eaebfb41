"""From errors to RFC 9457 problems: one table, decided here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from recommender.errors import (
    ChangedMeanwhileError,
    ConflictError,
    DataError,
    IdentityProviderError,
    LockHeldError,
    NoPublishedRunError,
    NotFoundError,
    NothingToLearnError,
    NotMigratedError,
    NotTheirsError,
    RecommenderError,
    SettingsError,
    StoreError,
    TooMuchError,
)

from .problems import KINDS, Problem
from .telemetry import Telemetry

PROBLEM_JSON = "application/problem+json"
TYPE_PREFIX = "urn:recommender:problem:"

TABLE: tuple[tuple[type[RecommenderError], int, str, str], ...] = (
    (NotFoundError, 404, "not-found", "There is no such thing"),
    (ChangedMeanwhileError, 412, "precondition-failed", "It has changed meanwhile"),
    (NotTheirsError, 403, "forbidden", "The key does not allow this"),
    (ConflictError, 409, "conflict", "That contradicts the state of things"),
    (LockHeldError, 409, "lock-held", "Another train is at work"),
    (NoPublishedRunError, 503, "no-published-run", "Nothing is trained yet"),
    (NotMigratedError, 503, "not-migrated", "The database is not up to date"),
    (StoreError, 503, "store-unavailable", "The database can't be used"),
    (IdentityProviderError, 503, "no-identity-provider", "Tokens can't be checked now"),
    (TooMuchError, 422, "invalid-request", "The request can't be used as it is"),
    (DataError, 503, "data-unusable", "What is stored can't be used"),
    (SettingsError, 500, "settings", "The server is set up wrongly"),
    (NothingToLearnError, 409, "nothing-to-learn", "There is nothing to learn from"),
    (RecommenderError, 500, "internal", "Something went wrong"),
)
"""Error class -> status, type slug, title; the first that fits counts."""

_BY_STATUS: dict[int, tuple[str, str]] = {
    400: ("bad-request", "The request can't be read"),
    401: ("no-key", "A key is needed"),
    403: ("forbidden", "The key does not allow this"),
    404: ("not-found", "There is no such thing"),
    405: ("method-not-allowed", "That method is not offered here"),
    413: ("too-large", "That is more than a request may carry"),
    415: ("unsupported-media-type", "That kind of content is not taken"),
    422: ("invalid-request", "The request can't be used as it is"),
    500: ("internal", "Something went wrong"),
}
"""What the HTTP side decides by its status alone: type slug, title."""

_UNAVAILABLE = "store-unavailable"
_UNAVAILABLE_WORDS = "the database did not answer or was too busy; try again in a moment"
_TRY_AGAIN = {"Retry-After": "2"}


def known_kinds() -> dict[int, list[tuple[str, str]]]:
    """Every kind of problem there is: status -> (type, title) of each."""
    found: dict[int, list[tuple[str, str]]] = {}
    all_kinds = (
        *((status, *kind) for status, kind in _BY_STATUS.items()),
        *((status, slug, title) for _, status, slug, title in TABLE),
        *KINDS,
    )
    for status, slug, title in all_kinds:
        kind = (TYPE_PREFIX + slug, title)
        if kind not in found.setdefault(status, []):
            found[status].append(kind)
    return found


def problem_response(
    status: int,
    detail: str,
    *,
    kind: tuple[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[Mapping[str, Any]] | None = None,
    checks: Sequence[Mapping[str, Any]] | None = None,
) -> Response:
    """Build a problem.

    Parameters
    ----------
    kind
        Type slug and title; those of the status if None.
    errors
        The fields at fault, never what they were set to.
    checks
        What was looked at to find out whether the server is ready.
    """
    slug, title = kind or _BY_STATUS.get(status, (f"status-{status}", HTTPStatus(status).phrase))
    body: dict[str, Any] = {
        "type": TYPE_PREFIX + slug,
        "title": title,
        "status": status,
        "detail": detail,
    }
    if errors is not None:
        body["errors"] = errors
    if checks is not None:
        body["checks"] = checks
    return Response(
        orjson.dumps(body), status_code=status, headers=headers, media_type=PROBLEM_JSON
    )


def from_error(error: RecommenderError) -> Response:
    """The problem for one of the product's own errors."""
    status, slug, title = described(error)
    if slug == _UNAVAILABLE:
        # Its own words name the database's host and user, which are not for whoever sends requests.
        return problem_response(status, _UNAVAILABLE_WORDS, kind=(slug, title), headers=_TRY_AGAIN)
    return problem_response(status, str(error), kind=(slug, title))


def from_own(telemetry: Telemetry, error: RecommenderError) -> Response:
    """As ``from_error``; a failure of the database is counted."""
    if isinstance(error, StoreError):
        telemetry.database_failed(described(error)[1])
    return from_error(error)


def described(error: RecommenderError) -> tuple[int, str, str]:
    """Status, type slug and title of one of the product's own errors."""
    return next(
        (status, slug, title) for known, status, slug, title in TABLE if isinstance(error, known)
    )


def from_http(error: HTTPException) -> Response:
    """The problem for what the HTTP side refuses."""
    kind = error.kind if isinstance(error, Problem) else None
    return problem_response(error.status_code, str(error.detail), kind=kind, headers=error.headers)


def install(app: FastAPI) -> None:
    """Make every error of an application a problem."""
    app.add_exception_handler(RecommenderError, _on_own)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_invalid)


async def _on_own(request: Request, error: Exception) -> Response:
    assert isinstance(error, RecommenderError)
    return from_own(request.app.state.recommender.telemetry, error)


async def _on_http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return from_http(error)


async def _on_invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    flaws = [
        {"field": _field(flaw), "code": flaw["type"], "message": _words(flaw)}
        for flaw in error.errors()
    ]
    return problem_response(422, "some fields can't be used", errors=flaws)


def _field(flaw: Mapping[str, Any]) -> str:
    """Where the fault is; the name of a field we do not know is the sender's and is left out."""
    place = [part for part in flaw["loc"] if isinstance(part, str)]
    if flaw["type"] == "extra_forbidden":
        place = place[:-1]
    return ".".join(place[:2])


def _words(flaw: Mapping[str, Any]) -> str:
    if flaw["type"] == "extra_forbidden":
        return "there is a field here that is not known"
    if flaw["type"] == "json_invalid":
        return "the body is not valid JSON"
    return str(flaw["msg"])
