"""Live answers a second, beside a bare route that returns the same body with the same model.

    python tests/benchmarks/bench_serve.py --database-url sqlite:///bench.db

The database must hold a published run. Both servers, one worker each, are driven in turns over
kept-open connections from this process, so that both see the same moods of the machine; the median
of the turns' ratios is what counts. With ``--while COMMAND`` the command runs beside the last turn.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shlex
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recommender.store.engine import connect, reading
from recommender.store.queries import run_query

ROOT = Path(__file__).parents[2]

BARE = """
import json, sys, uvicorn
from fastapi import FastAPI
from api.schemas import AnswerOut
body = json.loads(open(sys.argv[2]).read())
app = FastAPI()
@app.get("/v1/users/{user_id}/recommendations", response_model=AnswerOut)
async def bare(user_id: str, limit: int = 10) -> dict:
    return body
uvicorn.run(app, port=int(sys.argv[1]), access_log=False, log_level="warning")
"""


@dataclass(frozen=True)
class Result:
    """One server under load; times in milliseconds."""

    per_second: float
    p50: float
    p99: float
    errors: int
    answers: int


def main() -> None:
    """Run both servers and print the comparison; the first turn warms up."""
    options = _options()
    with reading(connect(options.database_url)) as connection:
        _, rows = run_query(connection, "SELECT user_id FROM users ORDER BY user_id LIMIT 5000")
    people = [str(row[0]) for row in rows]
    body = Path(options.scratch) / "bench_body.json"
    ours = [sys.executable, "-m", "recommender.cli", "serve", "--port"]
    with ExitStack() as running:
        port, mine = running.enter_context(_server(ours, options))
        path = f"http://127.0.0.1:{port}/v1/users/{people[0]}/recommendations"
        with urllib.request.urlopen(path) as answer:
            body.write_bytes(answer.read())
        floor = [sys.executable, "-c", BARE]
        bare_port, bare = running.enter_context(_server(floor, options, str(body)))
        servers = (("bare route", bare_port, bare), ("recommender", port, mine))
        ratios = [_turn(servers, people, options) for _ in range(options.turns)]
        print(f"{'ratio':<12} median {np.median(ratios):.3f}  best {max(ratios):.3f}")
        if options.beside:
            with subprocess.Popen(shlex.split(options.beside), stdout=subprocess.DEVNULL) as beside:
                print(f"beside: {options.beside}")
                _turn(servers[1:], people, options)
                beside.terminate()


def _turn(
    servers: Sequence[tuple[str, int, int]], people: list[str], options: argparse.Namespace
) -> float:
    """Load each server in turn, print what it did and return last to first answers a second."""
    rates = []
    for name, port, process in servers:
        before = _cpu_seconds(process)
        result = asyncio.run(_load(port, people, options.seconds, options.connections))
        spent = (_cpu_seconds(process) - before) / max(result.answers, 1) * 1000
        rates.append(result.per_second)
        print(
            f"{name:<12} {result.per_second:8,.0f}/s  p50 {result.p50:6.2f} ms  "
            f"p99 {result.p99:6.2f} ms  CPU {spent:5.2f} ms  errors {result.errors}"
        )
    return rates[-1] / rates[0]


def _cpu_seconds(process: int) -> float:
    """Processor time a process used so far; Linux only, else 0."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database-url", default="sqlite:///recommender.db")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--while", dest="beside", metavar="COMMAND")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--scratch", default="/tmp")
    return parser.parse_args()


@contextmanager
def _server(
    command: list[str], options: argparse.Namespace, *rest: str
) -> Iterator[tuple[int, int]]:
    """Give the port and the process id of a server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    env = os.environ | {
        "RECOMMENDER_DATABASE_URL": options.database_url,
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
    }
    log = (Path(options.scratch) / "bench_serve.log").open("w")
    process = subprocess.Popen([*command, str(port), *rest], env=env, stderr=log)
    try:
        _wait(port)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("the server did not start")


async def _load(port: int, people: list[str], seconds: float, connections: int) -> Result:
    started = time.perf_counter()
    times, errors = await _drive(port, people, seconds, connections)
    elapsed = time.perf_counter() - started
    took = np.array(times) * 1000
    p50, p99 = np.percentile(took, [50, 99]).tolist()
    return Result(len(times) / elapsed, p50, p99, errors, len(times))


async def _drive(
    port: int, people: list[str], seconds: float, connections: int
) -> tuple[list[float], int]:
    until = time.perf_counter() + seconds
    results = await asyncio.gather(
        *(_client(port, people, until, random.Random(n)) for n in range(connections))
    )
    return [t for times, _ in results for t in times], sum(errors for _, errors in results)


async def _client(
    port: int, people: list[str], until: float, chance: random.Random
) -> tuple[list[float], int]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    times, errors = [], 0
    while (started := time.perf_counter()) < until:
        path = f"/v1/users/{chance.choice(people)}/recommendations?limit=10"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        times.append(time.perf_counter() - started)
        errors += not head.startswith(b"HTTP/1.1 200")
    writer.close()
    return times, errors


if __name__ == "__main__":
    main()
