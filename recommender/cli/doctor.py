"""``recommender doctor``."""

from __future__ import annotations

from dataclasses import asdict

import click
from rich.console import Console
from rich.text import Text

from recommender.cli.failures import DONE, FAILED
from recommender.cli.options import common_options, example
from recommender.cli.output import emit
from recommender.cli.session import settings
from recommender.doctor import FAIL, Finding, examine

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@click.command("doctor", epilog=example("recommender doctor --json"))
@common_options
def command() -> int:
    """Check that everything is in order and say what to do where it is not.

    Ends with 1 on a fault.
    """
    findings = examine(settings())
    emit([asdict(finding) for finding in findings], lambda console: _show(console, findings))
    return FAILED if any(finding.status == FAIL for finding in findings) else DONE


def _show(console: Console, findings: list[Finding]) -> None:
    for finding in findings:
        status = Text(f"{finding.status:<5}", style=_STYLES[finding.status])
        console.print(status, f"{finding.name}: {finding.found}", soft_wrap=True)
        if finding.fix:
            console.print(f"      → {finding.fix}", soft_wrap=True)
