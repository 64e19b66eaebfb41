"""A progress bar on a terminal; silence everywhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from recommender.cli.options import wants_json

StageProgress = Callable[[str, float], None]


@contextmanager
def stages() -> Iterator[StageProgress]:
    """Give a callable that is told a stage and the share of it that is done, 0 to 1.

    The bar stands on standard error, so that what is printed can be piped, and goes away.
    """
    screen = Console(stderr=True)
    if not screen.is_terminal or wants_json():
        yield lambda _stage, _share: None
        return
    columns = (TextColumn("{task.description:<12}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=screen, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def tell(stage: str, share: float) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=1.0)
            bars.update(tasks[stage], completed=share)

        yield tell


@contextmanager
def rows_taken() -> Iterator[Callable[[int], None]]:
    """Give a callable that is told how many records have been read so far."""
    screen = Console(stderr=True)
    if not screen.is_terminal or wants_json():
        yield lambda _rows: None
        return
    columns = (TextColumn("{task.completed:,.0f} records"), TimeElapsedColumn())
    with Progress(*columns, console=screen, transient=True) as bars:
        task = bars.add_task("records", total=None)
        yield lambda rows: bars.update(task, completed=rows)
