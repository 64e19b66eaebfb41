"""Databases whose published run is eight days old, with a week of records after it."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from trained import administer, url_of

from recommender.guardrails.rules import Rules
from recommender.ingest import ingest_files
from recommender.knowledge import load_knowledge
from recommender.settings import Settings
from recommender.simulate import simulate
from recommender.store.engine import connect
from recommender.store.upgrade import upgrade
from recommender.train import TrainReport, train_and_publish

NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
THEN = NOW - timedelta(days=8)
"""Instant of the published run."""

KNOWN = load_knowledge()


@pytest.fixture(scope="session")
def six_weeks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the four files of a small population that has been there for six weeks."""
    folder = tmp_path_factory.mktemp("six_weeks")
    simulate(130, 24, 44, 5, folder, end_at=NOW)
    return folder


@pytest.fixture(scope="session")
def week_old_sqlite(tmp_path_factory: pytest.TempPathFactory, six_weeks: Path) -> Path:
    """SQLite file to copy."""
    path = tmp_path_factory.mktemp("week_old") / "week_old.db"
    _fill(f"sqlite:///{path}", six_weeks)
    return path


@pytest.fixture(scope="session")
def week_old_postgres(postgres_server: str, six_weeks: Path) -> Iterator[str]:
    """Name of a PostgreSQL database to copy."""
    name = f"week_old_{uuid.uuid4().hex[:12]}"
    administer(postgres_server, f"CREATE DATABASE {name}")
    _fill(url_of(postgres_server, name), six_weeks)
    yield name
    administer(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def week_old_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a fresh copy of either kind."""
    if request.param == "sqlite":
        shutil.copyfile(request.getfixturevalue("week_old_sqlite"), tmp_path / "week_old.db")
        yield f"sqlite:///{tmp_path / 'week_old.db'}"
        return
    server = str(request.getfixturevalue("postgres_server"))
    template = request.getfixturevalue("week_old_postgres")
    name = f"test_{uuid.uuid4().hex}"
    administer(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield url_of(server, name)
    administer(server, f"DROP DATABASE {name} WITH (FORCE)")


def train(
    url: str,
    as_of: datetime = NOW,
    force: bool = False,
    rules: Rules = KNOWN.rules,
    expected_stops: str = "",
) -> TrainReport:
    """Train on what a database holds."""
    engine = connect(url)
    try:
        return train_and_publish(
            engine,
            rules=rules,
            metrics=KNOWN.metrics,
            settings=Settings(scores_per_user=3, gate_expected_stops=expected_stops),
            as_of=as_of,
            force=force,
        )
    finally:
        engine.dispose()


def _fill(url: str, folder: Path) -> None:
    engine = connect(url)
    upgrade(engine)
    for kind in ("actions", "users", "events", "observations"):
        path = str(folder / f"{kind}.csv")
        ingest_files(engine, kind, [path], metrics=KNOWN.metrics, now=datetime.now(UTC))
    engine.dispose()
    first = train(url, THEN)
    assert first.held_back == ()
