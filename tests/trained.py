"""Databases in which a small simulated population has been taken in and trained on."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from recommender.ingest import ingest_files
from recommender.knowledge import load_knowledge
from recommender.settings import Settings
from recommender.simulate import simulate
from recommender.store.engine import connect
from recommender.store.upgrade import upgrade
from recommender.train import train_and_publish

PEOPLE = 120
ACTIONS = 70
SETTINGS = Settings(scores_per_user=20)


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the four files of a small population, up to an hour ago."""
    folder = tmp_path_factory.mktemp("simulated")
    simulate(PEOPLE, ACTIONS, 30, 7, folder, end_at=datetime.now(UTC) - timedelta(hours=1))
    return folder


@pytest.fixture(scope="session")
def trained_sqlite(tmp_path_factory: pytest.TempPathFactory, simulated: Path) -> Path:
    """SQLite file with a published run, to copy."""
    path = tmp_path_factory.mktemp("trained") / "trained.db"
    fill(f"sqlite:///{path}", simulated)
    return path


@pytest.fixture(scope="session")
def trained_postgres(postgres_server: str, simulated: Path) -> Iterator[str]:
    """Name of a PostgreSQL database with a published run, to copy."""
    name = f"trained_{uuid.uuid4().hex[:12]}"
    administer(postgres_server, f"CREATE DATABASE {name}")
    fill(url_of(postgres_server, name), simulated)
    yield name
    administer(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def trained_sqlite_url(tmp_path: Path, trained_sqlite: Path) -> str:
    """URL of a fresh SQLite copy with a published run."""
    shutil.copyfile(trained_sqlite, tmp_path / "trained.db")
    return f"sqlite:///{tmp_path / 'trained.db'}"


@pytest.fixture
def trained_postgres_url(postgres_server: str, trained_postgres: str) -> Iterator[str]:
    """URL of a fresh PostgreSQL copy with a published run."""
    name = f"test_{uuid.uuid4().hex}"
    administer(postgres_server, f"CREATE DATABASE {name} TEMPLATE {trained_postgres}")
    yield url_of(postgres_server, name)
    administer(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def trained_url(request: pytest.FixtureRequest) -> str:
    """URL of a fresh database of either kind with a published run."""
    kind = "sqlite" if request.param == "sqlite" else "postgres"
    return str(request.getfixturevalue(f"trained_{kind}_url"))


def fill(url: str, folder: Path) -> None:
    """Migrate, take in the four files, train and publish."""
    known = load_knowledge()
    engine = connect(url)
    upgrade(engine)
    for kind in ("actions", "users", "events", "observations"):
        path = str(folder / f"{kind}.csv")
        ingest_files(engine, kind, [path], metrics=known.metrics, now=datetime.now(UTC))
    train_and_publish(
        engine, rules=known.rules, metrics=known.metrics, settings=SETTINGS, force=True
    )
    engine.dispose()


def administer(server: str, statement: str) -> None:
    """Run a statement outside any transaction."""
    address = make_url(server).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[call-overload]


def url_of(server: str, database: str) -> str:
    """URL of another database of the same server."""
    return make_url(server).set(database=database).render_as_string(hide_password=False)
