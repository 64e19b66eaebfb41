"""How long the stages of an answer take, for whoever wants to know it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

Watch = Callable[[str, int, int], None]
"""Told a stage, when it began and when it ended (nanoseconds since 1970)."""


class Stopwatch:
    """Tells everyone who watches of each stage; where nobody does it costs next to nothing."""

    __slots__ = ("_began", "_watches")

    def __init__(self, watches: Iterable[Watch | None]) -> None:
        self._watches = [watch for watch in watches if watch is not None]
        self._began = time.time_ns()

    def ended(self, stage: str) -> None:
        """A stage is over, the next begins."""
        if self._watches:
            now = time.time_ns()
            for watch in self._watches:
                watch(stage, self._began, now)
            self._began = now
