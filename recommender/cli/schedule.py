"""``recommender schedule``: the nightly training for those with neither cron nor systemd."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from recommender.cli.child import Stop, run_child, told_to_stop
from recommender.cli.failures import DONE
from recommender.cli.log_lines import logging_to_stderr
from recommender.cli.options import common_options, example, wants_json
from recommender.cli.session import database, settings
from recommender.errors import RecommenderError
from recommender.logs import Entry
from recommender.schedule.daily import Daily
from recommender.schedule.keep import Keeper, keep
from recommender.settings import Settings
from recommender.store.engine import reading
from recommender.store.stages import since

MOST_FAILED = 3
"""Trainings since it was due that came to nothing, after which it waits for the next day."""

_log = logging.getLogger(__name__)


class TimeOfDay(click.ParamType[time]):
    """A time of day such as ``02:15``."""

    name = "HH:MM"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> time:
        """Read it, to the minute."""
        try:
            return datetime.strptime(str(value), "%H:%M").time()
        except ValueError:
            self.fail("give a time of day such as 02:15", param, ctx)


class TimeZone(click.ParamType[ZoneInfo]):
    """A time zone by its name in the IANA database, such as ``Europe/Berlin``."""

    name = "ZONE"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> ZoneInfo:
        """Look it up."""
        try:
            return value if isinstance(value, ZoneInfo) else ZoneInfo(str(value))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self.fail("no time zone of this name; give one such as Europe/Berlin", param, ctx)


@click.command(
    "schedule",
    epilog=example(
        "recommender schedule --at 02:15 --timezone Europe/Berlin\n"
        "recommender schedule --at 02:15 --once  # the next training, and end with its exit code"
    ),
)
@click.option("--at", type=TimeOfDay(), required=True, help="When to train, on the wall clock.")
@click.option(
    "--timezone", "zone", type=TimeZone(), default="UTC", show_default=True, help="Whose clock."
)
@click.option("--once", is_flag=True, help="End after one training, with its exit code.")
@common_options
def command(at: time, zone: ZoneInfo, once: bool) -> int:
    """Train every day at a time of day, until told to stop (SIGTERM, Ctrl-C).

    A training that was missed (the machine was off, or it failed) is caught up once at the start.
    A training under way is interrupted when told to stop: the published run stays in force.
    """
    chosen = settings()
    # By the environment: a URL among the arguments would show its password to other accounts.
    environment = {"RECOMMENDER_DATABASE_URL": chosen.database_url}
    keeper = Keeper(Daily(at, zone), lambda due: _missed(chosen, due))
    with logging_to_stderr(chosen), told_to_stop() as stop:
        _log.info(Entry(event="schedule", next_at=keeper.next(datetime.now(UTC))))
        code = DONE
        for _ in keep(keeper, wait=stop.wait):
            code = _train(environment, stop)
            if once or stop.asked:
                break
            _log.info(Entry(event="schedule", next_at=keeper.next(datetime.now(UTC))))
    return code if once else DONE


def _train(environment: Mapping[str, str], stop: Stop) -> int:
    arguments = ["train", "--json"] if wants_json() else ["train"]
    began = datetime.now(UTC)
    try:
        code = run_child(arguments, environment, stop)
    except OSError as error:  # no memory or no process left: tomorrow there may be
        _log.error(Entry(event="training not started", error=error.strerror))
        return 1
    seconds = round((datetime.now(UTC) - began).total_seconds(), 1)
    _log.info(Entry(event="training ended", exit_code=code, seconds=seconds))
    return code


def _missed(chosen: Settings, due: datetime) -> bool | None:
    """Whether no training has come to an end since one was due; None if nobody can tell now.

    Where there never was a training, none was missed. One that fails again and again is not
    tried at every start.
    """
    try:
        with database(chosen) as engine, reading(engine) as connection:
            went = since(connection, due)
    except RecommenderError as error:
        _log.warning(Entry(event="database not ready", error=type(error).__name__))
        return None
    if went is None:
        return False
    done, failed = went
    return not done and failed < MOST_FAILED
