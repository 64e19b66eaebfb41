"""Who asks, and whether they may: keys, their scopes, and the one person a key may be bound to."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from fastapi import HTTPException

from recommender.store.access import SELF, Asker
from recommender.store.engine import Engine, reading, writing
from recommender.store.keys import any_key, find_key, note_use, use_is_noted

from .tokens import CHALLENGE, Tokens

TRUST_SECONDS = 0.25
"""How long what was last seen of a key counts; a revoked one is refused after that."""
_MOST_REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request.

    Attributes
    ----------
    key_id
        The key used; None where no key is configured, and with a token.
    user_id
        The only person the caller may see; None for all.
    subject
        Whom a token was made out to; None with a key.
    purpose
        Why, if the request says so.
    asker
        Who the access log says it was.
    """

    key_id: str | None
    scopes: frozenset[str]
    user_id: str | None = None
    subject: str | None = None
    purpose: str | None = None
    asker: Asker = field(init=False, compare=False)

    def __post_init__(self) -> None:
        own = self.subject is not None and self.subject == self.user_id
        asker = Asker(self.key_id, "http", SELF if own else self.subject, self.purpose)
        object.__setattr__(self, "asker", asker)

    def may(self, scope: str) -> bool:
        """Whether a scope is granted; ``admin`` includes the others."""
        return scope in self.scopes or "admin" in self.scopes

    @property
    def source(self) -> str:
        """The way a change came by, as the versions of the catalogue keep it."""
        return "http" if self.key_id is None else f"http, key {self.key_id}"


ANYONE = Caller(None, frozenset({"admin"}))
"""Whoever reaches a loopback server that has no key configured."""


class Gatekeeper:
    """Finds out who a caller is.

    Parameters
    ----------
    keyless
        Whether to answer anyone as long as no key was ever made. Only right where nobody but this
        machine can reach the server.
    tokens
        Takes an identity provider's tokens as well; None for keys alone.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        keyless: bool,
        trust_seconds: float = TRUST_SECONDS,
        tokens: Tokens | None = None,
    ) -> None:
        self._engine = engine
        self._tokens = tokens
        self._keyless = keyless and tokens is None
        self._trust_seconds = trust_seconds
        self._seen: dict[bytes, tuple[float, Caller]] = {}
        self._asked: dict[tuple[asyncio.AbstractEventLoop, bytes], asyncio.Future[Caller]] = {}
        self._lock = threading.Lock()

    async def admit(self, authorization: str | None) -> Caller:
        """Who sent this ``Authorization`` header.

        Raises
        ------
        HTTPException
            401 if a key is needed and none, or a bad one, was given.
        IdentityProviderError
            A token came and there is nothing to check it with.
        """
        given = _secret(authorization) if authorization else ""
        # Keys have no dot, tokens have two.
        if self._tokens is not None and "." in given:
            bearer = await self._tokens.bearer(given)
            return Caller(None, bearer.scopes, bearer.user_id, bearer.subject)
        # Secrets stay out of memory: what is remembered is their hash.
        mark = _mark(given) if given else _NOTHING
        known = self._seen.get(mark)
        if known is not None and time.monotonic() - known[0] < self._trust_seconds:
            return known[1]
        return await self._looked_up(mark, given)

    async def _looked_up(self, mark: bytes, given: str) -> Caller:
        """Ask the database in a thread, once for all who wait for the same."""
        loop = asyncio.get_running_loop()
        asked = self._asked.get((loop, mark))
        if asked is None:
            asked = self._asked[loop, mark] = loop.run_in_executor(None, self._by_key, mark, given)
            asked.add_done_callback(lambda _: self._asked.pop((loop, mark), None))
        # Who goes away does not take the answer from the others.
        return await asyncio.shield(asked)

    def _by_key(self, mark: bytes, given: str) -> Caller:
        found = self._find(given) if given else self._without_key()
        self._remember(mark, found)
        return found

    def _find(self, secret: str) -> Caller:
        now = datetime.now(UTC)
        with reading(self._engine) as connection:
            key = find_key(connection, secret, now)
        if key is None:
            raise HTTPException(401, "the key is unknown, expired or revoked", CHALLENGE)
        if not use_is_noted(key, now):
            with writing(self._engine) as connection:
                note_use(connection, key.key_id, now)
        return Caller(key.key_id, frozenset(key.scopes), key.user_id)

    def _without_key(self) -> Caller:
        with reading(self._engine) as connection:
            needed = any_key(connection)
        if needed or not self._keyless:
            raise HTTPException(401, "send a key: Authorization: Bearer …", CHALLENGE)
        return ANYONE

    def _remember(self, mark: bytes, caller: Caller) -> None:
        with self._lock:
            if len(self._seen) >= _MOST_REMEMBERED:
                self._seen.clear()
            self._seen[mark] = (time.monotonic(), caller)


def _secret(authorization: str) -> str:
    kind, _, secret = authorization.partition(" ")
    return secret.strip() if kind.lower() == "bearer" else ""


def _mark(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


_NOTHING = _mark("")
