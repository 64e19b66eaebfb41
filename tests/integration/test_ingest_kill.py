from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from recommender.ingest import ingest_files, record_actions
from recommender.metrics_list import load_metrics
from recommender.resources import data_path
from recommender.store import schema
from recommender.store.engine import connect, reading

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
METRICS = load_metrics(data_path("metrics.toml"))
ROWS = 12_000
BLOCK = 64 * 1024

_CHILD = """
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, UTC
from recommender.formats import blocks
from recommender.ingest import ingest_files
from recommender.metrics_list import load_metrics
from recommender.resources import data_path
from recommender.store.engine import connect

url, path, block = sys.argv[1:]
blocks.BLOCK_BYTES = int(block)
ingest_files(
    connect(url), "events", [path], metrics=load_metrics(data_path("metrics.toml")),
    now=datetime(2026, 6, 1, 12, tzinfo=UTC), progress=lambda rows: print(rows, flush=True),
)
"""


@pytest.fixture
def events_file(tmp_path: Path) -> Path:
    """Events of which some are repeated, corrected or refused."""
    path = tmp_path / "events.csv"
    with path.open("w") as file:
        file.write("event_id,user_id,action_id,type,occurred_at,propensity\n")
        for number in range(ROWS):
            event_id = number - 5_000 if number % 97 == 0 and number > 5_000 else number
            action = "fly" if number % 101 == 0 else "walk"
            minute, second = divmod(number % 3600, 60)
            at = f"2026-05-01T08:{minute:02d}:{second:02d}+02:00"
            file.write(f"e{event_id},u{number % 700},{action},view,{at},0.{number % 89 + 10}\n")
    return path


def _stock(engine: Engine) -> None:
    entry: dict[str, Any] = {"action_id": "walk", "title": "Walk", "domain": "activity"}
    record_actions(engine, [entry], metrics=METRICS, now=NOW, source="test")


def _instant(value: datetime) -> str:
    return value.astimezone(UTC).isoformat()


def _spelled(row: Any) -> str:
    # JSON columns come back with their keys in the database's own order.
    return json.dumps(list(row), sort_keys=True, default=_instant)


def _digest(engine: Engine) -> dict[str, str]:
    """What each table holds, numbers that count arrivals left out."""
    found = {}
    with reading(engine) as conn:
        for name in ("users", "events", "rejected_records"):
            wanted = [c for c in schema.metadata.tables[name].c if c.name != "rejected_id"]
            rows = sorted(_spelled(row) for row in conn.execute(select(*wanted)))
            found[name] = f"{len(rows)} {hashlib.sha256(''.join(rows).encode()).hexdigest()}"
    return found


def _killed_midway(url: str, path: Path, after: int) -> int:
    """Kill the ingest, at whatever it is doing, once it has told of so many stretches."""
    command = [sys.executable, "-c", _CHILD, url, str(path), str(BLOCK)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    told = [child.stdout.readline() for _ in range(after)]
    os.kill(child.pid, signal.SIGKILL)
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL
    return int(told[-1])


@pytest.mark.parametrize("after", [1, 4])
def test_killed_halfway_and_run_again_ends_the_same(
    database_url: str, events_file: Path, after: int, request: pytest.FixtureRequest
) -> None:
    engine = connect(database_url)
    _stock(engine)
    taken = _killed_midway(database_url, events_file, after)
    with reading(engine) as conn:
        halfway = len(conn.execute(select(schema.events.c.event_id)).all())
    assert 0 < taken < ROWS
    assert 0 < halfway < ROWS - 300
    report = ingest_files(engine, "events", [str(events_file)], metrics=METRICS, now=NOW)
    assert report.read == ROWS
    after_kill = _digest(engine)

    undisturbed = request.getfixturevalue("fresh_engine")
    _stock(undisturbed)
    ingest_files(undisturbed, "events", [str(events_file)], metrics=METRICS, now=NOW)
    assert after_kill == _digest(undisturbed)
    engine.dispose()


def test_two_writers_of_the_same_file_do_not_disturb_each_other(
    engine: Engine, events_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recommender.formats.blocks.BLOCK_BYTES", BLOCK)
    _stock(engine)
    backwards = events_file.with_name("backwards.csv")
    header, *rows = events_file.read_text().splitlines()
    backwards.write_text("\n".join([header, *reversed(rows)]))

    def take(path: Path) -> int:
        return ingest_files(engine, "events", [str(path)], metrics=METRICS, now=NOW).read

    with ThreadPoolExecutor() as pool:
        assert list(pool.map(take, [events_file, backwards])) == [ROWS, ROWS]
    with reading(engine) as conn:
        ids = conn.scalars(select(schema.events.c.event_id)).all()
    expected = {row.split(",")[0] for row in rows if ",walk," in row}
    assert set(ids) == expected


@pytest.fixture
def fresh_engine(tmp_path: Path, sqlite_template: Path) -> Any:
    """Another database to compare with; what the tables hold must not depend on its kind."""
    path = tmp_path / "undisturbed.db"
    path.write_bytes(sqlite_template.read_bytes())
    engine = connect(f"sqlite:///{path}")
    yield engine
    engine.dispose()
