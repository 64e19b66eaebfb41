"""Retention: what is older than the settings allow is deleted, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from recommender.settings import Retention
from recommender.store.engine import Engine, reading, writing
from recommender.store.idempotency import forget_old
from recommender.store.purge import count_older, count_rows, delete_older

BATCH_ROWS = 5_000


@dataclass(frozen=True, slots=True)
class Purged:
    """What a purge did, or would do, to one table."""

    table: str
    before: datetime
    rows: int


def cutoffs(retention: Retention, now: datetime) -> dict[str, datetime]:
    """Table -> rows older than this go; tables without a setting are left out."""
    days = {
        "events": retention.retain_events_days,
        "observations": retention.retain_observations_days,
        "requests": retention.retain_requests_days,
        "access_log": retention.retain_access_log_days,
        "rejected_records": retention.retain_rejected_days,
    }
    return {name: now - timedelta(days=kept) for name, kept in days.items() if kept is not None}


def purge(
    engine: Engine,
    retention: Retention,
    now: datetime,
    *,
    dry_run: bool = False,
    batch_rows: int = BATCH_ROWS,
    progress: Callable[[str, float], None] = lambda table, share: None,
) -> list[Purged]:
    """Delete what is older than the settings allow, one transaction a batch.

    Answers kept for requests sent again (``Idempotency-Key``) go after their day in any case.
    Cut off and repeated, it ends the same; writers wait for one batch at most.

    Parameters
    ----------
    dry_run
        Count only.
    progress
        Told a table and the share of it that was looked at, 0 to 1.
    """
    if not dry_run:
        with writing(engine) as connection:
            forget_old(connection, now)
    found = []
    for name, before in cutoffs(retention, now).items():
        if dry_run:
            with reading(engine) as connection:
                rows = count_older(connection, name, before)
        else:
            rows = _delete(engine, name, before, batch_rows, progress)
        found.append(Purged(name, before, rows))
    return found


def _delete(
    engine: Engine,
    name: str,
    before: datetime,
    batch_rows: int,
    progress: Callable[[str, float], None],
) -> int:
    with reading(engine) as connection:
        total = count_rows(connection, name)
    deleted = seen = 0
    after = None
    while True:
        with writing(engine) as connection:
            gone, looked_at, after = delete_older(connection, name, before, after, batch_rows)
        deleted, seen = deleted + gone, seen + looked_at
        progress(name, min(seen / max(total, 1), 1.0))
        if after is None:
            return deleted
