"""A time of day on the wall clock of a time zone, as instants.

Time zones are the standard library's. Of the schedulers tried, APScheduler 3.11 and croniter 7.0
run twice in a night in which an hour comes twice, and APScheduler leaves out a day that begins
after midnight; none knows whether last night's training came to an end, which our tables tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_MINUTE, _DAY = timedelta(minutes=1), timedelta(days=1)


@dataclass(frozen=True)
class Daily:
    """Once a day at ``at`` in ``zone``.

    A time that a day does not have (clocks go forward) is the first one after it that it has; of
    one that it has twice (clocks go back) it is the first. A day that a zone leaves out altogether
    has none.
    """

    at: time
    zone: ZoneInfo

    def on(self, day: date) -> datetime | None:
        """The instant (UTC) of a day; None if the zone leaves that day out."""
        local = datetime.combine(day, self.at)
        while local.date() == day:
            instant = local.replace(tzinfo=self.zone).astimezone(UTC)
            if instant.astimezone(self.zone).replace(tzinfo=None) == local:
                return instant
            local += _MINUTE
        return None

    def after(self, instant: datetime) -> datetime:
        """The first time (UTC) later than an instant."""
        day = instant.astimezone(self.zone).date() - _DAY
        while (found := self.on(day)) is None or found <= instant:
            day += _DAY
        return found

    def before(self, instant: datetime) -> datetime:
        """The last time (UTC) up to an instant, that instant included."""
        day = instant.astimezone(self.zone).date() + _DAY
        while (found := self.on(day)) is None or found > instant:
            day -= _DAY
        return found
