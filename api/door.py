"""Which addresses only this machine can reach."""

from __future__ import annotations

from ipaddress import ip_address

KEYLESS = "RECOMMENDER_KEYLESS"
"""Set to 1 by ``serve`` for processes that only this machine can reach."""


def is_loopback(host: str) -> bool:
    """Whether an address is reachable from this machine only.

    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "10.1.2.3")]
    [True, True, True, False, False]
    """
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
