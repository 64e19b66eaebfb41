"""What can go wrong with a call, by type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx


class ClientError(Exception):
    """Root of what a call raises."""


class NoAnswerError(ClientError):
    """The server could not be reached, or the connection broke."""


class ProblemError(ClientError):
    """The server answered with a problem (RFC 9457).

    Attributes
    ----------
    status
        HTTP status.
    kind
        The problem's ``type``; it never changes for one kind of problem.
    detail
        What was wrong, in words.
    flaws
        ``field``, ``code`` and ``message`` of each field that can't be used.
    retry_after_seconds
        When it is worth trying again; None if the server did not say.
    request_id
        Number under which the server logged the request.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        flaws: Sequence[Mapping[str, str]] = (),
        retry_after_seconds: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(f"{status} {kind.rpartition(':')[2]}: {detail}")
        self.status, self.kind, self.detail = status, kind, detail
        self.flaws = tuple(flaws)
        self.retry_after_seconds = retry_after_seconds
        self.request_id = request_id


class UnauthorizedError(ProblemError):
    """401: a key is needed, or the one given is no good."""


class ForbiddenError(ProblemError):
    """403: the key does not allow this."""


class NotFoundError(ProblemError):
    """404: there is no such thing."""


class ConflictError(ProblemError):
    """409: that contradicts the state of things."""


class ChangedMeanwhileError(ProblemError):
    """412: what was to be changed is no longer of the version given."""


class TooLargeError(ProblemError):
    """413: more than a request may carry."""


class InvalidRequestError(ProblemError):
    """422: some fields can't be used; ``flaws`` names each."""


class TooManyRequestsError(ProblemError):
    """429: the key has sent too many requests."""


class UnavailableError(ProblemError):
    """503: the server can't answer just now."""


_BY_STATUS: dict[int, type[ProblemError]] = {
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    412: ChangedMeanwhileError,
    413: TooLargeError,
    422: InvalidRequestError,
    429: TooManyRequestsError,
    503: UnavailableError,
}


def problem_of(answer: httpx.Response) -> ProblemError:
    """The error for an answer that is no success; something between may have written it."""
    try:
        body = answer.json()
    except ValueError:
        body = {}
    body = body if isinstance(body, dict) else {}
    return _BY_STATUS.get(answer.status_code, ProblemError)(
        answer.status_code,
        str(body.get("type", "about:blank")),
        str(body.get("detail", answer.reason_phrase)),
        body.get("errors", ()),
        _seconds(answer.headers.get("retry-after")),
        answer.headers.get("x-request-id"),
    )


def _seconds(value: Any) -> float | None:
    return float(value) if isinstance(value, str) and value.isdigit() else None
