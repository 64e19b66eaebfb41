"""The command ``recommender``: its commands by name, and how any of them may end."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from recommender import __version__
from recommender.cli.failures import DONE, FAILED, report
from recommender.cli.lazy import LazyGroup
from recommender.cli.options import common_options, example

COMMANDS = {
    "upgrade": ("recommender.cli.upgrade", "Create the database or bring it up to date."),
    "ingest": ("recommender.cli.ingest", "Take in users, actions, events, observations."),
    "catalogue": ("recommender.cli.catalogue", "Check, list, compare and retire actions."),
    "train": ("recommender.cli.train", "Train on all records and publish if it is no worse."),
    "schedule": ("recommender.cli.schedule", "Train every day, without cron or systemd."),
    "recommend": ("recommender.cli.recommend", "What to show one person, with reasons."),
    "evaluate": ("recommender.cli.evaluate", "What the engine is worth on your own history."),
    "runs": ("recommender.cli.runs", "List, show, publish or roll back runs."),
    "demo": ("recommender.cli.demo", "The main job on the shipped sample, start to end."),
    "serve": ("recommender.cli.serve", "Answer over HTTP."),
    "backup": ("recommender.cli.backup", "Copy a SQLite database while it is in use."),
    "doctor": ("recommender.cli.doctor", "Check that everything is in order."),
    "rules": ("recommender.cli.rules", "Check, list or explain the guardrail rules."),
    "user": ("recommender.cli.user", "Export or erase what is held on a person."),
    "key": ("recommender.cli.key", "Create, list or revoke keys of the HTTP interface."),
    "purge": ("recommender.cli.purge", "Delete what is older than the retention settings say."),
    "retry-rejected": ("recommender.cli.retry_rejected", "Put rejected records through again."),
    "simulate": ("recommender.cli.simulate", "Write made-up people and their behaviour."),
}


class Root(LazyGroup):
    """The outermost group: turns whatever happens into an exit code."""

    def main(  # type: ignore[override]  # it may return, where click's never does
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> int:
        """Run a command line; exits unless ``standalone_mode`` is off, which returns the code."""
        given = sys.argv[1:] if args is None else list(args)
        code = self._run(given, prog_name or "recommender", complete_var, extra)
        if standalone_mode:
            sys.exit(code)
        return code

    def _run(
        self, given: list[str], name: str, complete_var: str | None, extra: dict[str, Any]
    ) -> int:
        try:
            result = super().main(given, name, complete_var, standalone_mode=False, **extra)
            sys.stdout.flush()
        except BrokenPipeError:
            # The reader had enough (`| head`); what is still to be flushed at exit goes nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FAILED
        except SystemExit as error:
            return error.code if isinstance(error.code, int) else FAILED
        except (Exception, KeyboardInterrupt) as error:
            return report(error, "--json" in given)
        return result if isinstance(result, int) else DONE


@click.group(
    "recommender",
    cls=Root,
    table=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=example("recommender upgrade && recommender doctor"),
)
@click.version_option(__version__, prog_name="recommender")
@common_options
def main() -> None:
    """Personalised health recommendations: learn what people do, respect what is safe."""
