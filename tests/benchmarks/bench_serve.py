"""Live answers a second, beside a bare route that returns the same body with the same model.

    python -m tests.benchmarks.bench_serve --database-url sqlite:///bench.db

The database must hold a published run. Both servers, one worker each, are driven in turns over
kept-open connections by ``load.py``, so that both see the same moods of the machine; the median of
the turns' ratios is what counts. Where the machine is busy with other work, the ratio of processor
time an answer, which is given beside it, says more. With ``--while COMMAND`` the command runs
beside the last turn; ``--stages`` shows where the time goes, in this process.
"""

from __future__ import annotations

import argparse
import json
import os
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
from tests.benchmarks.stages import show_stages

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
"""The floor: one worker, the same body, the same response model."""


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
    if options.stages:
        show_stages(options.database_url, people)
        return
    body = Path(options.scratch) / "bench_body.json"
    asked = Path(options.scratch) / "bench_people.txt"
    asked.write_text("\n".join(people))
    ours = [sys.executable, "-m", "recommender.cli", "serve", "--workers", str(options.workers)]
    ours.append("--port")
    with ExitStack() as running:
        port, mine = running.enter_context(_server(ours, options))
        path = f"http://127.0.0.1:{port}/v1/users/{people[0]}/recommendations"
        with urllib.request.urlopen(path) as answer:
            body.write_bytes(answer.read())
        floor = [sys.executable, "-c", BARE]
        bare_port, bare = running.enter_context(_server(floor, options, str(body)))
        servers = (("bare route", bare_port, bare), ("recommender", port, mine))
        for connections in options.connections:
            print(f"{connections} connections")
            turns = [_turn(servers, asked, options, connections) for _ in range(options.turns)]
            for what, ratios in zip(("answers/s", "CPU"), zip(*turns, strict=True), strict=True):
                median, best = np.median(ratios), max(ratios)
                print(f"ratio of {what:<10} median {median:.3f}  best {best:.3f}")
        if options.beside:
            with subprocess.Popen(shlex.split(options.beside), stdout=subprocess.DEVNULL) as beside:
                print(f"beside: {options.beside}")
                _turn(servers[1:], asked, options, options.connections[-1])
                beside.terminate()


def _turn(
    servers: Sequence[tuple[str, int, int]],
    people: Path,
    options: argparse.Namespace,
    connections: int,
) -> tuple[float, float]:
    """Load each server in turn and print what it did.

    Returns
    -------
    answers, time
        Last to first answers a second, and first to last processor time an answer.
    """
    rates, costs = [], []
    for name, port, process in servers:
        before = _cpu_seconds(process)
        result = _load(port, people, options.seconds, connections)
        spent = (_cpu_seconds(process) - before) / max(result.answers, 1) * 1000
        rates.append(result.per_second)
        costs.append(spent)
        print(
            f"{name:<12} {result.per_second:8,.0f}/s  p50 {result.p50:6.2f} ms  "
            f"p99 {result.p99:6.2f} ms  CPU {spent:5.2f} ms  errors {result.errors}"
        )
    return rates[-1] / rates[0], costs[0] / max(costs[-1], 1e-9)


def _cpu_seconds(process: int) -> float:
    """Processor time a process and its workers used so far; Linux only, else 0."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return 0.0
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(_cpu_seconds(int(child)) for child in children)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database-url", default="sqlite:///recommender.db")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--while", dest="beside", metavar="COMMAND")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--workers", type=int, default=1, help="of the recommender alone")
    parser.add_argument("--stages", action="store_true")
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
    for _ in range(1200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("the server did not start")


def _load(port: int, people: Path, seconds: float, connections: int) -> Result:
    """Drive a server from a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.load"]
    given = [str(port), str(seconds), str(connections), str(people)]
    done = subprocess.run(
        command + given, cwd=ROOT, check=True, capture_output=True, text=True, timeout=seconds + 60
    )
    return Result(**json.loads(done.stdout))


if __name__ == "__main__":
    main()
