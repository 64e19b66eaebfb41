"""Killing a training changes nothing that anyone sees, and the next one needs no help."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from recommender.store.engine import Engine, connect, reading
from recommender.store.lock import train_lock
from recommender.store.queries import run_query

TRAIN = (sys.executable, "-m", "recommender.cli", "train", "--force", "--json")


def _query(engine: Engine, statement: str) -> list[tuple[Any, ...]]:
    with reading(engine) as connection:
        return [tuple(row) for row in run_query(connection, statement)[1]]


def _published(engine: Engine) -> Any:
    found = _query(engine, "SELECT run_id FROM publications ORDER BY publication_id DESC LIMIT 1")
    return found[0][0]


def _wait_for(engine: Engine, statement: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if _query(engine, statement):
            return
        time.sleep(0.002)
    raise AssertionError("the training never got that far")


@pytest.mark.parametrize(
    "moment",
    [
        "SELECT 1 FROM runs WHERE status = 'training'",
        "SELECT 1 FROM scores s JOIN runs r ON r.run_id = s.run_id "
        "WHERE r.status = 'training' LIMIT 1",
    ],
    ids=["while it fits", "while it writes scores"],
)
def test_kill_leaves_the_old_run_and_the_next_train_succeeds(trained_url: str, moment: str) -> None:
    engine = connect(trained_url)
    before = _published(engine)
    picture = _query(
        engine, "SELECT count(*), max(p_complete), min(p_complete) FROM current_scores"
    )
    process = subprocess.Popen([*TRAIN, "--database-url", trained_url], stdout=subprocess.DEVNULL)
    try:
        _wait_for(engine, moment, process)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert _published(engine) == before
    assert (
        _query(engine, "SELECT count(*), max(p_complete), min(p_complete) FROM current_scores")
        == picture
    )
    again = subprocess.run(
        [*TRAIN, "--database-url", trained_url], capture_output=True, check=False
    )
    assert again.returncode == 0, again.stderr.decode()
    assert _published(engine) != before
    assert _query(engine, "SELECT count(*) FROM runs WHERE status = 'training'") == [(0,)]
    orphans = (
        "SELECT count(*) FROM scores s JOIN runs r ON r.run_id = s.run_id WHERE r.status = 'failed'"
    )
    assert _query(engine, orphans) == [(0,)]
    engine.dispose()


def test_a_second_train_ends_at_once_with_five(trained_url: str) -> None:
    engine = connect(trained_url)
    before = _published(engine)
    with train_lock(engine):
        second = subprocess.run(
            [*TRAIN, "--database-url", trained_url], capture_output=True, check=False
        )
    assert second.returncode == 5
    assert b"another train" in second.stderr
    assert _published(engine) == before
    engine.dispose()
