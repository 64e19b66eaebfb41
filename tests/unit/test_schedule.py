"""A time of day comes once a day, whatever the clocks do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.schedule.daily import Daily
from recommender.schedule.keep import Keeper, keep

BERLIN = ZoneInfo("Europe/Berlin")
AT = time(2, 15)
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Africa/Casablanca",
    "Asia/Beirut",
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "at", "day", "instant"),
    [
        ("Europe/Berlin", AT, date(2026, 7, 1), "2026-07-01 00:15"),
        ("Europe/Berlin", AT, date(2026, 3, 29), "2026-03-29 01:00"),  # 02:15 is skipped: 03:00
        ("Europe/Berlin", AT, date(2026, 10, 25), "2026-10-25 00:15"),  # the first of two
        ("Australia/Lord_Howe", AT, date(2026, 10, 4), "2026-10-03 15:30"),  # half an hour skipped
        ("America/Santiago", time(0, 15), date(2026, 9, 6), "2026-09-06 04:00"),  # no midnight
    ],
)
def test_where_clocks_change(zone: str, at: time, day: date, instant: str) -> None:
    assert Daily(at, ZoneInfo(zone)).on(day) == utc(instant)


def test_a_day_that_a_zone_leaves_out_has_no_time() -> None:
    apia = Daily(AT, ZoneInfo("Pacific/Apia"))  # went over the date line: no 30 December 2011
    assert apia.on(date(2011, 12, 30)) is None
    twenty_ninth = apia.on(date(2011, 12, 29))
    assert twenty_ninth is not None
    assert apia.after(twenty_ninth) == apia.on(date(2011, 12, 31))
    assert apia.before(utc("2011-12-30 12:00")) == twenty_ninth


@given(
    st.sampled_from(ZONES),
    st.times(),
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
)
def test_once_a_day_in_every_zone(zone: str, at: time, instant: datetime) -> None:
    daily = Daily(at.replace(second=0, microsecond=0), ZoneInfo(zone))
    last, following = daily.before(instant), daily.after(instant)
    assert last <= instant < following
    assert daily.after(last) == following
    assert daily.before(following) == following
    days = [each.astimezone(daily.zone).date() for each in (last, following)]
    assert days[1] - days[0] == timedelta(days=1)
    assert timedelta(hours=22) <= following - last <= timedelta(hours=26)


class World:
    """A wall clock that goes on while somebody waits, and jumps when it is set."""

    def __init__(self, start: str, end: str, jumps: dict[str, str] | None = None) -> None:
        self.now, self.end = utc(start), utc(end)
        self.jumps = {utc(at): utc(to) for at, to in (jumps or {}).items()}
        self.takes = timedelta(minutes=5)
        self.waits = 0

    def wait(self, seconds: float) -> bool:
        self.waits += 1
        self.now += timedelta(seconds=seconds)
        for at in sorted(self.jumps):
            if self.now >= at:
                self.now = self.jumps.pop(at)
                break
        return self.now >= self.end

    def trainings(
        self, daily: Daily, missed: Callable[[datetime], bool | None] = lambda due: False
    ) -> list[str]:
        keeper, found = Keeper(daily, missed), []
        for at in keep(keeper, now=lambda: self.now, wait=self.wait, patience_s=600):
            found.append(f"{at.astimezone(daily.zone):%d %H:%M}")
            self.now += self.takes
        return found


def test_every_night_once_over_both_changes_of_clocks() -> None:
    spring = World("2026-03-28 12:00", "2026-03-31 12:00").trainings(Daily(AT, BERLIN))
    assert spring == ["29 03:00", "30 02:15", "31 02:15"]
    autumn = World("2026-10-24 12:00", "2026-10-27 12:00").trainings(Daily(AT, BERLIN))
    assert autumn == ["25 02:15", "26 02:15", "27 02:15"]


def test_what_was_missed_is_caught_up_once_at_the_start() -> None:
    asked: list[datetime] = []

    def missed(due: datetime) -> bool:
        asked.append(due)
        return True

    daily = Daily(AT, ZoneInfo("UTC"))
    world = World("2026-06-10 09:00", "2026-06-12 09:00")
    assert world.trainings(daily, missed) == ["10 09:00", "11 02:15", "12 02:15"]
    assert asked == [utc("2026-06-10 02:15")]


def test_it_asks_again_until_somebody_can_tell_what_was_missed() -> None:
    answers = [None, None, True]
    world = World("2026-06-10 09:00", "2026-06-10 12:00")
    done = world.trainings(Daily(AT, ZoneInfo("UTC")), lambda due: answers.pop(0))
    assert done == ["10 09:20"]
    assert not answers


def test_a_machine_that_slept_for_days_trains_once_when_it_wakes() -> None:
    jumps = {"2026-06-10 20:00": "2026-06-14 07:00"}
    world = World("2026-06-10 09:00", "2026-06-15 09:00", jumps)
    assert world.trainings(Daily(AT, ZoneInfo("UTC"))) == ["14 07:00", "15 02:15"]


def test_a_clock_set_back_does_not_train_twice_for_one_night() -> None:
    jumps = {"2026-06-10 02:30": "2026-06-10 01:00"}
    world = World("2026-06-09 09:00", "2026-06-11 09:00", jumps)
    assert world.trainings(Daily(AT, ZoneInfo("UTC"))) == ["10 02:15", "11 02:15"]


def test_a_clock_that_had_been_years_ahead_does_not_stop_it() -> None:
    jumps = {"2036-06-10 12:00": "2026-06-10 12:00"}
    world = World("2036-06-09 09:00", "2036-06-10 18:00", jumps)
    world.end = utc("2026-06-12 09:00")
    world.now = utc("2036-06-10 02:00")

    def wait(seconds: float) -> bool:
        World.wait(world, seconds)
        return world.now.year == 2026 and world.now >= world.end

    keeper, found = Keeper(Daily(AT, ZoneInfo("UTC")), lambda due: False), []
    for at in keep(keeper, now=lambda: world.now, wait=wait, patience_s=600):
        found.append(f"{at:%Y %d}")
    assert found == ["2036 10", "2026 11", "2026 12"]


def test_a_training_longer_than_a_day_is_followed_by_the_one_that_was_due() -> None:
    world = World("2026-06-09 09:00", "2026-06-13 09:00")
    world.takes = timedelta(hours=30)
    assert world.trainings(Daily(AT, ZoneInfo("UTC"))) == ["10 02:15", "11 08:25", "12 14:35"]


def test_it_looks_at_the_clock_often_but_does_not_spin() -> None:
    world = World("2026-06-09 03:00", "2026-06-10 01:00")
    world.trainings(Daily(AT, ZoneInfo("UTC")))
    assert world.waits == pytest.approx(22 * 6, abs=2)
