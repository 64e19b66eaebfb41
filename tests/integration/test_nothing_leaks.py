"""Secrets in every field of every route: none is found where it should not be."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from asgi import TestClient
from sqlalchemy import Engine
from test_privacy import (  # noqa: F401  # pytest finds fixtures by name
    MARK,
    client,
    engine,
    event,
    new_key,
    reading_of,
)


def every_request(paths: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every operation with the marker in every field there is, one way wrong or another."""
    scalars: list[Any] = [MARK, {MARK: MARK}, [MARK], {"attributes": {MARK: [MARK]}}]
    records = [
        event(MARK, MARK, action_id=MARK, type=MARK, occurred_at=MARK, request_id=MARK, value=MARK),
        event(MARK, MARK, context={MARK: MARK}),
        reading_of(MARK, MARK, metric=MARK, value=MARK, unit=MARK, observed_at=MARK, source=MARK),
        reading_of(MARK, MARK, unit=MARK),
        {"user_id": MARK, "birth_date": MARK, "sex": MARK, "conditions": [MARK], MARK: MARK},
        {"action_id": MARK, "title": MARK, "domain": MARK, "targets": [MARK], "tags": [MARK]},
        {"birth_date": MARK, "sex": MARK, "conditions": MARK, "attributes": {MARK: {MARK: MARK}}},
        {"action_ids": [MARK], "objective": "benefit"},
        {"action_ids": [MARK], "objective": MARK, "audience": MARK, "as_of": MARK, MARK: MARK},
    ]
    names = ("limit", "domain", "audience", "objective", "after", "as_of", MARK)
    query = dict.fromkeys(names, MARK)
    for path, methods in paths.items():
        url = path.replace("{user_id}", f"{MARK}%2F{MARK}").replace("{run_id}", MARK)
        for method in methods:
            yield method, url, {}
            yield method, url, {"params": query, "headers": {"X-Purpose": f"{MARK}\x80"}}
            if method in ("post", "patch"):
                yield method, url, {"json": records}
                yield method, url, {"content": MARK, "headers": {"Content-Type": MARK}}
                yield method, url, {"content": f'{{"{MARK}": "{MARK}', "headers": JSON}
                yield method, url, {"content": f'{{"{MARK}"\n{MARK}', "headers": NDJSON}
                for body in [*scalars, *records]:
                    yield method, url, {"json": body}
        yield MARK.upper(), url, {}
    yield "get", f"/{MARK}", {}
    yield "get", f"/v1/users/{MARK}/{MARK}", {"headers": {MARK: MARK, "Cookie": MARK}}


JSON = {"Content-Type": "application/json"}
NDJSON = {"Content-Type": "application/x-ndjson"}


def test_nothing_sent_is_found_in_logs_figures_and_problems(
    client: TestClient,  # noqa: F811
    engine: Engine,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
    capfd: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging.getLogger("recommender.http"), "propagate", True)
    caplog.set_level(logging.WARNING, "httpx")  # the client's own
    caplog.set_level(logging.INFO)
    admin = new_key(engine, "admin")
    bad = [{"Authorization": f"Bearer {word}"} for word in (MARK, f"{MARK}.{MARK}.{MARK}")]
    paths = client.get("/openapi.json").json()["paths"]
    answered = set()
    for method, url, options in every_request(paths):
        for key in (admin,) if options else (admin, *bad):
            headers = {k: v.encode("latin-1") for k, v in options.get("headers", {}).items()}
            answer = client.request(method, url, **options | {"headers": headers | key})
            answered.add(answer.status_code)
            assert answer.status_code < 500, (method, url, answer.text)
            if answer.status_code >= 400:
                assert MARK not in answer.text.lower(), (method, url, answer.text)
    assert {200, 401, 404, 405, 415, 422} <= answered
    assert caplog.messages
    assert not [line for line in caplog.messages if MARK in line.lower()]
    assert MARK not in client.get("/metrics", headers=admin).text.lower()
    printed = capfd.readouterr()
    assert MARK not in (printed.out + printed.err).lower()
