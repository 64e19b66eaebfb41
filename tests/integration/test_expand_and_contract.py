"""Upgrade without downtime: a schema may only grow under a server of the version before.

``docs/deployment.md`` has the rules for authors of migrations; here they are checked on the
schema itself, before and after each migration, and a server is run on a schema that has grown.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from asgi import TestClient
from sqlalchemy import Engine, inspect

from api.app import create_app
from recommender.knowledge import load_knowledge
from recommender.settings import Settings
from recommender.store.engine import connect, migrating, reading, writing
from recommender.store.schema import metadata
from recommender.store.upgrade import migration_config
from recommender.train import train_and_publish

FIRST_RULED = "0007"
"""Migrations after this one keep the rules; there was no release before."""
PERSON = "u0000001"
Columns = dict[tuple[str, str], tuple[str, bool, bool]]


def shape(engine: Engine) -> tuple[Columns, set[tuple[str, str]]]:
    """(relation, column) -> type, whether it takes null, has a default; and (table, constraint)."""
    with reading(engine) as connection:
        seen = inspect(connection)
        columns: Columns = {}
        for name in (*seen.get_table_names(), *seen.get_view_names()):
            for column in seen.get_columns(name):
                told = (str(column["type"]), column["nullable"], column["default"] is not None)
                columns[name, column["name"]] = told
        bounds = {
            (table, str(bound["name"]))
            for table in seen.get_table_names()
            for bound in (
                *seen.get_check_constraints(table),
                *seen.get_unique_constraints(table),
                *seen.get_foreign_keys(table),
            )
        }
    return columns, bounds


def breaks(
    before: tuple[Columns, set[tuple[str, str]]], after: tuple[Columns, set[tuple[str, str]]]
) -> Iterator[str]:
    """What code of the version before would trip over."""
    (old, old_bounds), (new, new_bounds) = before, after
    tables = {table for table, _ in old}
    for place, (kind, nullable, _) in old.items():
        name = ".".join(place)
        if place not in new:
            yield f"{name} is gone"
        elif new[place][0] not in (kind, "NULL"):  # SQLite knows no type of what a view computes
            yield f"{name} has another type"
        elif nullable and not new[place][1]:
            yield f"{name} takes null no more"
    for place, (_, nullable, default) in new.items():
        if place not in old and place[0] in tables and not nullable and not default:
            yield f"{'.'.join(place)} must be filled"
    for table, bound in new_bounds - old_bounds:
        if table in tables:
            yield f"{table} has a new constraint {bound}"


def revisions() -> list[tuple[str, dict[str, str]]]:
    """Every ruled migration, oldest first, with what it owns to contract."""
    script = ScriptDirectory.from_config(migration_config())
    found = []
    for each in reversed(list(script.walk_revisions())):
        assert isinstance(each.path, str)
        found.append((each.revision, _contracts(Path(each.path))))
    return found


def _contracts(path: Path) -> dict[str, str]:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[str, str] = getattr(module, "CONTRACTS", {})
    return found


def test_a_migration_only_adds_unless_it_says_why_not(empty_engine: Engine) -> None:
    config = migration_config()
    before = None
    for revision, contracts in revisions():
        with migrating(empty_engine) as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
        after = shape(empty_engine)
        if before is not None and revision > FIRST_RULED:
            found = [words for words in breaks(before, after) if words not in contracts]
            assert found == [], f"{revision}: see docs/deployment.md, or list them in CONTRACTS"
        before = after


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("ALTER TABLE users DROP COLUMN sex", "users.sex is gone"),
        ("ALTER TABLE users RENAME COLUMN sex TO gender", "users.sex is gone"),
        ("DROP TABLE access_log", "access_log.at is gone"),
        ("ALTER TABLE users ALTER COLUMN birth_date SET NOT NULL", "takes null no more"),
        ("ALTER TABLE actions ALTER COLUMN effort TYPE bigint", "actions.effort has another type"),
        ("ALTER TABLE access_log ADD COLUMN extra text NOT NULL", "access_log.extra must be"),
        ("ALTER TABLE users ADD CONSTRAINT ck_x CHECK (user_id <> '')", "new constraint ck_x"),
        ("ALTER TABLE users ADD CONSTRAINT uq_x UNIQUE (created_at)", "new constraint uq_x"),
    ],
)
def test_each_kind_of_breach_is_seen(postgres_url: str, statement: str, words: str) -> None:
    engine = connect(postgres_url)
    before = shape(engine)
    with writing(engine) as connection:
        for name in inspect(connection).get_view_names():
            connection.exec_driver_sql(f"DROP VIEW IF EXISTS {name} CASCADE")
        connection.exec_driver_sql(statement)
    assert any(words in breach for breach in breaks(before, shape(engine)))
    engine.dispose()


def test_a_growing_schema_breaks_nothing(postgres_url: str) -> None:
    engine = connect(postgres_url)
    before = shape(engine)
    _grow(engine)
    assert list(breaks(before, shape(engine))) == []
    engine.dispose()


def _grow(engine: Engine) -> None:
    """As a later version's migration may leave it."""
    with writing(engine) as connection:
        for table in metadata.tables:
            connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN later_note text")
            connection.exec_driver_sql(
                f"ALTER TABLE {table} ADD COLUMN later_number integer NOT NULL DEFAULT 7"
            )
        connection.exec_driver_sql("CREATE TABLE later_table (id integer PRIMARY KEY)")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")


def test_this_version_serves_and_trains_on_a_schema_that_has_grown(trained_url: str) -> None:
    settings = Settings(database_url=trained_url)
    app = create_app(settings)
    with TestClient(app, client=("127.0.0.1", 50000)) as client:
        engine = app.state.recommender.engine
        for _ in range(8):  # the driver prepares what it runs often: such plans must live on
            assert client.get(f"/v1/users/{PERSON}/recommendations").status_code == 200
        _grow(engine)  # under the running server
        _use(client)
        known = load_knowledge()
        report = train_and_publish(
            engine, rules=known.rules, metrics=known.metrics, settings=settings, force=True
        )
        app.state.recommender.published.look_again()
        answer = client.get(f"/v1/users/{PERSON}/recommendations").json()
        assert answer["run_id"] == report.run_id


def _use(client: TestClient) -> None:
    now = datetime.now(UTC).isoformat()
    action = client.get(f"/v1/users/{PERSON}/recommendations").json()["items"][0]["action_id"]
    event: dict[str, Any] = {
        "event_id": "later-1", "user_id": PERSON, "action_id": action,
        "type": "complete", "occurred_at": now,
    }  # fmt: skip
    first = client.post("/v1/events", json=event)
    assert first.status_code == 200, first.text
    assert first.json()["accepted"] == 1
    assert client.post("/v1/events", json=event).json()["duplicates"] == 1
    assert client.post("/v1/users", json={"user_id": "later-2"}).json()["accepted"] == 1
    assert client.patch("/v1/users/later-2", json={"sex": "female"}).status_code == 200
    exported = client.get("/v1/users/later-2/export")
    assert exported.status_code == 200
    assert client.delete("/v1/users/later-2").status_code == 200
    ready = client.get("/status/ready")
    assert ready.status_code == 200
    assert "newer schema" in ready.text
