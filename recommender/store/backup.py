"""A consistent copy of a SQLite database while it is in use."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import Engine

from recommender.errors import ConflictError, SettingsError, StoreError
from recommender.store.direct import direct
from recommender.store.engine import POSTGRESQL

_ONLY_OWNER = 0o600


def back_up(engine: Engine, path: Path) -> int:
    """Write a copy as of one instant, check it, put it in place, and return its size in bytes.

    Readers and writers go on meanwhile. The copy is one file without a log beside it; what was
    deleted is not in it, not even in free pages.

    Raises
    ------
    SettingsError
        The database is PostgreSQL, which has tools of its own for this.
    ConflictError
        There is such a file already.
    StoreError
        The copy could not be written, or is not sound.
    """
    if engine.dialect.name == POSTGRESQL:
        raise SettingsError(
            "PostgreSQL is backed up by its own pg_dump --format=custom (docs/deployment.md)"
        )
    if path.exists():
        raise ConflictError(f"{path} exists already; backups are never written over")
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    # Made here, since SQLite would make it readable for others; an empty file is one it fills.
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _ONLY_OWNER))
    try:
        with direct(engine) as store:
            store.run("VACUUM INTO :path", {"path": str(part)})
        _check(part)
        _to_disk(part)
        os.replace(part, path)
        _to_disk(path.parent)
    finally:
        part.unlink(missing_ok=True)
    return path.stat().st_size


def _check(path: Path) -> None:
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as copy:
            found = copy.execute("PRAGMA integrity_check").fetchone()[0]
    except sqlite3.Error:
        found = "unreadable"
    if found != "ok":
        raise StoreError("the copy is not sound; check the disk")


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
