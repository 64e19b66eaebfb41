"""A server that is ready has nothing left to compile."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from asgi import TestClient

from api.app import create_app
from recommender.settings import Settings
from recommender.store.engine import Engine, connect, reading
from recommender.store.queries import run_query

_SERVER = """
import gc, json, sys
import pytest
from fastapi.testclient import TestClient
from numba.core.dispatcher import Dispatcher
from api.app import create_app
from recommender.settings import Settings

def compiled():
    functions = [each for each in gc.get_objects() if isinstance(each, Dispatcher)]
    return {f"{each.__module__}.{each.__name__}": len(each.signatures) for each in functions}

url, people = json.loads(sys.argv[1])
with TestClient(create_app(Settings(database_url=url)), "http://localhost") as client:
    ready = compiled()
    for user_id in people:
        for asked in ("", "?audience=clinician&limit=3", "?objective=completion"):
            path = f"/v1/users/{user_id}/recommendations{asked}"
            assert client.get(path).status_code == 200
    print(json.dumps([ready, compiled()]))
"""
"""A process of its own: what the tests' own process compiled before does not count."""


def test_the_first_answers_compile_nothing(trained_url: str) -> None:
    with reading(connect(trained_url)) as connection:
        _, rows = run_query(connection, "SELECT user_id FROM users ORDER BY user_id LIMIT 40")
    given = json.dumps([trained_url, [str(row[0]) for row in rows]])
    done = subprocess.run(
        [sys.executable, "-c", _SERVER, given], capture_output=True, text=True, check=True
    )
    ready, after = json.loads(done.stdout.splitlines()[-1])
    assert ready
    assert {name: many for name, many in after.items() if many != ready.get(name)} == {}


def test_nobody_is_answered_by_getting_ready(trained_url: str) -> None:
    engine = connect(trained_url)

    def logged() -> int:
        with reading(engine) as connection:
            return int(run_query(connection, "SELECT count(*) FROM requests")[1][0][0])

    before = logged()
    with TestClient(create_app(Settings(database_url=trained_url))):
        assert logged() == before


def test_a_server_without_a_run_starts(engine: Engine) -> None:
    with TestClient(create_app(Settings(), engine=engine)) as client:
        assert client.get("/status/ready").status_code == 503


def test_a_server_starts_whatever_keeps_it_from_getting_ready(
    trained_sqlite_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise OSError(28, "No space left on device: 'ann'")

    monkeypatch.setattr("api.app.warm_up", broken)
    with TestClient(create_app(Settings(database_url=trained_sqlite_url))) as client:
        assert client.get("/v1/users/nobody/recommendations").status_code == 200
    (record,) = [each for each in caplog.records if each.name == "recommender.app"]
    assert record.msg["fault"] == "OSError"
    assert "ann" not in caplog.text


def test_a_server_starts_with_a_catalogue_too_large_for_groups(
    trained_sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recommender.models.hybrid._CHUNK_ROWS", 400)
    with TestClient(create_app(Settings(database_url=trained_sqlite_url))) as client:
        assert client.get("/v1/users/nobody/recommendations").status_code == 200
