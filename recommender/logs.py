"""The log of a server or a job: one line an event on standard error, JSON or for people to read.

No line quotes a request: what is logged are route templates, statuses and numbers of our own.
Texts of exceptions may quote a record, so that only their type and place are written.
"""

from __future__ import annotations

import logging
import logging.config
import traceback
from collections.abc import Mapping, Sequence
from contextvars import Context, ContextVar
from datetime import UTC, datetime
from typing import Any

import orjson

from recommender.settings import LogSettings

CONTEXT: ContextVar[Mapping[str, str]] = ContextVar("log_context")
"""What every line written during a request carries: ``request_id``, and ``trace_id`` if traced."""
_MOST_PLACES = 12


class Entry(dict[str, Any]):
    """Named values of one line; as text it is JSON, for handlers that are not ours."""

    def __str__(self) -> str:
        return _json(self)


class Entries(list[Entry]):
    """Several lines that are written in one go."""

    def __str__(self) -> str:
        return "\n".join(map(str, self))


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``at``, ``level``, ``logger``, what the request adds, the rest."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        head = _head(record)
        return "\n".join([_json(head | said) for said in _said(record)])


class ConsoleFormatter(logging.Formatter):
    """Time, level, and ``name=value`` pairs."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        head = _head(record)
        words = [f"{head.pop('at'):%H:%M:%S}", f"{head.pop('level'):<7}", head.pop("logger")]
        return "\n".join([" ".join([*words, *_pairs(head | said)]) for said in _said(record)])


FORMATTERS: Mapping[str, type[logging.Formatter]] = {
    "json": JsonFormatter,
    "console": ConsoleFormatter,
}
"""By what ``log_format`` says."""


def configuration(settings: LogSettings) -> dict[str, Any]:
    """What ``logging.config`` is told.

    The level is that of our own lines. Libraries stay at warnings, since what they write in
    detail (statements, addresses) is not ours to vouch for. psycopg's warnings quote rows, and
    uvicorn's access log holds paths with ids of people: these two have no handler at all.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": FORMATTERS[settings.log_format]}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            "recommender": {"level": settings.log_level.upper()},
            "uvicorn.error": {"level": "INFO"},
            "uvicorn.access": {"level": "CRITICAL", "handlers": [], "propagate": False},
            "psycopg": {"level": "CRITICAL", "handlers": [], "propagate": False},
        },
    }


def start_log(settings: LogSettings) -> None:
    """Write this process's log as the settings say."""
    logging.config.dictConfig(configuration(settings))
    # No line shows them, and every line would ask for them.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def note(log: logging.Logger, entries: Entries) -> None:
    """Write lines of information, wanted or not, as nobody's: they say whose they are.

    Unlike ``info`` it does not find out where in the code that is, which takes longer than a line.
    """
    record = log.makeRecord(log.name, logging.INFO, "", 0, entries, (), None)
    Context().run(log.handle, record)


def fault(error: BaseException) -> Entry:
    """Type and places of an error, innermost last, without its text."""
    frames = traceback.extract_tb(error.__traceback__)[-_MOST_PLACES:]
    places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return Entry(fault=type(error).__name__, places=places)


def _head(record: logging.LogRecord) -> dict[str, Any]:
    at = datetime.fromtimestamp(record.created, UTC)
    head = {"at": at, "level": record.levelname.lower(), "logger": record.name}
    return {**head, **CONTEXT.get({})}


def _said(record: logging.LogRecord) -> Sequence[dict[str, Any]]:
    """What each line of a record says."""
    if isinstance(record.msg, Entries):
        return record.msg
    said = record.msg if isinstance(record.msg, Entry) else {"message": record.getMessage()}
    error = record.exc_info[1] if record.exc_info else None
    return [said | fault(error) if error is not None else said]


def _pairs(said: Mapping[str, Any]) -> list[str]:
    return [f"{name}={_json(value)}" for name, value in said.items()]


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_UTC_Z, default=str).decode()
