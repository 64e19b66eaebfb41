"""What may befall a training, moment by moment: each case disturbs one and says how it ended."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import update

from recommender.store import schema
from recommender.store.engine import connect, writing
from tests.faults.night import (
    TRAIN,
    Ended,
    Seen,
    complaints,
    ended,
    go_on,
    kill,
    look,
    query,
    run,
    start,
    stopped_at,
)
from tests.faults.places import Postgres, Sqlite
from tests.faults.stopping_train import MOMENTS

Place = Sqlite | Postgres
LEASE = {"RECOMMENDER_TRAIN_LEASE_SECONDS": "1.5"}
ROWS_AT_ONCE = 50


@dataclass(frozen=True)
class Night:
    """A database in its state before, and how the training that was disturbed ended.

    Attributes
    ----------
    before
        What must still stand, unless ``ended`` is 0.
    in_time
        Whether the training may have come to its end before the fault did.
    """

    url: str
    before: Seen
    ended: Ended
    in_time: bool = False


@dataclass(frozen=True)
class Case:
    """One fault at one moment.

    Attributes
    ----------
    codes, words
        Exit codes that are right, and what must be said where it is not 0.
    """

    fault: str
    moment: str
    happens: Callable[[], Night]
    codes: tuple[int, ...]
    words: str = ""


def kills(place: Place, seed: int, many: int) -> Iterator[Case]:
    """Ended without a word at moments spread over the run."""
    chance = random.Random(seed)
    for number in range(many):
        moment, later = MOMENTS[number % len(MOMENTS)], chance.uniform(0, 0.4)
        delay = later if number >= len(MOMENTS) else 0.0

        def happens(moment: str = moment, delay: float = delay) -> Night:
            url = place.fresh()
            before = look(url)
            with stopped_at(url, moment) as process:
                process.send_signal(signal.SIGCONT)
                time.sleep(delay)
                return Night(url, before, kill(process), in_time=delay > 0)

        yield Case("kill -9", f"{moment} + {delay:.2f} s", happens, (-9, 0))


def interrupted(place: Place) -> Iterator[Case]:
    """Told to stop."""
    for moment in ("fit", "scored", "commit"):

        def happens(process_moment: str = moment) -> Night:
            url = place.fresh()
            before = look(url)
            with stopped_at(url, process_moment) as process:
                process.terminate()
                return Night(url, before, go_on(process))

        yield Case("SIGTERM", moment, happens, (130,), "interrupted")


def disturbed(
    place: Place, fault: str, disturb: Callable[[str], None], codes: tuple[int, ...], words: str
) -> Iterator[Case]:
    """Something happens to the database while the training stands at a moment, and it goes on."""
    for moment in MOMENTS:

        def happens(moment: str = moment) -> Night:
            url = place.fresh()
            before = look(url)
            with stopped_at(url, moment) as process:
                disturb(url)
                return Night(url, before, go_on(process))

        yield Case(fault, moment, happens, codes, words)


def server_faults(place: Postgres) -> Iterator[Case]:
    """What happens to a server and its connections."""
    lost = (0, 1)
    yield from disturbed(place, "server restarted", lambda _: place.restart(), lost, "database")
    yield from disturbed(place, "server crashed", lambda _: place.crash(), lost, "database")
    yield from disturbed(place, "every session cut", place.cut, lost, "terminating")

    def cut_lock(url: str) -> None:
        place.cut(url, lock_only=True)

    yield from disturbed(place, "the lock's session cut", cut_lock, (0, 1), "terminating")
    for moment in MOMENTS:

        def happens(moment: str = moment) -> Night:
            url = place.fresh()
            with stopped_at(url, moment, env=LEASE) as process:
                time.sleep(2)
                took_over = run(url, *TRAIN)
                assert took_over.code == 0, took_over
                before = look(url)
                return Night(url, before, go_on(process))

        yield Case(
            "stood still, another took over", moment, happens, (1,), "another train took over"
        )


def upgrades(place: Place) -> Iterator[Case]:
    """The schema changes under the training."""

    def later(url: str) -> None:
        _change(url, "UPDATE alembic_version SET version_num = version_num || '-later'")
        _change(url, "ALTER TABLE runs ADD COLUMN later TEXT")

    for case in disturbed(place, "upgraded", later, (1,), "upgraded while this train ran"):

        def happens(case: Case = case) -> Night:
            night = case.happens()
            _change(
                night.url,
                "UPDATE alembic_version SET version_num = replace(version_num, '-later', '')",
            )
            return night

        # In the last transaction an upgrade has to wait.
        if case.moment != "commit":
            yield replace(case, happens=happens)


def others(place: Place, records: Path) -> Iterator[Case]:
    """A second train, a full disk, a clock that was ahead, rows that arrive."""

    def second() -> Night:
        url = place.fresh()
        with stopped_at(url, "fit") as process:
            late = run(url, *TRAIN)
            assert go_on(process).code == 0
        return Night(url, look(url), late)

    def full() -> Night:
        with place.small_disk() as (url, make_room):
            before = look(url)
            night = Night(url, before, run(url, *TRAIN))
            if wrong := complaints(url, before, partial(_with_room, make_room)):
                raise AssertionError("; ".join(wrong))
        url = place.fresh()
        return Night(url, look(url), night.ended)

    def clock() -> Night:
        url = place.fresh()
        engine = connect(url)
        ahead = datetime.now(UTC) + timedelta(days=730)
        with writing(engine) as connection:
            times = ("as_of", "started_at", "finished_at")
            connection.execute(update(schema.runs), dict.fromkeys(times, ahead))
            connection.execute(update(schema.publications), {"published_at": ahead})
        engine.dispose()
        return Night(url, look(url), run(url, *TRAIN))

    yield Case("a second train", "fit", second, (5,), "another train holds the lock: run 20")
    yield Case("disk full", "when it writes", full, (1,), "disk full|No space|disk is full")
    yield Case("the clock was two years ahead", "the run before", clock, (0,))
    yield Case("rows arrive", "all along", lambda: _arriving(place, records), (0,))


def _with_room(make_room: Callable[[], None], url: str) -> str:
    make_room()
    again = run(url, *TRAIN)
    return again.said if again.code else ""


def _arriving(place: Place, records: Path) -> Night:
    """Events are taken in while it trains: it reads whole batches, the next reads all."""
    url = place.fresh()
    before = look(url)
    engine = connect(url)
    [(at_first,)] = query(engine, "SELECT count(*) FROM events")
    lines = (records / "events.csv").read_text().splitlines()
    process = start(url, *TRAIN)
    batch = 0
    while process.poll() is None and batch < 40:
        part = place.folder / "arriving.csv"
        some = lines[1 + batch * ROWS_AT_ONCE : 1 + (batch + 1) * ROWS_AT_ONCE]
        new = [f"new{batch}-{line}" for line in some]
        part.write_text("\n".join([lines[0], *new]) + "\n")
        assert run(url, "ingest", "events", str(part)).code == 0
        batch += 1
    done = ended(process)
    read = json.loads(done.printed)["events"] - at_first
    assert batch, "nothing arrived"
    assert read % ROWS_AT_ONCE == 0, f"half a batch was read: {read}"
    again = json.loads(run(url, *TRAIN).printed)["events"] - at_first
    assert again == batch * ROWS_AT_ONCE, f"of {batch * ROWS_AT_ONCE} new events {again} were read"
    engine.dispose()
    return Night(url, before, done)


def _change(url: str, statement: str) -> None:
    engine = connect(url)
    with writing(engine) as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()
