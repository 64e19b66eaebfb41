"""Measuring the stages of a run as they come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from recommender.stages.machine import Moment, moment
from recommender.stages.record import STAGES, StageRecord, Watcher

Progress = Callable[[str, float], None]
"""Told the stage and the share of it that is done, 0 to 1."""


@dataclass(frozen=True, slots=True)
class _Open:
    """A stage under way: what was known of it before, and when it was gone on with."""

    record: StageRecord
    since: Moment

    def ended(self, now: Moment) -> StageRecord:
        return replace(
            self.record,
            seconds=(self.record.seconds or 0.0) + now.wall - self.since.wall,
            cpu_seconds=(self.record.cpu_seconds or 0.0) + now.cpu - self.since.cpu,
            peak_mb=now.peak_mb,
            resident_mb=now.resident_mb,
        )


class Stages:
    """The stages of one run; itself a ``Progress``.

    A main stage lasts until the next one is told of, and a step until the next step or the end
    of its stage. A stage that comes twice is one stage. Watchers may write to the database when a
    main stage begins or ends: tell of one outside of transactions.

    Parameters
    ----------
    look
        Gives time and memory.
    """

    def __init__(
        self, run_id: str, watchers: Sequence[Watcher], look: Callable[[], Moment] = moment
    ) -> None:
        self.run_id = run_id
        self._watchers = tuple(watchers)
        self._look = look
        self._ended: dict[tuple[str | None, str], StageRecord] = {}
        self._main: _Open | None = None
        self._step: _Open | None = None
        self._places = 0

    def __call__(self, name: str, share: float) -> None:
        """Go on to a stage, or to a step of the present one, and tell how far it is."""
        if name in STAGES or self._main is None:
            self._enter(name)
        elif share < 1.0:
            self._enter_step(name)
        for watcher in self._watchers:
            watcher.told(name, share)

    def count(self, rows: int) -> None:
        """Tell how many rows the present stage is about."""
        if self._main is not None:
            record = replace(self._main.record, rows=rows)
            self._main = replace(self._main, record=record)

    def close(self) -> None:
        """End the present stage, if there is one."""
        if self._main is None:
            return
        now = self._look()
        self._end_step(now)
        main, self._main = self._main, None
        self._keep(main, now)
        name = main.record.stage
        records = [one for (of, _), one in self._ended.items() if of == name]
        records.sort(key=lambda one: one.place)
        for watcher in self._watchers:
            watcher.ended(self.run_id, [self._ended[None, name], *records])

    @property
    def records(self) -> tuple[StageRecord, ...]:
        """What has ended so far, in order."""
        return tuple(sorted(self._ended.values(), key=lambda one: one.place))

    def _enter(self, name: str) -> None:
        if self._main is not None and self._main.record.stage == name:
            return
        self.close()
        self._main = self._open(name, None)
        for watcher in self._watchers:
            watcher.began(self.run_id, self._main.record)

    def _enter_step(self, name: str) -> None:
        if self._main is None or (self._step is not None and self._step.record.stage == name):
            return
        self._end_step(self._look())
        self._step = self._open(name, self._main.record.stage)

    def _open(self, name: str, part_of: str | None) -> _Open:
        now = self._look()
        before = self._ended.get((part_of, name))
        if before is None:
            self._places += 1
            before = StageRecord(name, part_of, self._places, now.at)
        return _Open(before, now)

    def _end_step(self, now: Moment) -> None:
        if self._step is not None:
            self._keep(self._step, now)
        self._step = None

    def _keep(self, one: _Open, now: Moment) -> None:
        record = one.ended(now)
        self._ended[record.part_of, record.stage] = record


@dataclass(frozen=True, slots=True)
class Teller:
    """Watches for who only wants to know how far it is."""

    progress: Progress

    def began(self, run_id: str, record: StageRecord) -> None:
        """Nothing to tell yet."""

    def told(self, name: str, share: float) -> None:
        """Pass it on."""
        self.progress(name, share)

    def ended(self, run_id: str, records: Sequence[StageRecord]) -> None:
        """Nothing more to tell."""
