"""What work costs: real time, processor time of this process and of the database's server."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import text

from recommender.store.engine import POSTGRESQL, Engine, reading

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """Seconds of real time, and of processor time on all cores."""

    seconds: float = 0.0
    processor: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.seconds + other.seconds, self.processor + other.processor)

    def times(self, factor: float) -> Cost:
        """So many times this."""
        return Cost(self.seconds * factor, self.processor * factor)


class Meter:
    """Measures work done here and in a PostgreSQL server on this machine; Linux only."""

    def __init__(self, engine: Engine) -> None:
        self._server = _postmaster(engine)

    def cost_of(self, work: Callable[[], Any]) -> Cost:
        """Do it and say what it cost."""
        wall, used, theirs = time.perf_counter(), time.process_time(), self.server()
        work()
        seconds, used = time.perf_counter() - wall, time.process_time() - used
        return Cost(seconds, used + self.server() - theirs)

    def server(self) -> float:
        """Processor seconds of the server and its processes so far, ended ones included."""
        if self._server is None:
            return 0.0
        total = sum(_stat(self._server)[1:])
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                parent, used, _ = _stat(int(entry.name))
                total += used if parent == self._server else 0.0
        return total


def _postmaster(engine: Engine) -> int | None:
    if engine.dialect.name != POSTGRESQL:
        return None
    with reading(engine) as connection:
        own = int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
    parent = int(_stat(own)[0])
    return parent if parent > 1 else None


def _stat(process: int) -> tuple[float, float, float]:
    """Parent, own processor seconds, and those of children that ended; zeros if it is gone."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0, 0.0, 0.0
    own, ended = (sum(map(int, fields[a : a + 2])) / _TICKS for a in (11, 13))
    return float(fields[1]), own, ended
