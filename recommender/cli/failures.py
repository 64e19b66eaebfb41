"""How an error ends the command: one line on standard error and an exit code."""

from __future__ import annotations

import json
import os
import sys
import traceback

import click

from recommender.errors import LockHeldError, RecommenderError, SettingsError

DONE = 0
FAILED = 1
WRONG_USAGE = 2
SOME_REJECTED = 3
HELD_BACK = 4
LOCK_HELD = 5
INTERRUPTED = 130

_EXIT_CODES: tuple[tuple[type[RecommenderError], int], ...] = (
    (LockHeldError, LOCK_HELD),
    (SettingsError, WRONG_USAGE),
    (RecommenderError, FAILED),
)


def report(error: BaseException, as_json: bool) -> int:
    """Tell what went wrong and return the exit code.

    With ``as_json`` standard output still gets its one document: ``{"error": {...}}``.
    """
    if isinstance(error, KeyboardInterrupt) or _was_interrupted(error):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    code, kind, message = described(error)
    if os.environ.get("RECOMMENDER_DEBUG"):
        traceback.print_exception(error)
    if isinstance(error, click.ClickException):
        error.show(sys.stderr)
    else:
        click.echo(f"error: {message}", err=True)
    if as_json:
        click.echo(json.dumps({"error": {"kind": kind, "message": message, "exit_code": code}}))
    return code


def _was_interrupted(error: BaseException) -> bool:
    # click turns Ctrl-C and the end of the input alike into Abort
    return isinstance(error, click.Abort) and not isinstance(error.__context__, EOFError)


def described(error: BaseException) -> tuple[int, str, str]:
    """Exit code, kind and words; an unexpected error's own text may hold data and is left out."""
    kind = type(error).__name__
    if isinstance(error, RecommenderError):
        return next(c for known, c in _EXIT_CODES if isinstance(error, known)), kind, str(error)
    if isinstance(error, click.ClickException):
        return error.exit_code, kind, error.format_message()
    if isinstance(error, click.Abort):
        return WRONG_USAGE, kind, "no answer to the question; add --yes to go ahead without it"
    if isinstance(error, OSError):
        return FAILED, kind, f"{error.strerror or kind}: {error.filename or 'the system refused'}"
    return FAILED, kind, (
        f"unexpected {kind}; this is a fault of the program: please report it, with what "
        "RECOMMENDER_DEBUG=1 adds (look it over first: it may show data)"
    )  # fmt: skip
