"""What a worker that was killed leaves behind is not counted as under way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict

from api.telemetry import _forget_the_dead


def test_only_the_dead_are_forgotten_and_only_what_they_had_under_way(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        capture_output=True,
        text=True,
        check=True,
    )
    dead = done.stdout.strip()
    names = [
        f"{kind}_{pid}.db" for kind in ("gauge_livesum", "counter") for pid in (dead, os.getpid())
    ]
    for name in names:
        MmapedDict(str(tmp_path / name)).close()  # type: ignore[no-untyped-call]
    _forget_the_dead(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == set(names) - {f"gauge_livesum_{dead}.db"}
