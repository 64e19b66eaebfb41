"""A POST that is sent again with its Idempotency-Key is not done twice."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from asgi import TestClient, ask
from sqlalchemy import text

from api.app import create_app
from recommender.purge import purge
from recommender.settings import Retention, Settings
from recommender.store.engine import connect, writing
from recommender.store.idempotency import (
    KEPT_FOR,
    LOST_AFTER,
    KeptAnswer,
    Standing,
    claim,
    keep,
    release,
)
from recommender.store.keys import create_key

PERSON = "u0000002"
NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def client(trained_url: str) -> Iterator[TestClient]:
    app = create_app(Settings(database_url=trained_url, poll_seconds=0.01), trust_seconds=0)
    with TestClient(app) as opened:
        yield opened


def event(event_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "user_id": PERSON,
        "action_id": "box-breathing",
        "type": "view",
        "occurred_at": "2026-06-01T08:00:00Z",
    } | changes


def key(name: str, secret: str | None = None) -> dict[str, str]:
    who = {"Authorization": f"Bearer {secret}"} if secret else {}
    return {"Idempotency-Key": name, **who}


def test_the_same_request_gets_the_same_answer(client: TestClient) -> None:
    sent = [event("a"), event("b", type="no such type")]
    first = client.post("/v1/events", json=sent, headers=key("k1"))
    assert first.json()["accepted"] == 1
    assert "idempotency-replayed" not in first.headers
    again = client.post("/v1/events", json=sent, headers=key("k1"))
    assert (again.status_code, again.json()) == (200, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["cache-control"] == "private, no-store"
    # With another key, or none, it is done anew, which the ids of records make harmless.
    for headers in (key("k2"), {}):
        anew = client.post("/v1/events", json=sent, headers=headers).json()
        assert (anew["accepted"], anew["duplicates"]) == (0, 1)


def test_a_key_stands_for_one_request_only(client: TestClient) -> None:
    client.post("/v1/events", json=event("a"), headers=key("k"))
    for path, body in (("/v1/events", event("b")), ("/v1/observations", event("a"))):
        answer = client.post(path, json=body, headers=key("k"))
        assert answer.status_code == 422
        assert answer.json()["type"].endswith(":idempotency-key-reused")
    assert client.post("/v1/events", json=event("b")).json()["accepted"] == 1


def test_what_was_refused_is_tried_anew(client: TestClient) -> None:
    kind = {"Content-Type": "application/json"} | key("k")
    assert client.post("/v1/events", content="[", headers=kind).status_code == 422
    assert client.post("/v1/events", json=event("a"), headers=key("k")).json()["accepted"] == 1


def test_a_rollback_sent_twice_goes_back_once(client: TestClient, trained_url: str) -> None:
    run_id = client.get("/v1/runs").json()["items"][0]["run_id"]
    assert client.post("/v1/runs/rollback", headers=key("r")).status_code == 409
    publish = f"/v1/runs/{run_id}/publish"
    first = client.post(publish, headers=key("p")).json()
    assert client.post(publish, headers=key("p")).json() == first
    assert client.post(publish).json()["publication_id"] > first["publication_id"]


@pytest.mark.parametrize("name", ["", "x" * 256, "tab\there"])
def test_a_key_must_be_short_and_printable(client: TestClient, name: str) -> None:
    answer = client.post("/v1/events", json=[], headers=key(name))
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_keys_of_two_senders_do_not_meet(client: TestClient, trained_url: str) -> None:
    engine = connect(trained_url)
    now = datetime.now(UTC)
    with writing(engine) as connection:
        one, other, reader = (
            create_key(connection, name, (scope,), None, now + timedelta(days=1), now)[1]
            for name, scope in (("one", "write"), ("other", "write"), ("reader", "read"))
        )
    engine.dispose()
    body = event("a")
    assert client.post("/v1/events", json=body, headers=key("k", one)).json()["accepted"] == 1
    mine = client.post("/v1/events", json=body, headers=key("k", other))
    assert mine.json()["duplicates"] == 1
    assert client.post("/v1/events", json=body, headers=key("k", reader)).status_code == 403
    assert client.post("/v1/events", json=body, headers=key("k")).status_code == 401


def test_nothing_about_a_person_is_kept(client: TestClient, trained_url: str) -> None:
    ranked = client.post(f"/v1/users/{PERSON}/rank", json={}, headers=key(f"of {PERSON}"))
    assert ranked.status_code == 200
    client.post("/v1/events", json=event("secret-event"), headers=key(f"of {PERSON}"))
    engine = connect(trained_url)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT * FROM idempotency_keys")).all()
    engine.dispose()
    assert len(rows) == 1
    assert not any(word in str(rows) for word in (PERSON, "secret-event", "box-breathing"))


def kept_bodies(url: str) -> list[str]:
    engine = connect(url)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT body FROM idempotency_keys")).all()
    engine.dispose()
    return [row.body for row in rows]


def test_erasure_takes_answers_that_quote_what_was_sent(
    client: TestClient, trained_url: str
) -> None:
    sneaked = {**event("a"), "action_id": PERSON}
    words = {**event("b"), "action_id": f'{PERSON} "rejected":[]'}
    client.post("/v1/events", json=sneaked, headers=key("one"))
    client.post("/v1/events", json=words, headers=key("two"))
    client.post("/v1/events", json=event("c"), headers=key("three"))
    run_id = client.get("/v1/runs").json()["items"][0]["run_id"]
    publish = f"/v1/runs/{run_id}/publish"
    published = client.post(publish, headers=key("p")).json()
    assert sum(PERSON in body for body in kept_bodies(trained_url)) == 2
    assert client.delete(f"/v1/users/{PERSON}").status_code == 200
    assert len(kept_bodies(trained_url)) == 2
    assert not any(PERSON in body for body in kept_bodies(trained_url))
    assert client.post(publish, headers=key("p")).json() == published


def test_purge_takes_answers_after_their_day(client: TestClient, trained_url: str) -> None:
    client.post("/v1/events", json=event("a"), headers=key("one"))
    engine = connect(trained_url)
    for hours, left in ((23, 1), (25, 0)):
        now = datetime.now(UTC) + timedelta(hours=hours)
        purge(engine, Retention(), now, dry_run=True)
        assert len(kept_bodies(trained_url)) == 1
        purge(engine, Retention(), now)
        assert len(kept_bodies(trained_url)) == left
    engine.dispose()


def test_the_same_request_at_the_same_time_is_done_once(trained_url: str) -> None:
    app = create_app(Settings(database_url=trained_url, poll_seconds=60))
    begun, go_on = threading.Event(), threading.Event()
    take = app.state.recommender.telemetry.took

    def slowly(*anything: Any) -> None:
        begun.set()
        go_on.wait(10)
        take(*anything)

    async def send(client: httpx.AsyncClient) -> list[httpx.Response]:
        async def one() -> httpx.Response:
            return await client.post("/v1/events", json=[event("once")], headers=key("k"))

        object.__setattr__(app.state.recommender.telemetry, "took", slowly)
        first = asyncio.create_task(one())
        await asyncio.to_thread(begun.wait, 10)
        others = await asyncio.gather(*(one() for _ in range(5)))
        go_on.set()
        return [await first, *others, await one()]

    first, *others, later = ask(app, send)
    assert Counter(answer.status_code for answer in others) == {409: 5}
    assert {answer.headers["retry-after"] for answer in others} == {"1"}
    assert first.json()["accepted"] == 1
    assert later.json() == first.json()


def test_a_key_is_forgotten_after_a_day_and_a_lost_request_sooner(database_url: str) -> None:
    engine = connect(database_url)
    second = timedelta(seconds=1)

    def claimed(at: datetime, fingerprint: str = "f") -> KeptAnswer | Standing:
        with writing(engine) as connection:
            return claim(connection, "k", fingerprint, at)

    assert claimed(NOW) is Standing.NEW
    assert claimed(NOW + LOST_AFTER - second) is Standing.IN_PROGRESS
    assert claimed(NOW + LOST_AFTER) is Standing.NEW
    begun = NOW + LOST_AFTER
    with writing(engine) as connection:
        keep(connection, "k", KeptAnswer(200, "{}"))
        release(connection, "k")  # what was answered is not given up
    assert claimed(begun + KEPT_FOR - second) == KeptAnswer(200, "{}")
    assert claimed(begun + KEPT_FOR - second, "other") is Standing.OTHER
    assert claimed(begun + KEPT_FOR) is Standing.NEW
    with writing(engine) as connection:
        release(connection, "k")
    assert claimed(begun + KEPT_FOR) is Standing.NEW
    engine.dispose()
