"""Which requests come from this machine and from no web page, where no key tells who asks."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import urlsplit

from .door import is_loopback
from .problems import FOREIGN, Problem

_REASON = (
    "without a key only localhost and pages of this machine are answered: "
    "make a key, or name the origin in RECOMMENDER_CORS_ORIGINS"
)


def named_origins(setting: str) -> frozenset[str]:
    """The origins that ``RECOMMENDER_CORS_ORIGINS`` names.

    >>> sorted(named_origins("https://a.org, https://b.org,"))
    ['https://a.org', 'https://b.org']
    """
    return frozenset(origin for each in setting.split(",") if (origin := each.strip()))


def refuse_foreign(headers: Iterable[tuple[bytes, bytes]], origins: frozenset[str]) -> None:
    """Refuse what a web page may have sent: any page's browser reaches this machine as well.

    A page can make its own name point here, but not call us by another name than that, and no
    name of a page out there lacks a dot; it can send some requests unasked, but not without its
    origin.

    Parameters
    ----------
    origins
        Those whose pages may call.

    Raises
    ------
    Problem
        403.
    """
    host = origin = None
    for name, value in headers:
        if name == b"host":
            host = value
        elif name == b"origin":
            origin = value
    if not _is_ours(host, origin, origins):
        raise Problem(FOREIGN, _REASON)


@lru_cache(maxsize=64)
def _is_ours(host: bytes | None, origin: bytes | None, origins: frozenset[str]) -> bool:
    if host is not None and not _names_this_machine(b"//" + host, or_a_neighbour=True):
        return False
    if origin is None or "*" in origins or origin.decode("latin-1") in origins:
        return True
    return _names_this_machine(origin)


def _names_this_machine(address: bytes, *, or_a_neighbour: bool = False) -> bool:
    """Whether an address is of this machine, or has a name that nobody can register."""
    try:
        name = urlsplit(address.decode("latin-1")).hostname or "."
    except ValueError:
        return False
    return is_loopback(name) or (or_a_neighbour and not {".", ":"} & set(name))
