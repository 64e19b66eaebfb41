"""One training in a process of its own, for its time and memory: prints one line of JSON."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

_RESET_PEAK = "5"  # man 5 proc: /proc/pid/clear_refs


@dataclass
class _Stage:
    name: str
    seconds: float
    cpu_seconds: float
    peak_mib: float


class Watch:
    """Time, processor time and peak memory of each stage that is told."""

    def __init__(self) -> None:
        self.stages: list[_Stage] = []
        self._name = "start"
        self._since = _now()

    def __call__(self, stage: str, share: float) -> None:
        if stage != self._name:
            self.next(stage)

    def next(self, name: str) -> None:
        """End the stage at work and begin another."""
        now = _now()
        wall, used = (after - before for after, before in zip(now, self._since, strict=True))
        self.stages.append(_Stage(self._name, wall, used, peak_mib()))
        self._name, self._since = name, now
        forget_peak()


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def peak_mib() -> float:
    """Most memory held at once since ``forget_peak``, MiB."""
    return _status("VmHWM") / 1024


def forget_peak() -> None:
    """Count the peak from here on; Linux only."""
    Path("/proc/self/clear_refs").write_text(_RESET_PEAK)


def _status(name: str, process: int | str = "self") -> int:
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    return 0


def main(arguments: Sequence[str]) -> None:
    """Train on the database of the address given."""
    from recommender.knowledge import load_knowledge
    from recommender.settings import Settings
    from recommender.store.engine import connect
    from recommender.train import train_and_publish

    settings = Settings(database_url=arguments[0])
    known = load_knowledge(settings)
    engine = connect(settings.database_url)
    watch, (wall, used) = Watch(), _now()
    report = train_and_publish(
        engine, rules=known.rules, metrics=known.metrics, settings=settings, progress=watch
    )
    watch.next("end")
    ended = _now()
    found: dict[str, Any] = {
        "seconds": ended[0] - wall,
        "cpu_seconds": ended[1] - used,
        "peak_mib": max(stage.peak_mib for stage in watch.stages),
        "stages": [asdict(stage) for stage in watch.stages],
        "report": asdict(report),
        "pid": os.getpid(),
    }
    sys.stdout.write(json.dumps(found, default=_plain) + "\n")


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value)


if __name__ == "__main__":
    main(sys.argv[1:])
