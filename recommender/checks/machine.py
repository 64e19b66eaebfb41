"""Findings about the machine: processors, clock, disk."""

from __future__ import annotations

import os
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from threadpoolctl import threadpool_info

from recommender.checks.finding import FAIL, OK, WARN, Finding
from recommender.compiled import kept_in
from recommender.store.engine import POSTGRESQL, Connection, Engine
from recommender.store.health import clock, database_bytes, database_file

LARGEST_SKEW_SECONDS = 2.0
"""Records of the last seconds would be taken for the future's, or keys expire too late."""
LEAST_FREE_BYTES = 1024**3
_NO_SPACE_BYTES = 64 * 1024**2
_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def blas_threads() -> Finding:
    """Whether matrix products use as many threads as there are processors, and no more."""
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    if not pools:
        return Finding("BLAS", OK, "none that can be asked")
    threads = max(pool["num_threads"] for pool in pools)
    usable = processors()
    names = ", ".join(sorted({pool["internal_api"] for pool in pools}))
    found = f"{names}, {threads} threads on {usable:g} processors (servers use one)"
    if threads > max(usable, 1):
        fix = f"set OPENBLAS_NUM_THREADS={max(1, int(usable))}: more threads wait for each other"
        return Finding("BLAS", WARN, found, fix)
    return Finding("BLAS", OK, found)


def processors(quota: Path = _CPU_QUOTA) -> float:
    """Processors that this process may use, a container's quota included."""
    usable = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1)
    try:
        most, period = quota.read_text().split()
    except (OSError, ValueError):
        return usable
    return usable if most == "max" else min(usable, int(most) / int(period))


def compiled_code() -> Finding:
    """Whether compiled loops are kept from one start to the next."""
    folder = kept_in()
    if folder is None:
        fix = "set NUMBA_CACHE_DIR to a folder of the account's own: every start compiles anew"
        return Finding("compiled code", WARN, "kept nowhere", fix)
    return Finding("compiled code", OK, f"kept in {folder}")


def clocks(connection: Connection, newest_as_of: datetime | None) -> Finding:
    """Whether this machine's clock and the database's agree, and neither was set back."""
    before = datetime.now(UTC)
    theirs = clock(connection)
    after = datetime.now(UTC)
    skew = (theirs - (before + (after - before) / 2)).total_seconds()
    found = f"{abs(skew):.1f} s {'ahead of' if skew < 0 else 'behind'} the database's"
    fix = "synchronise both machines (timedatectl set-ntp true)"
    if newest_as_of is not None and newest_as_of > after:
        return Finding("clock", FAIL, "the published run is of a time to come", fix)
    if abs(skew) > LARGEST_SKEW_SECONDS:
        return Finding("clock", WARN, found, fix)
    return Finding("clock", OK, found)


def disk(engine: Engine, connection: Connection) -> Finding:
    """Whether there is room for the database to grow, be copied and be migrated."""
    size = database_bytes(connection)
    file = database_file(engine)
    if file is None and engine.dialect.name != POSTGRESQL:
        return Finding("disk", OK, "the database is in memory")
    place = file.parent if file else Path(tempfile.gettempdir())
    free = shutil.disk_usage(place).free
    where = "beside it" if file else "for temporary files here; its server's own disk is not seen"
    found = f"database {_readable(size)}, {_readable(free)} free {where}"
    needed = max(LEAST_FREE_BYTES, size if file else 0)
    if free < _NO_SPACE_BYTES:
        return Finding("disk", FAIL, found, f"free some space in {place}")
    if free < needed:
        fix = f"free some space in {place}: a backup or a migration needs {_readable(needed)}"
        return Finding("disk", WARN, found, fix)
    return Finding("disk", OK, found)


def _readable(size: int) -> str:
    mib = size / 1024**2
    return f"{mib:,.1f} MiB" if mib < 1024 else f"{mib / 1024:,.1f} GiB"
