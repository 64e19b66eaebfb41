"""Whom a restored backup brings back is erased again, by receipts that name nobody."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import make_url, select
from trained import administer, url_of

from recommender.cli import main
from recommender.errors import NotFoundError
from recommender.people import Asker, erase_person, export_person
from recommender.store.engine import connect, reading, writing
from recommender.store.schema import access_log, users

WHO = Asker(None, "cli", "operator")
BEFORE, SINCE, RETURNED = "u0000001", "u0000002", "u0000003"
"""Erased before the backup; since; before it, and with us again when it was made."""


def erase(url: str, *people: str) -> None:
    engine = connect(url)
    for person in people:
        erase_person(engine, person, WHO)
    engine.dispose()


def come_back(url: str, person: str) -> None:
    engine = connect(url)
    with writing(engine) as connection:
        now = datetime.now(UTC)
        profile = {"conditions": [], "attributes": {}, "created_at": now, "updated_at": now}
        connection.execute(users.insert(), {"user_id": person, **profile})
    engine.dispose()


def known(url: str) -> set[str]:
    engine = connect(url)
    with reading(engine) as connection:
        found = set(connection.execute(select(users.c.user_id)).scalars())
    engine.dispose()
    return found


def held(url: str, person: str) -> bool:
    engine = connect(url)
    try:
        export_person(engine, person, WHO)
    except NotFoundError:
        return False
    finally:
        engine.dispose()
    return True


def type_in(url: str, *words: str) -> dict[str, Any]:
    done = CliRunner().invoke(main, [*words, "--json", "--database-url", url])
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture
def backup_of(request: pytest.FixtureRequest, trained_url: str, tmp_path: Path) -> Iterator[Any]:
    """A whole copy of the database, as of when it is called for; its URL."""
    made: list[tuple[str, str]] = []

    def copy() -> str:
        if trained_url.startswith("sqlite"):
            engine = connect(trained_url)
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            engine.dispose()
            shutil.copyfile(make_url(trained_url).database or "", tmp_path / "backup.db")
            return f"sqlite:///{tmp_path / 'backup.db'}"
        server, name = request.getfixturevalue("postgres_server"), f"backup_{uuid.uuid4().hex}"
        administer(server, f"CREATE DATABASE {name} TEMPLATE {make_url(trained_url).database}")
        made.append((server, name))
        return url_of(server, name)

    yield copy
    for server, name in made:
        administer(server, f"DROP DATABASE {name} WITH (FORCE)")


def test_a_restored_backup_forgets_whom_it_brought_back(
    trained_url: str, backup_of: Any, tmp_path: Path
) -> None:
    erase(trained_url, BEFORE, RETURNED)
    come_back(trained_url, RETURNED)
    restored = backup_of()
    erase(trained_url, SINCE)
    kept = tmp_path / "receipts.json"
    assert type_in(trained_url, "user", "receipts", "--out", str(kept))["receipts"] == 3
    assert not any(person in kept.read_text() for person in (BEFORE, SINCE, RETURNED))
    assert held(restored, SINCE)
    everyone = known(restored)

    command = ("user", "erase-again", str(kept))
    tried = type_in(restored, *command, "--dry-run")
    assert (len(tried["erased"]), tried["known"], tried["absent"]) == (1, 2, 0)
    assert held(restored, SINCE)

    done = type_in(restored, *command, "--purpose", "restored")
    receipt = type_in(trained_url, "user", "erased", SINCE)["receipt"]
    assert list(done["erased"]) == [receipt]
    assert done["erased"][receipt]["events"] > 0
    assert not held(restored, SINCE)
    assert known(restored) == everyone - {SINCE}  # RETURNED stays: that erasure was known

    come_back(restored, SINCE)  # a second time, nobody is erased: it was carried out
    assert type_in(restored, *command)["erased"] == {}
    assert held(restored, SINCE)
    engine = connect(restored)
    with reading(engine) as connection:
        query = select(access_log.c.purpose).where(access_log.c.user_id == receipt)
        assert connection.execute(query).scalars().all() == ["restored"]
    engine.dispose()


def test_people_without_a_profile_are_found_too(
    trained_url: str, backup_of: Any, tmp_path: Path
) -> None:
    engine = connect(trained_url)
    with writing(engine) as connection:  # only the log has ever heard of them
        entry = {"at": datetime.now(UTC), "operation": "read", "channel": "cli"}
        connection.execute(access_log.insert(), entry | {"user_id": "stranger"})
    engine.dispose()
    restored = backup_of()
    erase(trained_url, "stranger")
    kept = tmp_path / "receipts.json"
    type_in(trained_url, "user", "receipts", "--out", str(kept))
    assert len(type_in(restored, "user", "erase-again", str(kept))["erased"]) == 1
    assert not held(restored, "stranger")


def test_receipts_of_another_installation_are_refused(
    sqlite_url: str, trained_sqlite_url: str, tmp_path: Path
) -> None:
    erase(trained_sqlite_url, SINCE)
    kept = tmp_path / "receipts.json"
    type_in(trained_sqlite_url, "user", "receipts", "--out", str(kept))
    engine = connect(sqlite_url)
    with writing(engine) as connection:
        connection.exec_driver_sql("UPDATE installation SET secret = 'another'")
    engine.dispose()
    words = ["user", "erase-again", str(kept), "--database-url", sqlite_url]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 1
    assert "another installation" in done.stderr


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "all of it: Invalid JSON"),
        ('{"installation": "x"}', "erasures: Field required"),
        (
            '{"installation": "x", "erasures": [{"receipt": "y", "erased_at": "2026-11-01"}]}',
            "erasures.0.erased_at",
        ),
    ],
)
def test_a_file_of_another_kind_is_refused(
    sqlite_url: str, tmp_path: Path, written: str, said: str
) -> None:
    kept = tmp_path / "receipts.json"
    kept.write_text(written)
    done = CliRunner().invoke(
        main, ["user", "erase-again", str(kept), "--database-url", sqlite_url]
    )
    assert done.exit_code == 1
    assert said in done.stderr


def test_receipts_come_in_order_and_with_their_times(trained_sqlite_url: str) -> None:
    began = datetime.now(UTC)
    erase(trained_sqlite_url, SINCE, BEFORE)
    found = type_in(trained_sqlite_url, "user", "receipts")["erasures"]
    times = [datetime.fromisoformat(each["erased_at"]) for each in found]
    assert times == sorted(times)
    assert all(began <= at <= began + timedelta(minutes=5) for at in times)
    wanted = [
        type_in(trained_sqlite_url, "user", "erased", who)["receipt"] for who in (SINCE, BEFORE)
    ]
    assert [each["receipt"] for each in found] == wanted
