"""``Idempotency-Key``: a POST that is sent again gets the answer it had, and is not done twice."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from anyio import to_thread
from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recommender.errors import StoreError
from recommender.store.engine import writing
from recommender.store.idempotency import KeptAnswer, Standing, claim, keep, release

from .deps import State
from .frame import JSON_TYPE
from .problems import IN_PROGRESS, KEY_REUSED, Problem

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
_LONGEST_KEY = 255
_OF_ONE_PERSON = "/v1/users/"


class Idempotency:
    """ASGI middleware.

    Only what was done is kept (2xx); what was refused changed nothing and is tried anew. What is
    asked about one person is worked out anew each time, so that no answer about people is stored.
    """

    def __init__(self, app: ASGIApp, state: State) -> None:
        self._app = app
        self._state = state

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer one request."""
        key = _key(scope)
        if key is None:
            return self._app(scope, receive, send)
        return self._once(key, scope, receive, send)

    async def _once(self, key: str, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            caller = await self._state.gatekeeper.admit(Headers(scope=scope).get("authorization"))
        except HTTPException:  # the route says why
            await self._app(scope, receive, send)
            return
        owner = repr((caller.key_id, caller.subject, caller.user_id, sorted(caller.scopes)))
        body = await _whole(receive)
        request = _Once(_digest(owner, key), _fingerprint(key, scope, body))
        kept = await to_thread.run_sync(self._claim, request)
        if kept is not None:
            again = Response(kept.body, kept.status, {REPLAYED: "true"}, JSON_TYPE)
            await again(scope, receive, send)
            return
        await self._do(request, scope, _given(body, receive), send)

    async def _do(self, request: _Once, scope: Scope, receive: Receive, send: Send) -> None:
        answer = _Held()
        try:
            await self._app(scope, receive, answer.take)
        finally:
            end = self._keep if answer.is_done else self._release
            # If the database has no room for the answer, the sender still gets to know it.
            with suppress(StoreError):
                await to_thread.run_sync(end, request, answer)
        for message in answer.messages:
            await send(message)

    def _claim(self, request: _Once) -> KeptAnswer | None:
        with writing(self._state.engine) as connection:
            found = claim(connection, request.key_hash, request.fingerprint, datetime.now(UTC))
        if found is Standing.IN_PROGRESS:
            raise Problem(IN_PROGRESS, "wait for its answer, then ask again", 1)
        if found is Standing.OTHER:
            raise Problem(KEY_REUSED, f"use a new {HEADER} for a new request")
        return found if isinstance(found, KeptAnswer) else None

    def _keep(self, request: _Once, answer: _Held) -> None:
        with writing(self._state.engine) as connection:
            keep(connection, request.key_hash, KeptAnswer(answer.status, answer.body.decode()))

    def _release(self, request: _Once, _answer: _Held) -> None:
        with writing(self._state.engine) as connection:
            release(connection, request.key_hash)


@dataclass(frozen=True, slots=True)
class _Once:
    key_hash: str
    fingerprint: str


@dataclass(slots=True)
class _Held:
    """An answer that is held back until it is kept."""

    status: int = 0
    messages: list[Message] = field(default_factory=list)

    async def take(self, message: Message) -> None:
        self.status = message.get("status", self.status)
        self.messages.append(message)

    @property
    def is_done(self) -> bool:
        return 200 <= self.status < 300

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)


def _key(scope: Scope) -> str | None:
    if scope["type"] != "http" or scope["method"] != "POST":
        return None
    path = scope["path"]
    if not path.startswith("/v1/") or path.startswith(_OF_ONE_PERSON):
        return None
    key = Headers(scope=scope).get(HEADER)
    if key is not None and not (0 < len(key) <= _LONGEST_KEY and key.isprintable()):
        raise HTTPException(422, f"{HEADER} must be 1 to {_LONGEST_KEY} printable characters")
    return key


async def _whole(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _given(body: bytes, receive: Receive) -> Receive:
    """Hand out a body that was read already, then whatever follows."""
    first = True

    async def again() -> Message:
        nonlocal first
        if first:
            first = False
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return again


def _fingerprint(key: str, scope: Scope, body: bytes) -> str:
    # With the sender's key in it, which is not stored, nobody can guess what a body held.
    kind = Headers(scope=scope).get("content-type", "")
    return _digest(key, scope["path"], scope["query_string"].decode("latin-1"), kind, body)


def _digest(*pieces: str | bytes) -> str:
    found = hashlib.sha256()
    for piece in _as_bytes(pieces):
        found.update(len(piece).to_bytes(8, "big") + piece)
    return found.hexdigest()


def _as_bytes(pieces: Sequence[str | bytes]) -> list[bytes]:
    return [piece if isinstance(piece, bytes) else piece.encode() for piece in pieces]
