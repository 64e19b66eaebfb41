"""Telling the hooks of the settings how a training ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from recommender import __version__
from recommender.cli.failures import DONE, HELD_BACK, LOCK_HELD, described
from recommender.cli.session import database
from recommender.errors import RecommenderError, SettingsError
from recommender.hook_settings import secret_key
from recommender.hooks import call_hook, missing_command
from recommender.settings import Settings
from recommender.store.engine import reading
from recommender.store.runs import list_runs
from recommender.train import TrainReport

_LOG = logging.getLogger("recommender.hooks")
_STATUS = {DONE: "published", HELD_BACK: "held_back", LOCK_HELD: "locked"}


def require_hooks(chosen: Settings) -> None:
    """Make sure before a training that its hooks can be called; SettingsError if not."""
    for name in ("on_success", "on_failure"):
        if program := missing_command(getattr(chosen, name)):
            raise SettingsError(f"RECOMMENDER_{name.upper()}: there is no command {program}")


@contextmanager
def failures_told(chosen: Settings) -> Iterator[None]:
    """Tell ``on_failure`` of whatever ends a training early; the error goes on its way.

    Who presses Ctrl-C knows.
    """
    require_hooks(chosen)
    began_at, began = datetime.now(UTC), time.monotonic()
    try:
        yield
    except Exception as error:
        code, kind, message = described(error)
        run_id = None if code == LOCK_HELD else _failed_run(chosen, began_at)
        details = {
            "run_id": run_id,
            "error": {"kind": kind, "message": message},
            "seconds": round(time.monotonic() - began, 3),
        }
        _tell(chosen, code, f"run {run_id or '-'}: {message}", details)
        raise


def tell_hooks(chosen: Settings, report: TrainReport, code: int) -> None:
    """Tell ``on_success`` of a published run, ``on_failure`` of one that was held back."""
    words = f"run {report.run_id}: {report.users:,} users, {report.seconds:.0f} s"
    why = f"; the gate said: {'; '.join(report.held_back)}" if report.held_back else ""
    forced = {"forced": report.published and bool(report.held_back)}
    _tell(chosen, code, words + why, asdict(report) | forced)


def _tell(chosen: Settings, code: int, words: str, details: Mapping[str, Any]) -> None:
    target = chosen.on_success if code == DONE else chosen.on_failure
    if not target:
        return
    status = _STATUS.get(code, "failed")
    summary = {
        "event": "train",
        "status": status,
        "exit_code": code,
        "version": __version__,
        "finished_at": datetime.now(UTC),
        "text": f"recommender train {status.replace('_', ' ')}, {words}",
        **details,
    }
    secret = secret_key(chosen.hook_secret)
    wrong = call_hook(target, summary, seconds=chosen.hook_seconds, secret=secret)
    if wrong:
        name = "on_success" if code == DONE else "on_failure"
        _LOG.warning("the hook %s went wrong, the training is as it is: %s", name, wrong)


def _failed_run(chosen: Settings, began_at: datetime) -> str | None:
    """The run that this training left behind, as far as the database can tell."""
    try:
        with database(chosen) as engine, reading(engine) as connection:
            newest = list_runs(connection, limit=1)
    except RecommenderError:
        return None
    ours = [run for run in newest if run.status == "failed" and run.started_at >= began_at]
    return ours[0].run_id if ours else None
