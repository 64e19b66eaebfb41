"""An identity provider's public keys: read when needed, kept for a while, never at import."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import orjson
from jwt import PyJWK, PyJWKClient, PyJWKSet
from jwt.exceptions import PyJWTError

_COOLDOWN_SECONDS = 10.0
"""An unknown key, or a failure, makes us look again no sooner than this."""
_STALE_SECONDS = 3600.0
"""A provider that can't be reached is trusted as last seen this long."""
_LOG = logging.getLogger("recommender.http")


def key_reader(place: str, timeout: float) -> Callable[[], PyJWKSet]:
    """How to read the keys at a URL or in a file.

    Parameters
    ----------
    timeout
        Seconds to wait for a URL.
    """
    if "://" in place:
        return PyJWKClient(place, cache_jwk_set=False, timeout=timeout).get_jwk_set
    return lambda: PyJWKSet.from_json(Path(place).read_text(encoding="utf-8"))


class KeySet:
    """Keys by their id (``kid``); providers change them, so an unknown one is looked for.

    Parameters
    ----------
    read
        Reads all keys; may take its time and may fail.
    fresh_seconds
        How long what was read counts before it is read again.
    """

    def __init__(
        self,
        read: Callable[[], PyJWKSet],
        fresh_seconds: float,
        *,
        cooldown_seconds: float = _COOLDOWN_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._fresh_seconds = fresh_seconds
        self._cooldown_seconds = cooldown_seconds
        self._clock = clock
        self._keys: dict[str, PyJWK] = {}
        self._read_at = self._tried_at = float("-inf")
        self._lock = threading.Lock()

    @property
    def usable(self) -> bool:
        """Whether there is anything recent enough to check a token with."""
        oldest = max(self._fresh_seconds, _STALE_SECONDS)
        return bool(self._keys) and self._clock() - self._read_at < oldest

    def find(self, key_id: str) -> PyJWK | None:
        """Return a key as last read."""
        return self._keys.get(key_id) if self.usable else None

    def is_due(self, key_id: str) -> bool:
        """Whether it is time to read again, for a token signed with this key."""
        now = self._clock()
        old = now - self._read_at >= self._fresh_seconds
        rested = now - self._tried_at >= self._cooldown_seconds
        return rested and (old or key_id not in self._keys)

    def look(self) -> None:
        """Read again; what was known stays if that fails.  Blocks."""
        # Whoever comes meanwhile goes on with what is known, unless nothing is.
        if not self._lock.acquire(blocking=not self.usable):
            return
        try:
            if self._clock() - self._tried_at < self._cooldown_seconds:
                return
            self._take()
            self._tried_at = self._clock()
        finally:
            self._lock.release()

    def _take(self) -> None:
        try:
            found = self._read()
        except (PyJWTError, OSError, ValueError) as error:
            # Its text may quote what the provider sent.
            _LOG.error(orjson.dumps({"fault": "jwks", "kind": type(error).__name__}).decode())
            return
        self._keys = {
            key.key_id: key
            for key in found.keys
            if key.key_id and key.public_key_use in ("sig", None)
        }
        self._read_at = self._clock()
