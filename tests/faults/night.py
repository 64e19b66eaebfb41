"""One night with a fault: start a training, disturb it, and look at what is left of it."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import inspect, make_url

from recommender.store.engine import POSTGRESQL, Engine, connect, reading
from recommender.store.queries import run_query

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "recommender.cli")
STOPPING = (sys.executable, str(ROOT / "tests/faults/stopping_train.py"))
TRAIN = ("train", "--force", "--json", "--search-seconds", "0")
PERSON = "u0000001"
PATIENCE_S = 120

_PUBLISHED = "SELECT run_id FROM publications ORDER BY publication_id DESC LIMIT 1"
_PICTURE = (
    "SELECT user_id, rank, action_id, score, p_complete, run_id FROM current_scores ORDER BY 1, 2"
)
_LEFTOVERS = (
    "SELECT count(*) FROM (SELECT DISTINCT run_id FROM scores UNION "
    "SELECT DISTINCT run_id FROM nightly_withheld) n JOIN runs r ON r.run_id = n.run_id "
    "WHERE r.status IN ('training', 'failed')"
)
_TABLES = (
    "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') "
    "AND NOT EXISTS (SELECT 1 FROM pg_inherits i WHERE i.inhrelid = c.oid)"
)

# Several commands in one process, which saves starting it.
_IN_TURN = """
import json, sys
from recommender.cli import main
for command in json.loads(sys.argv[1]):
    if code := main([*command, *sys.argv[2:]], standalone_mode=False):
        print(command[0], "ended with", code)
        sys.exit(code)
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, what it said on standard error, and what it printed."""

    code: int
    said: str
    printed: str


@dataclass(frozen=True)
class Seen:
    """What people and operators see: the run in force, its scores, and what lies about."""

    run_id: str
    picture: str
    tables: frozenset[str]
    files: frozenset[str]


def run(url: str, *arguments: str, env: Mapping[str, str] | None = None) -> Ended:
    """Run a command to its end."""
    process = start(url, *arguments, env=env)
    return ended(process)


def start(
    url: str,
    *arguments: str,
    command: Sequence[str] = COMMAND,
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[str]:
    """Start a command."""
    return subprocess.Popen(
        [*command, *arguments, "--database-url", url],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"} | dict(env or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> Ended:
    """Wait for the end of a command."""
    printed, said = process.communicate(timeout=PATIENCE_S)
    ours = [line for line in said.splitlines() if line.startswith(("error", "interrupted"))]
    return Ended(process.returncode, " ".join(ours), printed)


@contextmanager
def stopped_at(
    url: str, moment: str, *arguments: str, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Give a training that stands still at a moment; goes on, or dies, as the caller likes."""
    process = start(url, *TRAIN, *arguments, command=(*STOPPING, moment), env=env)
    try:
        seen = os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        if seen is None or seen.si_code != os.CLD_STOPPED:
            raise AssertionError(f"it never came to {moment}: {ended(process)}")
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.communicate()


def go_on(process: subprocess.Popen[str]) -> Ended:
    """Let a stopped training go on to its end."""
    process.send_signal(signal.SIGCONT)
    return ended(process)


def kill(process: subprocess.Popen[str]) -> Ended:
    """End a training as the machine's failing would."""
    process.kill()
    return ended(process)


def query(engine: Engine, statement: str) -> list[tuple[Any, ...]]:
    """Rows of a query."""
    with reading(engine) as connection:
        return [tuple(row) for row in run_query(connection, statement)[1]]


def look(url: str) -> Seen:
    """Look at what there is to see."""
    engine = connect(url)
    try:
        picture = hashlib.sha256(repr(query(engine, _PICTURE)).encode()).hexdigest()
        with reading(engine) as connection:
            names = inspect(connection).get_table_names()
        if engine.dialect.name == POSTGRESQL:
            names = [name for (name,) in query(engine, _TABLES)]
        return Seen(query(engine, _PUBLISHED)[0][0], picture, frozenset(names), _files(url))
    finally:
        engine.dispose()


def complaints(
    url: str, before: Seen, train_again: Callable[[str], str], *, published: bool = False
) -> list[str]:
    """What is wrong after a fault, and after the next training; nothing if all is well.

    Parameters
    ----------
    train_again
        Trains and says what went wrong.
    published
        Whether the training that was disturbed may have published.
    """
    found = []
    after = look(url)
    changed = (after.run_id != before.run_id, after.picture != before.picture)
    if changed != (False, False) and not (published and all(changed)):
        found.append("the published run or its scores changed")
    if wrong := train_again(url):
        found.append(f"the next train: {wrong}")
    settled = look(url)
    if settled.run_id == after.run_id:
        found.append("the next train published nothing")
    return found + _left(url, before, settled)


def train_as_cron_does(url: str) -> str:
    """Train once more with the command, after asking the doctor and for an answer."""
    asked = json.dumps([["doctor"], ["recommend", PERSON], TRAIN])
    done = ended(start(url, asked, command=(sys.executable, "-c", _IN_TURN)))
    return f"{done.printed[-300:]} {done.said}" if done.code else ""


def _left(url: str, before: Seen, settled: Seen) -> list[str]:
    engine = connect(url)
    try:
        found = []
        if query(engine, _LEFTOVERS) != [(0,)]:
            found.append("rows of runs that failed were left")
        if query(engine, "SELECT count(*) FROM runs WHERE status = 'training'") != [(0,)]:
            found.append("a run is still marked as training")
    finally:
        engine.dispose()
    for what in ("tables", "files"):
        if extra := getattr(settled, what) - getattr(before, what):
            found.append(f"{what} were left: {', '.join(sorted(extra))}")
    return found


def _files(url: str) -> frozenset[str]:
    parsed = make_url(url)
    if parsed.get_backend_name() == POSTGRESQL:
        return frozenset()
    folder = Path(parsed.database or "").parent
    # The log and its index are there while anybody has the database open.
    return frozenset(
        file.name for file in folder.iterdir() if not file.name.endswith(("-wal", "-shm"))
    ) | {f"{Path(parsed.database or '').name}.train.lock"}


def wait_for(engine: Engine, statement: str, process: subprocess.Popen[str]) -> None:
    """Wait until a query has rows."""
    deadline = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < deadline:
        if query(engine, statement):
            return
        time.sleep(0.002)
    raise AssertionError(f"it never got that far: {ended(process)}")
