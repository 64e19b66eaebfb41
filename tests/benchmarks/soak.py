"""Half an hour of mixed load, with a training published in the middle and a worker killed.

    python -m tests.benchmarks.soak --database-url sqlite:///bench.db --minutes 30

The database must hold a published run; the soak adds people whose ids begin with ``soak-`` to it.
Readers, writers and whoever changes, exports or erases profiles go through ``recommender.client``,
at a bounded pace. A third of the way one worker is killed with SIGKILL; half way ``recommender
train`` runs beside the load. Ends with 1 unless

- every record that was acknowledged is in the database, and none that was not sent,
- no record was taken twice (counted as accepted by two answers),
- nothing was answered but what docs/http.md lists, and nothing failed for want of an answer,
- answers come from the new run after the training, and from as many workers as before the kill,
- no worker's memory grew by more than a twentieth over the last half.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from recommender.client import AsyncClient, ClientError, ProblemError
from recommender.client.attempts import Retries
from recommender.store.engine import connect, reading
from recommender.store.queries import run_query

ROOT = Path(__file__).parents[2]
BATCH = 20
GROWTH = 1.05
"""Memory of a worker's last quarter over that of the quarter before it."""
DOCUMENTED = {200, 304, 404, 412, 429, 503}
"""Answers that this load may get: 404 and 412 of people erased or changed meanwhile."""
PATIENT = Retries(attempts=12, first_wait_seconds=0.1, longest_wait_seconds=5.0)


@dataclass
class Ledger:
    """What was sent and what was answered."""

    sent: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)
    accepted: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    took: dict[str, list[float]] = field(default_factory=dict)
    runs: list[tuple[float, str]] = field(default_factory=list)
    memory: dict[int, list[tuple[float, float]]] = field(default_factory=dict)


class Counting(httpx.AsyncHTTPTransport):
    """Counts every answer and every attempt that got none, retried or not."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass a request on."""
        try:
            answer = await super().handle_async_request(request)
        except httpx.TransportError as error:
            self._ledger.broken[type(error).__name__] += 1
            raise
        self._ledger.statuses[answer.status_code] += 1
        return answer


@dataclass(frozen=True)
class Load:
    """One soak: where, whom, how long."""

    address: str
    people: list[str]
    actions: list[str]
    until: float
    ledger: Ledger

    def client(self) -> AsyncClient:
        """Give a client of its own connection."""
        return AsyncClient(self.address, retries=PATIENT, transport=Counting(self.ledger))

    async def repeat(
        self, name: str, pause: float, once: Callable[[AsyncClient, random.Random], Awaitable[Any]]
    ) -> None:
        """Do something again and again until the end."""
        chance = random.Random()  # another soak of the same database must send other ids
        async with self.client() as client:
            while time.monotonic() < self.until:
                started = time.monotonic()
                try:
                    await once(client, chance)
                except ProblemError as error:
                    if error.status not in DOCUMENTED:
                        self.ledger.failures[f"{name.partition(' ')[0]} {error.status}"] += 1
                except ClientError as error:
                    self.ledger.failures[f"{name.partition(' ')[0]} {type(error).__name__}"] += 1
                took = time.monotonic() - started
                self.ledger.took.setdefault(name.partition(" ")[0], []).append(took)
                await asyncio.sleep(max(0.0, pause - took))

    async def read(self, client: AsyncClient, chance: random.Random) -> None:
        """Ask for a person's list."""
        answer = await client.recommendations(chance.choice(self.people))
        self.ledger.runs.append((time.monotonic(), answer["run_id"]))

    async def rank(self, client: AsyncClient, chance: random.Random) -> None:
        """Ask for everything of a person."""
        await client.rank(chance.choice(self.people))

    async def post_events(self, client: AsyncClient, chance: random.Random) -> None:
        """Send a batch of events under new ids."""
        ids = [f"soak-{chance.getrandbits(80):020x}" for _ in range(BATCH)]
        now = datetime.now(UTC).isoformat()
        rows = [
            {
                "event_id": each,
                "user_id": chance.choice(self.people),
                "action_id": chance.choice(self.actions),
                "type": "view",
                "occurred_at": now,
            }
            for each in ids
        ]
        await self._keep(ids, client.send_events(rows))

    async def post_readings(self, client: AsyncClient, chance: random.Random) -> None:
        """Send a batch of readings under new ids."""
        ids = [f"soak-{chance.getrandbits(80):020x}" for _ in range(BATCH)]
        now = datetime.now(UTC).isoformat()
        rows = [
            {
                "observation_id": each,
                "user_id": chance.choice(self.people),
                "metric": "systolic_bp",
                "value": chance.randint(105, 135),
                "observed_at": now,
            }
            for each in ids
        ]
        await self._keep(ids, client.send_observations(rows))

    async def _keep(self, ids: list[str], sending: Awaitable[Any]) -> None:
        self.ledger.sent.update(ids)
        taken = await sending
        if taken["rejected"]:
            self.ledger.failures["rejected records"] += len(taken["rejected"])
        self.ledger.acknowledged.update(ids)
        self.ledger.accepted += taken["accepted"]

    async def come_and_go(self, client: AsyncClient, chance: random.Random) -> None:
        """Add a person, change, export and erase the profile."""
        name = f"soak-{chance.getrandbits(64):016x}"
        await client.send_users([{"user_id": name, "birth_date": "1980-05-17", "sex": "female"}])
        _, version = await client.user(name)
        await client.change_user(name, {"conditions": ["asthma"]}, version)
        await client.export_user(name)
        await client.erase_user(name)


async def soak(load: Load, server: subprocess.Popen[bytes], options: argparse.Namespace) -> None:
    """Run the load to its end, with what happens in between."""
    started = time.monotonic()
    seconds = load.until - started
    tasks = [
        *(load.repeat(f"read {n}", 0.2, load.read) for n in range(options.readers)),
        *(load.repeat(f"events {n}", 0.5, load.post_events) for n in range(2)),
        load.repeat("readings 0", 0.5, load.post_readings),
        load.repeat("rank 0", 1.0, load.rank),
        load.repeat("person 0", 2.0, load.come_and_go),
        _watch(load, server.pid, started),
        _kill_one(started + seconds / 3, server.pid),
        _train(started + seconds / 2, options.database_url, load.ledger),
    ]
    await asyncio.gather(*tasks)


async def _watch(load: Load, pid: int, started: float) -> None:
    """Keep the memory of every worker and say how it goes."""
    shown = 0.0
    while time.monotonic() < load.until:
        now = time.monotonic() - started
        for worker in workers_of(pid):
            load.ledger.memory.setdefault(worker, []).append((now, _megabytes(worker)))
        if now - shown >= 60:
            shown = now
            print(f"{now:6.0f} s  {dict(load.ledger.statuses)}", file=sys.stderr, flush=True)
        await asyncio.sleep(2)


async def _kill_one(at: float, pid: int) -> None:
    await asyncio.sleep(max(0.0, at - time.monotonic()))
    victim = workers_of(pid)[0]
    os.kill(victim, signal.SIGKILL)
    print(f"killed worker {victim}", file=sys.stderr, flush=True)


async def _train(at: float, url: str, ledger: Ledger) -> None:
    await asyncio.sleep(max(0.0, at - time.monotonic()))
    command = [sys.executable, "-m", "recommender.cli", "train", "--force", "--json"]
    process = await asyncio.create_subprocess_exec(
        *command, env=_env(url), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    out, _ = await process.communicate()
    if process.returncode != 0:
        ledger.failures[f"train ended with {process.returncode}"] += 1
        return
    run_id = json.loads(out)["run_id"]
    ledger.runs.append((time.monotonic(), f"published {run_id}"))
    print(f"published {run_id}", file=sys.stderr, flush=True)


def workers_of(pid: int) -> list[int]:
    """Process ids of a server's workers; of the server itself if it has none."""
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        line = Path(f"/proc/{child}/cmdline").read_bytes()
        if b"spawn_main" in line:
            found.append(int(child))
    return found or [pid]


def _megabytes(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return float("nan")
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def faults(ledger: Ledger, kept: set[str], workers: tuple[int, int]) -> list[str]:
    """Everything that must not be, in words."""
    found = [f"{count} x {what}" for what, count in ledger.failures.items()]
    if lost := ledger.acknowledged - kept:
        found.append(f"{len(lost)} acknowledged records are lost")
    if strange := kept - ledger.sent:
        found.append(f"{len(strange)} records that nobody sent")
    if ledger.accepted > len(kept):
        found.append(f"{ledger.accepted} records accepted, but only {len(kept)} exist")
    if wrong := {code: n for code, n in ledger.statuses.items() if code not in DOCUMENTED}:
        found.append(f"undocumented answers: {wrong}")
    if workers[0] != workers[1]:
        found.append(f"{workers[0]} workers before the kill, {workers[1]} at the end")
    return [*found, *_stale(ledger), *_growing(ledger)]


def _stale(ledger: Ledger) -> list[str]:
    """Answers of the run before, ten seconds and more after the new one was published."""
    published = [(at, run[10:]) for at, run in ledger.runs if run.startswith("published ")]
    if not published:
        return ["no run was published"]
    at, run_id = published[-1]
    late = [run for when, run in ledger.runs if when > at + 10 and run != run_id]
    after = [run for when, run in ledger.runs if when > at + 10 and run == run_id]
    if not after:
        return ["nobody was answered from the new run"]
    return [f"{len(late)} answers from the run before"] if late else []


def _growing(ledger: Ledger) -> list[str]:
    """Workers whose memory grew over the last half of their time, after the training."""
    found = []
    for worker, points in ledger.memory.items():
        sizes = np.array([size for _, size in points if size == size])
        if len(sizes) < 40 or points[-1][0] < max(p[-1][0] for p in ledger.memory.values()) - 10:
            continue  # killed
        before, after = (
            np.median(sizes[len(sizes) // 2 : -len(sizes) // 4]),
            np.median(sizes[-len(sizes) // 4 :]),
        )
        print(f"worker {worker}: {before:.0f} MB, then {after:.0f} MB")
        if after > before * GROWTH:
            found.append(f"worker {worker} grew from {before:.0f} to {after:.0f} MB")
    return found


def _env(url: str) -> dict[str, str]:
    return os.environ | {
        "RECOMMENDER_DATABASE_URL": url,
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
    }


def _rows(url: str, query: str) -> list[str]:
    engine = connect(url)
    with reading(engine) as connection:
        _, rows = run_query(connection, query)
    engine.dispose()
    return [str(row[0]) for row in rows]


def _kept(url: str) -> set[str]:
    return {
        one
        for table, key in (("events", "event_id"), ("observations", "observation_id"))
        for one in _rows(url, f"SELECT {key} FROM {table} WHERE {key} LIKE 'soak-%'")
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--database-url", required=True)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--readers", type=int, default=8)
    return parser.parse_args()


def main() -> int:
    """Start a server, load it, and judge."""
    options = _options()
    url = options.database_url
    people = _rows(url, "SELECT user_id FROM users ORDER BY user_id LIMIT 2000")
    actions = _rows(url, "SELECT action_id FROM actions ORDER BY action_id LIMIT 100")
    before = _kept(url)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [sys.executable, "-m", "recommender.cli", "serve", "--port", str(port)]
    server = subprocess.Popen(
        [*command, "--workers", str(options.workers)], env=_env(url), stderr=subprocess.DEVNULL
    )
    ledger = Ledger()
    try:
        _wait(port)
        time.sleep(3)
        had = len(workers_of(server.pid))
        until = time.monotonic() + options.minutes * 60
        load = Load(f"http://127.0.0.1:{port}", people, actions, until, ledger)
        asyncio.run(soak(load, server, options))
        has = len(workers_of(server.pid))
    finally:
        server.terminate()
        server.wait(timeout=30)
    _report(ledger)
    found = faults(ledger, _kept(url) - before, (had, has))
    print("\n".join(f"FAULT: {each}" for each in found) or "no fault")
    return 1 if found else 0


def _wait(port: int) -> None:
    for _ in range(1200):  # a first start compiles
        try:
            httpx.get(f"http://127.0.0.1:{port}/status/ready").raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the server did not start")


def _report(ledger: Ledger) -> None:
    print(f"answers by status: {dict(ledger.statuses)}")
    print(f"attempts without an answer: {dict(ledger.broken) or 'none'}")
    print(f"records acknowledged: {len(ledger.acknowledged)}, accepted: {ledger.accepted}")
    for name, took in ledger.took.items():
        p50, p99 = np.percentile(np.array(took) * 1000, [50, 99])
        print(f"{name:<9} {len(took):>7} times  p50 {p50:6.1f} ms  p99 {p99:7.1f} ms")


if __name__ == "__main__":
    sys.exit(main())
