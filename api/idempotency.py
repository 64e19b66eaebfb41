"""``Idempotency-Key``: a POST that is sent again gets the answer it had, and is not done twice."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from anyio import to_thread
from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from recommender.errors import StoreError
from recommender.store.engine import Engine, writing
from recommender.store.idempotency import KeptAnswer, Standing, claim, keep, release

from .access import Caller
from .frame import JSON_TYPE
from .problems import IN_PROGRESS, KEY_REUSED, Problem

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
Do = Callable[[Request], Awaitable[Response]]
_LONGEST_KEY = 255
_OF_ONE_PERSON = "/v1/users/"


async def once(engine: Engine, caller: Caller, request: Request, do: Do) -> Response:
    """Answer a request by ``do``, or as it was answered before.

    Only what was done is kept (2xx); what was refused changed nothing and is tried anew. What is
    asked about one person is worked out anew each time, so that no answer about people is stored.
    """
    key = _key(request)
    if key is None:
        return await do(request)
    owner = repr((caller.key_id, caller.subject, caller.user_id, sorted(caller.scopes)))
    fingerprint = _fingerprint(key, request.scope, await request.body())
    asked = _Once(_digest(owner, key), fingerprint)
    kept = await to_thread.run_sync(_claim, engine, asked)
    if kept is not None:
        return Response(kept.body, kept.status, {REPLAYED: "true"}, JSON_TYPE)
    answer: Response | None = None
    try:
        answer = await do(request)
    finally:
        # If the database has no room for the answer, the sender still gets to know it.
        with suppress(StoreError):
            await to_thread.run_sync(_end, engine, asked, answer)
    return answer


@dataclass(frozen=True, slots=True)
class _Once:
    key_hash: str
    fingerprint: str


def _key(request: Request) -> str | None:
    if request.method != "POST" or request.scope["path"].startswith(_OF_ONE_PERSON):
        return None
    key = request.headers.get(HEADER)
    if key is not None and not (0 < len(key) <= _LONGEST_KEY and key.isprintable()):
        raise HTTPException(422, f"{HEADER} must be 1 to {_LONGEST_KEY} printable characters")
    return key


def _claim(engine: Engine, asked: _Once) -> KeptAnswer | None:
    with writing(engine) as connection:
        found = claim(connection, asked.key_hash, asked.fingerprint, datetime.now(UTC))
    if found is Standing.IN_PROGRESS:
        raise Problem(IN_PROGRESS, "wait for its answer, then ask again", 1)
    if found is Standing.OTHER:
        raise Problem(KEY_REUSED, f"use a new {HEADER} for a new request")
    return found if isinstance(found, KeptAnswer) else None


def _end(engine: Engine, asked: _Once, answer: Response | None) -> None:
    with writing(engine) as connection:
        if answer is not None and 200 <= answer.status_code < 300:
            kept = KeptAnswer(answer.status_code, bytes(answer.body).decode())
            keep(connection, asked.key_hash, kept)
        else:
            release(connection, asked.key_hash)


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
