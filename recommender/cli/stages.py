"""How a training goes: a bar on a terminal, a line of JSON a stage in a log."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task
from rich.progress_bar import ProgressBar
from rich.text import Text

from recommender.cli.options import wants_json
from recommender.logs import Entry
from recommender.stages.estimate import Estimate
from recommender.stages.record import StageRecord, Watcher
from recommender.store.engine import Engine, reading
from recommender.store.stages import usual_seconds

_LOGGER = "recommender.train"


@contextmanager
def training_watchers(engine: Engine) -> Iterator[Sequence[Watcher]]:
    """Give what watches a training: for people on a terminal, else for machines.

    Both stand on standard error. With ``--json`` a terminal stays silent.
    """
    screen = Console(stderr=True)
    if screen.is_terminal and wants_json():
        yield ()
        return
    with reading(engine) as connection:
        usual = usual_seconds(connection)
    watching = _bar(screen, usual) if screen.is_terminal else _lines(usual)
    with watching as watcher:
        yield (watcher,)


@contextmanager
def _lines(usual: Mapping[str, float]) -> Iterator[Watcher]:
    yield StageLines(Estimate(usual, time.monotonic()))


@contextmanager
def _bar(screen: Console, usual: Mapping[str, float]) -> Iterator[Watcher]:
    estimate = Estimate(usual, time.monotonic())
    columns = (SpinnerColumn(), _Stage(), _Bar(estimate), _Left(estimate))
    with Progress(*columns, console=screen, transient=True) as bars:
        yield StageBar(estimate, bars)


class StageLines:
    """Writes one line when a stage has ended."""

    def __init__(self, estimate: Estimate) -> None:
        self._estimate = estimate
        self._logger = logging.getLogger(_LOGGER)

    def began(self, run_id: str, record: StageRecord) -> None:
        """Remember which stage it is."""
        self._estimate.enter(record.stage, time.monotonic())

    def told(self, name: str, share: float) -> None:
        """Write nothing."""
        self._estimate.tell(share, time.monotonic())

    def ended(self, run_id: str, records: Sequence[StageRecord]) -> None:
        """Write what a stage took; ``share`` is of the whole, going by the last run."""
        record = records[0]
        share = self._estimate.share(time.monotonic())
        self._logger.info(
            Entry(
                event="stage",
                run_id=run_id,
                stage=record.stage,
                seconds=_rounded(record.seconds, 3),
                cpu_seconds=_rounded(record.cpu_seconds, 3),
                peak_mb=_rounded(record.peak_mb, 1),
                rows=record.rows,
                share=_rounded(share, 3),
            )
        )


class StageBar:
    """Moves one bar over all stages."""

    def __init__(self, estimate: Estimate, bars: Progress) -> None:
        self._estimate, self._bars = estimate, bars
        self._task = bars.add_task("", total=1.0)
        self._stage = ""

    def began(self, run_id: str, record: StageRecord) -> None:
        """Show the stage."""
        self._stage = record.stage
        self._estimate.enter(record.stage, time.monotonic())

    def told(self, name: str, share: float) -> None:
        """Show the step and how far it is."""
        self._estimate.tell(share, time.monotonic())
        words = self._stage if name == self._stage else f"{self._stage}: {name}"
        self._bars.update(self._task, description=words)

    def ended(self, run_id: str, records: Sequence[StageRecord]) -> None:
        """Show the end of a stage, from which the next goes on."""
        self._estimate.tell(1.0, time.monotonic())


class _Stage(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.description:<20}")


class _Bar(ProgressColumn):
    def __init__(self, estimate: Estimate) -> None:
        super().__init__()
        self._estimate = estimate
        self._shown = 0.0

    def render(self, task: Task) -> ProgressBar:
        share = self._estimate.share(time.monotonic())
        self._shown = max(self._shown, share or 0.0)  # a guess put right stops it, never more
        return ProgressBar(total=1.0, completed=self._shown, width=32, pulse=share is None)


class _Left(ProgressColumn):
    def __init__(self, estimate: Estimate) -> None:
        super().__init__()
        self._estimate = estimate

    def render(self, task: Task) -> Text:
        now = time.monotonic()
        return Text(time_in_words(self._estimate.elapsed(now), self._estimate.left(now)))


def time_in_words(elapsed: float, left: float | None) -> str:
    """Time gone and time left.

    >>> time_in_words(75.0, 300.0), time_in_words(5.0, None)
    ('1:15, about 5 min left', '0:05')
    """
    minutes, seconds = divmod(int(elapsed), 60)
    gone = f"{minutes}:{seconds:02}"
    if left is None:
        return gone
    if left < 90:
        return f"{gone}, about {max(round(left / 5) * 5, 5)} s left"
    if left < 5400:
        return f"{gone}, about {left / 60:.0f} min left"
    return f"{gone}, about {left / 3600:.1f} h left"


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
