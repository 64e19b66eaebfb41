"""What the doctor finds, and that each finding that is not fine says what to do."""

from __future__ import annotations

import math
import time
from collections import namedtuple
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from recommender.checks import machine
from recommender.doctor import FAIL, OK, WARN, Finding, examine
from recommender.settings import Settings
from recommender.store.engine import Engine, connect, writing
from recommender.store.keys import create_key, revoke_key
from recommender.store.lock import train_is_under_way, train_lock
from recommender.store.runs import start_run

NOW = datetime.now(UTC)


@pytest.fixture
def engine(trained_url: str) -> Iterator[Engine]:
    opened = connect(trained_url)
    yield opened
    opened.dispose()


def doctor(url: str, **settings: Any) -> dict[str, Finding]:
    findings = examine(Settings(database_url=url, **settings))
    for finding in findings:
        assert (finding.status == OK) == (finding.fix == ""), finding
    return {finding.name: finding for finding in findings}


def test_everything_is_looked_at(trained_url: str) -> None:
    found = doctor(trained_url)
    assert set(found) == {
        "rules", "BLAS", "compiled code", "database", "migrations", "catalogue", "published run",
        "conditions",
        "rejected records", "training", "clock", "disk", "keys", "retention",
    }  # fmt: skip
    assert not [finding for finding in found.values() if finding.status == FAIL]
    assert "sha256:" in found["rules"].found
    assert "revision " in found["catalogue"].found


def test_a_newer_or_older_schema_is_a_fault(trained_url: str, engine: Engine) -> None:
    for revision, fix in (
        ("9999", "install the newer recommender"),
        ("0006", "recommender upgrade"),
    ):
        with writing(engine) as connection:
            connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{revision}'")
        finding = doctor(trained_url)["migrations"]
        assert (finding.status, finding.fix) == (FAIL, fix)


def test_a_training_that_lost_its_process_is_told_from_one_under_way(
    trained_url: str, engine: Engine
) -> None:
    with writing(engine) as connection:
        start_run(connection, "r-lost", NOW, 0, "1", NOW)
    other = connect(trained_url)
    with train_lock(other):
        assert train_is_under_way(engine)
        assert doctor(trained_url)["training"].status == OK
    other.dispose()
    for _ in range(100):  # PostgreSQL lets go of it a moment after the connection is closed
        if not train_is_under_way(engine):
            break
        time.sleep(0.05)
    assert not train_is_under_way(engine)
    finding = doctor(trained_url)["training"]
    assert finding.status == WARN
    assert "r-lost" in finding.found


def test_keys_that_ended_or_soon_will(trained_url: str, engine: Engine) -> None:
    assert "only this machine" in doctor(trained_url)["keys"].found
    with writing(engine) as connection:
        lasting, _ = create_key(connection, "app", ["read"], None, None, NOW)
    assert doctor(trained_url)["keys"].found == "1 in force, 0 with admin"
    with writing(engine) as connection:
        soon, _ = create_key(connection, "tmp", ["admin"], None, NOW + timedelta(days=3), NOW)
    finding = doctor(trained_url)["keys"]
    assert finding.status == WARN
    assert soon in finding.found
    with writing(engine) as connection:
        for key in (lasting, soon):
            revoke_key(connection, key, NOW)
    assert doctor(trained_url)["keys"].status == FAIL


@pytest.mark.parametrize(("ahead", "status"), [(0.0, OK), (1.5, OK), (30.0, WARN), (-30.0, WARN)])
def test_clocks_that_differ(
    trained_url: str, monkeypatch: pytest.MonkeyPatch, ahead: float, status: str
) -> None:
    real = machine.clock
    monkeypatch.setattr(machine, "clock", lambda c: real(c) + timedelta(seconds=ahead))
    finding = doctor(trained_url)["clock"]
    assert finding.status == status
    if status == WARN:
        assert finding.found.startswith("30.0 s " + ("behind" if ahead > 0 else "ahead of"))


def test_a_run_of_a_time_to_come_means_a_clock_set_back(trained_url: str, engine: Engine) -> None:
    sqlite = engine.dialect.name == "sqlite"
    later = "'2199' || substr(as_of, 5)" if sqlite else "as_of + interval '9 days'"
    with writing(engine) as connection:
        connection.exec_driver_sql(f"UPDATE runs SET as_of = {later}")
    assert doctor(trained_url)["clock"].status == FAIL


_Usage = namedtuple("_Usage", "total used free")


@pytest.mark.parametrize(("free", "status"), [(50 * 2**30, OK), (500 * 2**20, WARN), (2**20, FAIL)])
def test_a_full_disk(
    trained_url: str, monkeypatch: pytest.MonkeyPatch, free: int, status: str
) -> None:
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: _Usage(free, 0, free))
    assert doctor(trained_url)["disk"].status == status


def test_compiled_code_that_is_kept_nowhere(
    trained_sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "kept_in", lambda: None)
    finding = doctor(trained_sqlite_url)["compiled code"]
    assert finding.status == WARN
    assert "NUMBA_CACHE_DIR" in finding.fix


def test_more_blas_threads_than_processors(
    trained_sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = {"user_api": "blas", "internal_api": "openblas", "num_threads": 64}
    monkeypatch.setattr(machine, "threadpool_info", lambda: [pool])
    finding = doctor(trained_sqlite_url)["BLAS"]
    assert finding.status == WARN
    assert "OPENBLAS_NUM_THREADS=" in finding.fix


@pytest.mark.parametrize(
    ("written", "most"), [("150000 100000", 1.5), ("max 100000", math.inf), ("", math.inf)]
)
def test_a_containers_quota_counts(tmp_path: Path, written: str, most: float) -> None:
    unlimited = machine.processors(tmp_path / "missing")
    (tmp_path / "cpu.max").write_text(written)
    assert machine.processors(tmp_path / "cpu.max") == min(unlimited, most)


def test_what_is_switched_off_is_told(trained_sqlite_url: str) -> None:
    rule = examine(Settings(database_url=trained_sqlite_url))[0]
    assert rule.status == OK
    retention = doctor(trained_sqlite_url, keep_runs=9)["retention"]
    assert "models of 9 runs" in retention.found
