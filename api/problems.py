"""Problems that the HTTP side raises by itself, beyond what a status alone says."""

from __future__ import annotations

import math

from fastapi import HTTPException

FOREIGN = (403, "foreign-origin", "Only this machine is answered without a key")
IN_PROGRESS = (409, "in-progress", "The same request is being carried out")
KEY_REUSED = (422, "idempotency-key-reused", "The Idempotency-Key belongs to another request")
OVERLOADED = (503, "overloaded", "The server has more to do than it can")
RATE_LIMITED = (429, "rate-limited", "Too many requests were sent")
REQUEST_TIMEOUT = (408, "request-timeout", "The request took too long to arrive")

KINDS = (FOREIGN, IN_PROGRESS, KEY_REUSED, OVERLOADED, RATE_LIMITED, REQUEST_TIMEOUT)
"""Status, type slug, title."""


class Problem(HTTPException):
    """A problem with a type of its own.

    Parameters
    ----------
    retry_after_seconds
        When it is worth trying again; None if it is not.
    """

    def __init__(
        self, kind: tuple[int, str, str], detail: str, retry_after_seconds: float | None = None
    ) -> None:
        status, slug, title = kind
        again = None if retry_after_seconds is None else max(1, math.ceil(retry_after_seconds))
        super().__init__(status, detail, None if again is None else {"Retry-After": str(again)})
        self.kind = (slug, title)
