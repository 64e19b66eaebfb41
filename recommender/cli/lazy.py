"""Groups of commands that are imported when they are called, not before."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class LazyGroup(click.Group):
    """A group that knows its commands, or some of them, by a table.

    Parameters
    ----------
    table
        Name -> (module, help in a few words). The module holds the command as ``command``.
    """

    def __init__(self, *args: Any, table: Mapping[str, tuple[str, str]], **options: Any) -> None:
        super().__init__(*args, **options)
        self._table = dict(table)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands at hand, then those of the table, each in their order."""
        return [*self.commands, *self._table]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command; None if there is no such command."""
        if cmd_name not in self._table:
            return super().get_command(ctx, cmd_name)
        command = import_module(self._table[cmd_name][0]).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any."""
        known = [(name, one.get_short_help_str(limit=100)) for name, one in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl([*known, *((n, words) for n, (_, words) in self._table.items())])
