"""What goes round every request: a number, limits, a log line, figures, and no leak on a fault."""

from __future__ import annotations

import asyncio
import logging
import time
from random import getrandbits

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recommender.errors import RecommenderError, StoreError
from recommender.logs import CONTEXT, Entries, Entry, fault, note

from .errors import described, from_error, from_http, problem_response
from .paths import keep_slashes
from .telemetry import Telemetry, shown_method

BODY_LIMIT = 16 * 1024 * 1024
"""Bytes a request may carry."""
JSON_TYPE = "application/json"
NDJSON_TYPES = ("application/x-ndjson", "application/ndjson")

_TOO_LARGE = f"a request may carry {BODY_LIMIT // (1024 * 1024)} MiB; send smaller batches"
_WRONG_TYPE = (
    "send Content-Type: application/json, or application/x-ndjson for many records, not compressed"
)
_PRIVATE = (b"cache-control", b"private, no-store")
_LOG = logging.getLogger("recommender.http")


class Frame:
    """ASGI middleware. Paths hold ids of people, so only route templates are logged."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app = app
        self._telemetry = telemetry
        self._under_way = 0
        self._lines = Entries()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        keep_slashes(scope)
        answer = _Answer(scope, send)
        CONTEXT.set({**CONTEXT.get({}), "request_id": answer.request_id})
        self._telemetry.in_flight.inc()
        self._under_way += 1
        try:
            await self._app(scope, _limited(receive), answer.send)
        except ClientDisconnect:
            pass  # nobody is there to be answered
        except Exception as error:
            problem = _problem(error)
            if isinstance(error, StoreError):
                self._telemetry.database_failed(described(error)[1])
            if problem.status_code == 500:
                _LOG.error(Entry(request_id=answer.request_id, **fault(error)))
            if answer.status is None:
                await problem(scope, receive, answer.send)
        finally:
            self._telemetry.in_flight.dec()
            self._under_way -= 1
            self._note(scope, answer, time.perf_counter() - started)

    def _note(self, scope: Scope, answer: _Answer, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        status = answer.status or 499  # the client went away before it was answered
        method = shown_method(scope["method"])
        self._telemetry.answered(method, route, status, seconds)
        if _LOG.isEnabledFor(logging.INFO):
            ms = round(seconds * 1000, 2)
            self._tell(Entry(CONTEXT.get(), method=method, route=route, status=status, ms=ms))

    def _tell(self, line: Entry) -> None:
        """Write a line together with those of the others who are answered at the same moment.

        By itself each would cost several times as much.
        """
        self._lines.append(line)
        if not self._under_way:
            self._write()
        elif len(self._lines) == 1:
            asyncio.get_running_loop().call_soon(self._write)

    def _write(self) -> None:
        if self._lines:
            lines, self._lines = self._lines, Entries()
            note(_LOG, lines)


class _Answer:
    """Adds headers to what is sent and remembers the status."""

    __slots__ = ("_private", "_send", "request_id", "status")

    def __init__(self, scope: Scope, send: Send) -> None:
        self._send = send
        self._private = scope["path"].startswith("/v1/")
        # A number of our own: one that the client sends could hold anything. It is no secret.
        self.request_id = f"{getrandbits(64):016x}"
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message.get("headers", ()), (b"x-request-id", self.request_id.encode())]
            message["headers"] = [*headers, _PRIVATE] if self._private else headers
        await self._send(message)


def refuse_unread(scope: Scope) -> None:
    """Refuse, before it is read, a body that is too large or of a kind that no route takes.

    Raises
    ------
    HTTPException
        413 or 415.
    """
    if scope["method"] not in ("POST", "PATCH", "PUT"):
        return
    headers = Headers(scope=scope)
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > BODY_LIMIT:
        raise HTTPException(413, _TOO_LARGE)
    has_body = length not in ("", "0") or "transfer-encoding" in headers
    plain = headers.get("content-encoding", "identity") == "identity"
    if has_body and not (plain and content_type(headers) in (JSON_TYPE, *NDJSON_TYPES)):
        raise HTTPException(415, _WRONG_TYPE)


def content_type(headers: Headers) -> str:
    """The media type sent, without parameters."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _limited(receive: Receive) -> Receive:
    """Count what arrives: a body sent in chunks declares no length."""
    total = 0

    async def counted() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > BODY_LIMIT:
            raise HTTPException(413, _TOO_LARGE)
        return message

    return counted


def _problem(error: Exception) -> Response:
    """What is raised before or after a route has no handler of the application's."""
    if isinstance(error, HTTPException):
        return from_http(error)
    if isinstance(error, RecommenderError):
        return from_error(error)
    return problem_response(500, "an unexpected fault; it was logged")
