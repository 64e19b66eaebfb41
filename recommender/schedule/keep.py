"""Keeping to a schedule: waiting, catching up, going on whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from recommender.schedule.daily import Daily

_SET_BACK = timedelta(days=1)
"""A clock that goes back by more than this had been wrong; what was done then says nothing."""


@dataclass
class Keeper:
    """Says when it is time, going by a clock that may jump.

    Parameters
    ----------
    missed
        Tells whether the job of the last time before an instant is still to be done; None if
        that can't be told at the moment.
    """

    daily: Daily
    missed: Callable[[datetime], bool | None]
    _done: datetime | None = field(default=None, init=False)

    def due(self, now: datetime) -> bool:
        """Whether the job is to be done now; each time of day counts once, however late it is."""
        last = self.daily.before(now)
        if self._done is None:
            owed = self.missed(last)
            if owed is None:
                return False
            self._done = last
            return owed
        if self._done - now > _SET_BACK:
            self._done = last
        if last <= self._done:
            return False
        self._done = last
        return True

    def next(self, now: datetime) -> datetime:
        """When it will be time again."""
        return self.daily.after(max(now, self._done or now))


def keep(
    keeper: Keeper,
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    wait: Callable[[float], bool],
    patience_s: float = 30.0,
) -> Iterator[datetime]:
    """Yield an instant each time that the job is due, until told to stop.

    The wall clock is looked at again and again: a machine that slept, or whose clock was set,
    is noticed within the patience.

    Parameters
    ----------
    wait
        Waits for some seconds; True if it is to stop.
    """
    while True:
        present = now()
        if keeper.due(present):
            yield present
            present = now()
        ahead = (keeper.next(present) - present).total_seconds()
        if wait(min(max(ahead, 0.0) + 0.01, patience_s)):
            return
