"""How many requests a key may send: counted in each worker's memory."""

from __future__ import annotations

import time

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from .problems import RATE_LIMITED, Problem


class RateLimit:
    """Lets each sender through so many times a while.

    Parameters
    ----------
    rate
        Such as ``600/minute``; empty lets everyone through.
    """

    def __init__(self, rate: str) -> None:
        self._most = parse(rate) if rate else None
        self._counts = SlidingWindowCounterRateLimiter(MemoryStorage()) if rate else None

    def count(self, sender: str) -> None:
        """Count a request.

        Raises
        ------
        Problem
            429 with the time to wait, if the sender has had its share.
        """
        if self._most is None or self._counts is None or self._counts.hit(self._most, sender):
            return
        until = self._counts.get_window_stats(self._most, sender).reset_time
        raise Problem(RATE_LIMITED, f"a sender may ask {self._most}", until - time.time())
