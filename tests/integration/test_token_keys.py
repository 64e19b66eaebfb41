"""An identity provider's keys: fetched when needed, replaced when they change."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from asgi import TestClient
from test_api_tokens import PROFILE, by, is_refused, published, settings_for, token

from api.app import create_app
from api.jwks import KeySet, key_reader


@contextmanager
def provider() -> Iterator[tuple[str, dict[str, Any]]]:
    """A provider whose answer can be changed, and which counts who asks."""
    state: dict[str, Any] = {"keys": published("rsa-1"), "status": 200, "asked": 0}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state["asked"] += 1
            self.send_response(state["status"])
            self.end_headers()
            self.wfile.write(state["keys"].encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/keys", state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_keys_are_fetched_once_and_only_when_needed(trained_sqlite_url: str) -> None:
    with provider() as (url, state), TestClient(
        create_app(settings_for(trained_sqlite_url, url))
    ) as client:  # fmt: skip
        assert state["asked"] == 0
        for _ in range(5):
            assert client.get(PROFILE, headers=by(token())).status_code == 200
        unknown = token("ec-1")
        for _ in range(5):
            is_refused(client.get(PROFILE, headers=by(unknown)), "not known", unknown)
        assert state["asked"] == 1


def test_without_keys_a_token_gets_503(trained_sqlite_url: str, tmp_path: Path) -> None:
    chosen = settings_for(trained_sqlite_url, tmp_path / "nowhere.json")
    with TestClient(create_app(chosen)) as client:
        answer = client.get(PROFILE, headers=by(token()))
    assert answer.status_code == 503
    assert answer.json()["type"].endswith(":no-identity-provider")


def test_keys_change_and_a_provider_may_fail_for_a_while() -> None:
    now = [0.0]
    with provider() as (url, state):
        keys = KeySet(key_reader(url, 2), 300, cooldown_seconds=10, clock=lambda: now[0])

        def find(key_id: str) -> bool:
            if keys.is_due(key_id):
                keys.look()
            return keys.find(key_id) is not None

        assert find("rsa-1")
        state["keys"] = published("rsa-1", "ec-1")
        assert not find("ec-1")  # just looked
        now[0] += 10
        assert find("ec-1")
        state["keys"] = published("ec-1")
        now[0] += 299
        assert find("rsa-1")
        now[0] += 1
        assert not find("rsa-1")  # withdrawn
        for broken in ({"status": 500}, {"status": 200, "keys": "not json"}, {"keys": "{}"}):
            state.update(broken)
            now[0] += 400
            assert find("ec-1")  # as last seen
        asked = state["asked"]
        assert find("ec-1")
        assert state["asked"] == asked  # a failure is not repeated at once
        now[0] += 3600
        assert not find("ec-1")
        assert not keys.usable
