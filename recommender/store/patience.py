"""How long the work of a server may hold things up: limits of connections and of statements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import URL

_KEPT_CONNECTIONS = 5


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the work of a server may hold things up.

    Attributes
    ----------
    seconds
        Longest wait for a lock or for a free connection; a statement on PostgreSQL may take four
        times that.
    connections
        How many may be open at once.
    """

    seconds: float
    connections: int


def pool_options(patience: Patience | None) -> dict[str, Any]:
    """Options of ``create_engine``."""
    if patience is None:
        return {}
    kept = min(_KEPT_CONNECTIONS, patience.connections)
    return {
        "pool_size": kept,
        "max_overflow": patience.connections - kept,
        "pool_timeout": patience.seconds,
    }


def timeout_options(url: URL, patience: Patience | None) -> dict[str, Any]:
    """Options of a connection to PostgreSQL."""
    if patience is None:
        return {}
    lock_ms = round(patience.seconds * 1000)
    wait = f"-c lock_timeout={lock_ms} -c statement_timeout={4 * lock_ms}"
    return {
        # Later words win: what the operator put into the URL stands.
        "options": " ".join(filter(None, (wait, str(url.query.get("options", ""))))),
        # A machine that is gone sends nothing, not even a refusal.
        "tcp_user_timeout": 4 * lock_ms,
    }
