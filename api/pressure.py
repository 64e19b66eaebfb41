"""Bounds on what a worker does at once: the rest waits unread for a moment, or is sent away."""

from __future__ import annotations

import time
from collections.abc import Awaitable

from anyio import Semaphore, WouldBlock, fail_after
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recommender.settings import HttpSettings

from .problems import OVERLOADED, REQUEST_TIMEOUT, Problem

INGEST_PATHS = frozenset({"/v1/events", "/v1/observations", "/v1/users", "/v1/actions"})
_BODY_METHODS = frozenset({"POST", "PATCH", "PUT"})
_AGAIN_SECONDS = 1.0
_REST_SECONDS = 1.0
_SLOW_SHARE = 0.5


class Turnstile:
    """Lets so many in at once; a few more wait at the door, in order, for a short time.

    Parameters
    ----------
    at_once, waiting
        How many may be inside, and how many before the door.
    patience_seconds
        How long one of them waits.
    """

    def __init__(self, at_once: int, waiting: int, patience_seconds: float) -> None:
        self._inside = Semaphore(at_once, fast_acquire=True)
        self._most_waiting = waiting
        self._patience = patience_seconds

    async def enter(self) -> None:
        """Go in; who does so must :meth:`leave`.

        Raises
        ------
        Problem
            503 if there is no room, not even to wait, or the wait was too long.
        """
        try:
            self._inside.acquire_nowait()
        except WouldBlock:
            await self._wait()

    def leave(self) -> None:
        """Make room for the next."""
        self._inside.release()

    async def _wait(self) -> None:
        if self._inside.statistics().tasks_waiting >= self._most_waiting:
            raise _overloaded()
        try:
            with fail_after(self._patience):
                await self._inside.acquire()
        except TimeoutError:
            raise _overloaded() from None


class Pressure:
    """ASGI middleware round everything under ``/v1/``; what watches the process always gets in.

    A body is not read before there is room for it, so that the sender's own connection holds it
    back. When the database has just kept an answer waiting in vain, others are sent away for a
    second instead of waiting for the same.
    """

    def __init__(self, app: ASGIApp, settings: HttpSettings) -> None:
        self._app = app
        wait = (settings.http_queue, settings.http_queue_seconds)
        self._answers = Turnstile(settings.http_concurrency, *wait)
        self._batches = Turnstile(settings.ingest_concurrency, *wait)
        self._body_seconds = settings.http_body_seconds
        self._slow_seconds = settings.http_database_seconds * _SLOW_SHARE
        self._rests_until = float("-inf")

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer one request."""
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            return self._app(scope, receive, send)
        if scope["method"] == "POST" and scope["path"] in INGEST_PATHS:
            return self._batch(scope, receive, send)
        return self._in_turn(scope, receive, send)

    async def _batch(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._batches.enter()
        try:
            await self._in_turn(scope, receive, send)
        finally:
            self._batches.leave()

    async def _in_turn(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = 0

        async def noted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        await self._answers.enter()
        try:
            started = time.monotonic()
            if started < self._rests_until:
                raise _overloaded()
            if scope["method"] in _BODY_METHODS:
                receive = _in_time(receive, self._body_seconds)
            await self._app(scope, receive, noted)
            ended = time.monotonic()
            if status == OVERLOADED[0] and ended - started >= self._slow_seconds:
                self._rests_until = ended + _REST_SECONDS
        finally:
            self._answers.leave()


def _overloaded() -> Problem:
    return Problem(OVERLOADED, "too much to do just now; try again", _AGAIN_SECONDS)


def _in_time(receive: Receive, seconds: float) -> Receive:
    """Wait for the parts of a body so long in all."""
    until = time.monotonic() + seconds
    whole = False

    async def timed() -> Message:
        nonlocal whole
        if whole:
            return await receive()
        try:
            with fail_after(max(0.0, until - time.monotonic())):
                message = await receive()
        except TimeoutError:
            raise Problem(REQUEST_TIMEOUT, "the body did not arrive in time") from None
        whole = not message.get("more_body", False)
        return message

    return timed
