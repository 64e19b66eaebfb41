"""Every fault at every moment, on both databases: ``make faults``.

Prints a table: what happened when, how the training ended and what it said, and whether
everything was as before and the next training went through by itself. Ends with 1 if not.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from recommender.simulate import simulate
from tests.faults.cases import Case, Place, interrupted, kills, others, server_faults, upgrades
from tests.faults.night import complaints, train_as_cron_does
from tests.faults.places import Postgres, Sqlite

PEOPLE, ACTIONS, DAYS = 150, 60, 30


def main() -> int:
    """Go through all cases; one database after the other, or both at once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the moments of kill -9")
    parser.add_argument("--kills", type=int, default=20, help="on each database")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], help="only this one")
    parser.add_argument("--only", default="", help="faults whose name holds this")
    parser.add_argument("--serial", action="store_true", help="one database after the other")
    chosen = parser.parse_args()
    began = time.monotonic()
    # Not below a closed folder: as root the server runs under an account of its own.
    with tempfile.TemporaryDirectory(prefix="recommender-faults-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        records = folder / "records"
        records.mkdir()
        simulate(PEOPLE, ACTIONS, DAYS, 7, records, end_at=datetime.now(UTC) - timedelta(hours=1))
        kinds = [kind for kind in (Sqlite, Postgres) if chosen.database in (None, kind.name)]
        with ThreadPoolExecutor(1 if chosen.serial else 2) as pool:
            wrong = sum(pool.map(lambda kind: _all_of(kind, folder, records, chosen), kinds))
    print(f"seed {chosen.seed}, {time.monotonic() - began:.0f} s, {wrong} wrong")
    return 1 if wrong else 0


def _all_of(
    kind: type[Sqlite] | type[Postgres], folder: Path, records: Path, chosen: argparse.Namespace
) -> int:
    own = folder / kind.name
    own.mkdir()
    place = kind(own, records)
    wrong = 0
    try:
        for case in _cases(place, records, chosen):
            if chosen.only in case.fault:
                found, told = _judge(case)
                wrong += bool(found)
                cells = (place.name, case.fault, case.moment, told, "; ".join(found) or "as before")
                print("| " + " | ".join(cells) + " |", flush=True)
    finally:
        if isinstance(place, Postgres):
            place.close()
    return wrong


def _cases(place: Place, records: Path, chosen: argparse.Namespace) -> Iterator[Case]:
    yield from kills(place, chosen.seed, chosen.kills)
    yield from interrupted(place)
    yield from others(place, records)
    yield from upgrades(place)
    if isinstance(place, Postgres):
        yield from server_faults(place)


def _judge(case: Case) -> tuple[list[str], str]:
    """What is wrong, and how the training ended."""
    try:
        night = case.happens()
    except AssertionError as error:
        return [str(error)], "?"
    code, said = night.ended.code, night.ended.said
    found = []
    if code not in case.codes:
        found.append(f"{code} instead of {case.codes}")
    if code > 0 and not re.search(case.words, said):
        found.append(f"it did not say {case.words!r}")
    published = code == 0 or night.in_time
    found += complaints(night.url, night.before, train_as_cron_does, published=published)
    return found, f"{code} {said}".strip()


if __name__ == "__main__":
    sys.exit(main())
