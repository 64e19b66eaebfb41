"""The server as a process: keys end at once in every worker, and no path reaches its log."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import httpx
from test_api_server import PERSON, server, stop

from api.access import TRUST_SECONDS
from recommender.store.engine import connect, writing
from recommender.store.keys import create_key, revoke_key

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


def test_a_revoked_key_is_refused_by_every_worker(trained_sqlite_url: str) -> None:
    engine, now = connect(trained_sqlite_url), datetime.now(UTC)
    with writing(engine) as connection:
        key_id, secret = create_key(connection, "app", ["read"], None, None, now)
    headers = {"Authorization": f"Bearer {secret}"}
    with server(trained_sqlite_url, "--workers", "2") as (address, _):

        def ask() -> int:  # a connection each, so that both workers are asked
            return httpx.get(f"{address}/v1/users/{PERSON}", headers=headers).status_code

        assert {ask() for _ in range(20)} == {200}
        with writing(engine) as connection:
            revoke_key(connection, key_id, datetime.now(UTC))
        time.sleep(TRUST_SECONDS)
        assert {ask() for _ in range(20)} == {401}
    engine.dispose()


def test_what_asks_for_a_websocket_is_not_logged_with_its_path(trained_sqlite_url: str) -> None:
    with server(trained_sqlite_url) as (address, process):
        for path in (f"/v1/users/{PERSON}", f"/{PERSON}?{PERSON}"):
            assert httpx.get(f"{address}{path}", headers=UPGRADE).status_code in (200, 404)
        slashed = httpx.get(f"{address}/v1/users/Patient%2F{PERSON}/recommendations")
        assert slashed.json()["user_id"] == f"Patient/{PERSON}"
        lines = stop(process)
    assert lines
    assert not [line for line in lines if PERSON in line]
