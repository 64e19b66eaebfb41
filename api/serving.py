"""Runs the server: one process or several, on an address that it is safe to listen on."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
from contextlib import ExitStack
from types import FrameType

import uvicorn

from recommender.errors import ServeError, SettingsError
from recommender.logs import configuration
from recommender.settings import Settings
from recommender.store.engine import Engine, reading
from recommender.store.keys import any_key

from .door import KEYLESS, is_loopback
from .telemetry import SHARED_FOLDER

_SHUTDOWN_SECONDS = 20


def refuse_open_door(engine: Engine, host: str, *, tokens: bool = False) -> None:
    """Refuse to listen where others can reach us while no key exists and no tokens are taken.

    Raises
    ------
    SettingsError
        With what to do.
    """
    if tokens or is_loopback(host):
        return
    with reading(engine) as connection:
        protected = any_key(connection)
    if not protected:
        raise SettingsError(
            f"{host} can be reached from other machines and no key exists yet: run "
            "`recommender key create --name app --scope read`, or serve on 127.0.0.1"
        )


def serve(settings: Settings, host: str, port: int, workers: int) -> None:
    """Serve until told to stop (SIGTERM, Ctrl-C); requests under way are finished first."""
    _refuse_taken_port(host, port)
    # uvicorn raises the signal that ended it once more: that is no reason to end badly.
    signal.signal(signal.SIGTERM, _end_well)
    with ExitStack() as held:
        os.environ |= {
            "RECOMMENDER_DATABASE_URL": settings.database_url,
            KEYLESS: "1" if is_loopback(host) else "0",
            "RECOMMENDER_LOG_FORMAT": settings.log_format,
            "RECOMMENDER_LOG_LEVEL": settings.log_level,
        }
        if workers > 1:
            folder = tempfile.TemporaryDirectory(prefix="recommender-metrics-")
            os.environ[SHARED_FOLDER] = held.enter_context(folder)
        # By name, so that what starts the workers need not load the models itself.
        uvicorn.run(
            f"{__package__}.app:from_environment",
            factory=True,
            host=host,
            port=port,
            workers=workers,
            http=f"{__package__}.wire:Wire",
            access_log=False,
            # Nothing here speaks WebSocket, and uvicorn would log the path of who tries.
            ws="none",
            log_config=configuration(settings),
            timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        )


def _refuse_taken_port(host: str, port: int) -> None:
    """Say so before the workers start: uvicorn would end with a code that means something else."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ServeError(f"can't listen on {host} port {port}: {error.strerror}") from None


def _end_well(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)
