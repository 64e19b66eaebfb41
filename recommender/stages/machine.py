"""Time and memory of this process."""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

# getrusage(2): kilobytes on Linux; macOS counts bytes.
_PEAK_UNIT = 1 if sys.platform == "darwin" else 1024
_STATUS = Path("/proc/self/status")
_MB = 1e6


@dataclass(frozen=True, slots=True)
class Moment:
    """State of the process at one instant; ``wall`` and ``cpu`` are seconds from any start."""

    at: datetime
    wall: float
    cpu: float
    peak_mb: float
    resident_mb: float | None


def moment() -> Moment:
    """Look at the clocks and the memory of this process."""
    return Moment(
        datetime.now(UTC),
        time.monotonic(),
        time.process_time(),
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _PEAK_UNIT / _MB,
        _resident_mb(),
    )


def _resident_mb() -> float | None:
    """Resident memory as Linux tells it in proc(5), in units of 1024 bytes."""
    try:
        lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    found = next((line for line in lines if line.startswith("VmRSS:")), None)
    return None if found is None else int(found.split()[1]) * 1024 / _MB
