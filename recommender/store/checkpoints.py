"""Keeps SQLite's write-ahead log short while a server answers, without an answer waiting for it.

Left alone, SQLite copies the log into the file within whichever commit makes it too long: that
answer then waits for the disk. A thread of its own does it here, beside readers and writers.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from recommender.errors import StoreError
from recommender.store.direct import direct
from recommender.store.engine import SQLITE, Engine, is_memory

_EVERY_SECONDS = 0.5


@contextmanager
def checkpoints_beside(engine: Engine) -> Iterator[None]:
    """Copy the log into the file regularly until the end; nothing to do but for SQLite files."""
    if not _has_log(engine):
        yield
        return
    ended = threading.Event()
    copier = threading.Thread(target=_copy_until, args=(engine, ended), name="checkpoints")
    copier.start()
    try:
        yield
    finally:
        ended.set()
        copier.join()


def empty_log(engine: Engine) -> None:
    """Have nothing left in SQLite's write-ahead log, which holds pages as they were before, too.

    Waits for those who read just now, as long as for a lock; if they take longer, the log is
    written over by what comes next.
    """
    if _has_log(engine):
        with suppress(StoreError), direct(engine) as store:
            store.rows("PRAGMA wal_checkpoint(TRUNCATE)", {})


def _has_log(engine: Engine) -> bool:
    return engine.dialect.name == SQLITE and not is_memory(engine.url)


def _copy_until(engine: Engine, ended: threading.Event) -> None:
    while not ended.wait(_EVERY_SECONDS):
        # Passive: it waits for nobody. What it can't copy now it copies next time.
        with suppress(StoreError), direct(engine) as store:
            store.rows("PRAGMA wal_checkpoint(PASSIVE)", {})
