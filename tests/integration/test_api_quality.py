"""Versions, pages, compression, other origins, and what the description shows."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jsonschema_rs
import pytest
from asgi import TestClient
from sqlalchemy import insert

from api.app import create_app
from recommender.settings import Settings
from recommender.store.engine import connect, writing
from recommender.store.schema import runs

PROFILE = "/v1/users/u0000002"


@pytest.fixture
def client(trained_url: str) -> Iterator[TestClient]:
    app = create_app(Settings(database_url=trained_url, poll_seconds=0.01))
    with TestClient(app) as opened:
        yield opened


def test_a_change_can_name_the_version_it_knows(client: TestClient) -> None:
    version = client.get(PROFILE).headers["etag"]
    changed = client.patch(PROFILE, json={"sex": "other"}, headers={"If-Match": version})
    assert changed.status_code == 200
    assert changed.headers["etag"] == client.get(PROFILE).headers["etag"] != version
    stale = client.patch(PROFILE, json={"sex": "male"}, headers={"If-Match": version})
    assert stale.status_code == 412
    assert stale.json()["type"].endswith(":precondition-failed")
    assert client.get(PROFILE).json()["sex"] == "other"
    several = f'"something-else", {changed.headers["etag"]}'
    for known in (several, "*", None):
        headers = {"If-Match": known} if known else {}
        assert client.patch(PROFILE, json={"sex": "male"}, headers=headers).status_code == 200
        client.patch(PROFILE, json={"sex": "other"})
    # A weak version is no promise that nothing differs (RFC 9110, 13.1.1).
    weak = {"If-Match": f"W/{changed.headers['etag']}"}
    assert client.patch(PROFILE, json={"sex": "male"}, headers=weak).status_code == 412
    nobody = client.patch("/v1/users/nobody", json={}, headers={"If-Match": version})
    assert nobody.status_code == 404


def test_the_version_follows_every_way_of_changing(client: TestClient) -> None:
    before = client.get(PROFILE).headers["etag"]
    client.post("/v1/users", json={"user_id": "u0000002", "team": "green"})
    after = client.get(PROFILE).headers["etag"]
    assert before != after == client.get(PROFILE).headers["etag"]
    answer = client.patch(PROFILE, json={"attributes": {"a": 1}}, headers={"If-Match": before})
    assert answer.status_code == 412


def test_runs_page_by_page(client: TestClient, trained_url: str) -> None:
    engine = connect(trained_url)
    began = datetime(2026, 1, 1, tzinfo=UTC)
    made = [
        {
            "run_id": f"run-{number:02}",
            "status": "failed",
            # Two at a time began at the same instant.
            "started_at": began + timedelta(days=number // 2),
            "as_of": began,
            "seed": 0,
            "code_version": "1",
        }
        for number in range(11)
    ]
    with writing(engine) as connection:
        connection.execute(insert(runs), made)
    engine.dispose()
    whole = [run["run_id"] for run in client.get("/v1/runs").json()["items"]]
    assert whole[1:] == sorted((run["run_id"] for run in made), reverse=True)
    for size in (1, 2, 3, 5):
        pages: list[str] = []
        after: str | None = None
        while True:
            params: dict[str, Any] = {"limit": size} | ({"after": after} if after else {})
            page = client.get("/v1/runs", params=params).json()
            pages += [run["run_id"] for run in page["items"]]
            after = page["next"]
            if after is None:
                break
        assert pages == whole


def test_long_answers_are_compressed_for_who_asks(client: TestClient) -> None:
    def got(path: str, accepted: str) -> tuple[httpx.Headers, bytes]:
        headers = {"Accept-Encoding": accepted}
        with client.stream("GET", path, headers=headers) as answer:
            return answer.headers, b"".join(answer.iter_raw())

    plain_headers, plain = got("/v1/actions", "identity")
    assert "content-encoding" not in plain_headers
    headers, packed = got("/v1/actions", "gzip")
    assert headers["content-encoding"] == "gzip"
    assert len(packed) < len(plain) / 2
    assert gzip.decompress(packed) == plain
    assert "content-encoding" not in got(PROFILE, "gzip")[0]
    for refused in ("gzip;q=0", "identity, gzip;q=0", "gzip ; Q=0.000", "x-gzipish", "br", "*", ""):
        assert "content-encoding" not in got("/v1/actions", refused)[0], refused
    for asked in ("GZIP", "br;q=1, gzip;q=0.001", "deflate,gzip", "x-gzip"):
        assert got("/v1/actions", asked)[0]["content-encoding"] == "gzip", asked


def test_no_other_origin_may_call_unless_it_is_named(trained_sqlite_url: str) -> None:
    origin, other = "https://app.example.org", "https://elsewhere.example.org"
    asks = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "If-Match"}
    allowed = "access-control-allow-origin"
    with TestClient(create_app(Settings(database_url=trained_sqlite_url))) as client:
        assert client.options(PROFILE, headers={"Origin": origin, **asks}).status_code == 405
        assert allowed not in client.get(PROFILE, headers={"Origin": origin}).headers
    chosen = Settings(database_url=trained_sqlite_url, cors_origins=f"{origin}, https://b.org")
    with TestClient(create_app(chosen)) as client:
        preflight = client.options(PROFILE, headers={"Origin": origin, **asks})
        assert (preflight.status_code, preflight.headers[allowed]) == (200, origin)
        assert client.options(PROFILE, headers={"Origin": other, **asks}).status_code == 400
        for path, status in ((PROFILE, 200), ("/v1/nowhere", 404)):
            answer = client.get(path, headers={"Origin": origin})
            assert (answer.status_code, answer.headers[allowed]) == (status, origin)
            assert "ETag" in answer.headers["access-control-expose-headers"]
        assert allowed not in client.get(PROFILE, headers={"Origin": other}).headers
        large = {"Content-Type": "text/csv", "Origin": origin}
        refused = client.post("/v1/events", content=b"x", headers=large)
        assert (refused.status_code, refused.headers[allowed]) == (415, origin)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def contents(operation: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Where (``asked`` or a status), kind and description of everything sent."""
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        yield "asked", kind, content
    for status, answer in operation["responses"].items():
        for kind, content in answer.get("content", {}).items():
            yield status, kind, content


def test_every_operation_has_examples_that_fit(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    assert client.get("/openapi.json").json() == document
    tried = 0
    for name, operation in operations(document):
        assert any(status.startswith("2") for status, *_ in contents(operation)), name
        for where, kind, content in contents(operation):
            assert "example" in content, (name, where, kind)
            if "json" in kind and "nd" not in kind and content.get("schema"):
                schema = {**content["schema"], "components": document["components"]}
                jsonschema_rs.Draft202012Validator(schema).validate(content["example"])
                tried += 1
        for parameter in operation.get("parameters", ()):
            shown = "example" in parameter or "examples" in parameter["schema"]
            chosen = {"audience", "objective", "after", "accept"}
            assert shown or parameter["name"] in chosen or parameter["name"].startswith("X-"), (
                name,
                parameter["name"],
            )
    assert tried > 100


def test_every_operation_says_what_may_go_wrong(client: TestClient) -> None:
    for name, operation in operations(client.get("/openapi.json").json()):
        method, path = name.split()
        if not path.startswith("/v1/"):
            continue
        assert {"401", "403", "422", "429", "503"} <= set(operation["responses"]), name
        names = {parameter["name"] for parameter in operation.get("parameters", ())}
        assert ("Idempotency-Key" in names) == (method == "POST"), name


def test_everything_stands_under_a_version(client: TestClient) -> None:
    paths = set(client.get("/openapi.json").json()["paths"])
    assert {path for path in paths if not path.startswith("/v1/")} == {
        "/status/live",
        "/status/ready",
        "/metrics",
    }
