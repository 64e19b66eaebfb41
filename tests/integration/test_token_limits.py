"""Bearers of tokens have a rate and answers of their own; a database at fault is counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from asgi import TestClient
from test_api_tokens import OWN, by, published, settings_for, token

from api.app import create_app
from recommender.errors import StoreError
from recommender.settings import Settings

EVERYONE = "recommender:read recommender:write recommender:everyone"
RECORD = {
    "observation_id": "o-token",
    "user_id": OWN,
    "metric": "systolic_bp",
    "value": 128,
    "observed_at": "2026-06-01T08:00:00Z",
}


@pytest.fixture
def jwks(tmp_path: Path) -> Path:
    path = tmp_path / "jwks.json"
    path.write_text(published("rsa-1"))
    return path


def test_a_rate_counts_for_whom_the_token_was_made_out_to(
    trained_sqlite_url: str, jwks: Path
) -> None:
    settings = settings_for(trained_sqlite_url, jwks, rate_limit="2/minute")

    # Each request has a new token: it is the person that counts, and that alone.
    def asked(client: TestClient, who: str) -> int:
        again = by(token(sub=who, scope=EVERYONE))
        return client.get("/v1/actions", headers=again).status_code

    with TestClient(create_app(settings)) as client:
        assert [asked(client, "dr-who") for _ in range(3)] == [200, 200, 429]
        assert [asked(client, "dr-no") for _ in range(3)] == [200, 200, 429]


def test_a_replay_is_for_whom_the_token_was_made_out_to(
    trained_sqlite_url: str, jwks: Path
) -> None:
    with TestClient(create_app(settings_for(trained_sqlite_url, jwks))) as client:

        def sent(**claims: Any) -> tuple[int, str | None, int]:
            headers = {"Idempotency-Key": "one", **by(token(**claims))}
            answer = client.post("/v1/observations", json=RECORD, headers=headers)
            replayed = answer.headers.get("idempotency-replayed")
            return answer.status_code, replayed, answer.json().get("duplicates", -1)

        assert sent(sub="dr-who", scope=EVERYONE) == (200, None, 0)
        assert sent(sub="dr-who", scope=EVERYONE) == (200, "true", 0)
        assert sent(sub="dr-no", scope=EVERYONE) == (200, None, 1)
        assert sent(sub="u0000003") == (403, None, -1)
        assert sent(sub="dr-who", scope=EVERYONE, exp=1) == (401, None, -1)


def test_a_database_that_fails_before_a_route_is_counted(
    trained_sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise StoreError("password@host is away")

    app = create_app(Settings(database_url=trained_sqlite_url))
    with TestClient(app, client=("127.0.0.1", 1)) as client:
        monkeypatch.setattr("api.idempotency.claim", fail)
        answer = client.post("/v1/events", json=[], headers={"Idempotency-Key": "one"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert "password" not in answer.text
        figure = 'recommender_database_errors_total{type="store-unavailable"} 1.0'
        assert figure in client.get("/metrics").text
