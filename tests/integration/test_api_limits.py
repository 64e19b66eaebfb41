"""What a worker does at once, and what happens to what is too much or too slow."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from asgi import TestClient, ask
from pydantic import ValidationError
from sqlalchemy import text

from api.app import create_app
from api.pressure import Turnstile
from api.problems import Problem
from recommender.settings import Settings
from recommender.store.engine import POSTGRESQL, Engine, connect, writing
from recommender.store.keys import create_key

PERSON = "u0000002"


def settings(url: str, **chosen: Any) -> Settings:
    return Settings(database_url=url, poll_seconds=60, **chosen)


def event(number: int) -> dict[str, Any]:
    return {
        "event_id": f"limits-{number}",
        "user_id": PERSON,
        "action_id": "box-breathing",
        "type": "view",
        "occurred_at": "2026-06-01T08:00:00Z",
    }


def is_problem(answer: httpx.Response, status: int, slug: str) -> None:
    assert (answer.status_code, answer.json()["type"]) == (
        status,
        f"urn:recommender:problem:{slug}",
    ), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@contextmanager
def locked(engine: Engine) -> Iterator[None]:
    """Keep everyone from writing events."""
    with writing(engine) as connection:
        if engine.dialect.name == POSTGRESQL:
            connection.execute(text("LOCK TABLE events, requests IN ACCESS EXCLUSIVE MODE"))
        yield


def test_a_key_that_asks_too_often_is_told_when_to_go_on(trained_sqlite_url: str) -> None:
    engine = connect(trained_sqlite_url)
    now = datetime.now(UTC)
    with writing(engine) as connection:
        one, other = (
            create_key(connection, name, ("read",), None, now + timedelta(days=1), now)[1]
            for name in ("one", "other")
        )
    engine.dispose()
    app = create_app(settings(trained_sqlite_url, rate_limit="3/minute"))
    with TestClient(app) as client:

        def asked(secret: str) -> httpx.Response:
            return client.get("/v1/actions", headers={"Authorization": f"Bearer {secret}"})

        assert [asked(one).status_code for _ in range(4)] == [200, 200, 200, 429]
        refused = asked(one)
        is_problem(refused, 429, "rate-limited")
        assert 1 <= int(refused.headers["retry-after"]) <= 120
        assert asked(other).status_code == 200
        assert client.get("/status/live").status_code == 200


def test_replays_and_requests_without_a_good_key_count(trained_sqlite_url: str) -> None:
    engine = connect(trained_sqlite_url)
    now = datetime.now(UTC)
    with writing(engine) as connection:
        one, other = (
            create_key(connection, name, ("write",), None, now + timedelta(days=1), now)[1]
            for name in ("one", "other")
        )
    engine.dispose()
    app = create_app(settings(trained_sqlite_url, rate_limit="3/minute"))
    with TestClient(app) as client:

        def sent(secret: str, name: str) -> httpx.Response:
            headers = {"Authorization": f"Bearer {secret}", "Idempotency-Key": name}
            return client.post("/v1/events", json=[event(1)], headers=headers)

        again = [sent(one, "the same") for _ in range(4)]
        assert [answer.status_code for answer in again] == [200, 200, 200, 429]
        assert [answer.headers.get("idempotency-replayed") for answer in again[:3]] == [
            None, "true", "true",
        ]  # fmt: skip
        guesses = [sent(f"rk_guess{n}", f"{n}").status_code for n in range(3)]
        assert [*guesses, client.get(f"/v1/users/{PERSON}/recommendations").status_code] == [
            401, 401, 401, 429,
        ]  # fmt: skip
        # From the same address, which may be that of a proxy.
        assert sent(other, "new").status_code == 200


def test_without_a_rate_nobody_is_refused(trained_sqlite_url: str) -> None:
    with TestClient(create_app(settings(trained_sqlite_url))) as client:
        assert {client.get("/v1/runs").status_code for _ in range(50)} == {200}


@pytest.mark.parametrize("rate", ["many", "0/minute", "10/fortnight", "10", "-1/second"])
def test_a_rate_that_makes_no_sense_is_refused(rate: str) -> None:
    with pytest.raises(ValidationError):
        Settings(rate_limit=rate)


def test_a_turnstile_lets_in_so_many_and_keeps_order() -> None:
    async def crowd() -> tuple[int, list[int], list[int]]:
        door = Turnstile(at_once=2, waiting=3, patience_seconds=5)
        inside = most = 0
        served: list[int] = []
        refused: list[int] = []

        async def one(number: int) -> None:
            nonlocal inside, most
            try:
                await door.enter()
            except Problem:
                refused.append(number)
                return
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.01)
            inside -= 1
            served.append(number)
            door.leave()

        await asyncio.gather(*(one(number) for number in range(8)))
        return most, served, refused

    most, served, refused = asyncio.run(crowd())
    assert (most, served, refused) == (2, [0, 1, 2, 3, 4], [5, 6, 7])


def test_who_waited_too_long_is_sent_away_and_leaves_no_gap() -> None:
    async def crowd() -> None:
        door = Turnstile(at_once=1, waiting=5, patience_seconds=0.02)
        await door.enter()
        with pytest.raises(Problem) as refused:
            await door.enter()
        assert refused.value.headers == {"Retry-After": "1"}
        door.leave()
        await door.enter()

    asyncio.run(crowd())


def test_a_slow_database_sends_batches_away_and_keeps_those_it_took(trained_url: str) -> None:
    """Bounded waits: everyone gets an answer soon, and 200 means stored."""
    app = create_app(
        settings(
            trained_url,
            http_database_seconds=20,
            ingest_concurrency=2,
            http_queue=3,
            http_queue_seconds=0.2,
        )
    )
    engine = connect(trained_url)
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with locked(engine):
            held.set()
            release.wait(30)

    async def send(client: httpx.AsyncClient) -> list[httpx.Response]:
        holder = threading.Thread(target=hold)
        holder.start()
        assert await asyncio.to_thread(held.wait, 10)
        asked = [asyncio.ensure_future(client.post("/v1/events", json=event(n))) for n in range(12)]
        # Only then may those that hold a place have the database.
        for _ in range(400):
            await asyncio.sleep(0.02)
            if sum(each.done() for each in asked) >= 10:
                break
        assert (await client.get("/status/live")).status_code == 200
        release.set()
        await asyncio.to_thread(holder.join)
        return list(await asyncio.gather(*asked))

    answers = ask(app, send)
    assert Counter(answer.status_code for answer in answers) == {200: 2, 503: 10}
    for answer in answers:
        if answer.status_code == 503:
            is_problem(answer, 503, "overloaded")
            assert answer.headers["retry-after"] == "1"
    with engine.connect() as connection:
        stored = connection.execute(
            text("SELECT event_id FROM events WHERE event_id LIKE 'limits-%'")
        ).scalars()
        accepted = {f"limits-{n}" for n, a in enumerate(answers) if a.status_code == 200}
        assert set(stored) == accepted
    engine.dispose()


def test_a_database_that_keeps_us_waiting_is_left_alone_for_a_second(trained_url: str) -> None:
    app = create_app(settings(trained_url, http_database_seconds=0.3))
    engine = connect(trained_url)
    path = f"/v1/users/{PERSON}/recommendations"
    with TestClient(app) as client:
        assert client.get(path).status_code == 200
        with locked(engine):
            first = client.post("/v1/events", json=event(1))
            started = time.monotonic()
            second = client.get(path)
            waited = time.monotonic() - started
        is_problem(first, 503, "store-unavailable")
        assert first.headers["retry-after"] == "2"
        # Its own words name the host and the account.
        assert "sqlite" not in first.text
        assert "postgres" not in first.text
        is_problem(second, 503, "overloaded")
        assert waited < 0.25
        time.sleep(1.05)
        assert client.get(path).status_code == 200
    engine.dispose()


def test_a_body_that_does_not_arrive_is_given_up(trained_sqlite_url: str) -> None:
    app = create_app(settings(trained_sqlite_url, http_body_seconds=0.1))

    async def trickle() -> AsyncIterator[bytes]:
        yield b"["
        await asyncio.sleep(1)
        yield b"]"

    async def send(client: httpx.AsyncClient) -> list[httpx.Response]:
        kind = {"Content-Type": "application/json"}
        paths = ("/v1/events", f"/v1/users/{PERSON}/rank")
        slow = [await client.post(path, content=trickle(), headers=kind) for path in paths]
        key = kind | {"Idempotency-Key": "slow"}
        return [*slow, await client.post("/v1/events", content=trickle(), headers=key)]

    for answer in ask(app, send):
        is_problem(answer, 408, "request-timeout")


def test_every_connection_in_use_is_a_problem_and_no_fault(database_url: str) -> None:
    app = create_app(settings(database_url, http_database_seconds=0.05, http_concurrency=1))
    engine: Engine = app.state.recommender.engine
    with TestClient(app) as client:
        held = [engine.connect() for _ in range(5)]
        started = time.monotonic()
        is_problem(client.get("/v1/actions"), 503, "store-unavailable")
        assert time.monotonic() - started < 10
        for connection in held:
            connection.close()
        time.sleep(1.05)
        assert client.get("/v1/actions").status_code == 200


@pytest.mark.parametrize("field", ["event_id", "user_id", "action_id"])
def test_ids_are_no_longer_than_they_need_to_be(trained_sqlite_url: str, field: str) -> None:
    with TestClient(create_app(settings(trained_sqlite_url))) as client:
        sent = [event(1), {**event(2), field: "x" * 201}]
        taken = client.post("/v1/events", json=sent).json()
        assert (taken["accepted"], [r["index"] for r in taken["rejected"]]) == (1, [1])
        assert len(taken["rejected"][0]["reason"]) < 300
        is_problem(client.get(f"/v1/users/{'x' * 201}"), 422, "invalid-request")
        is_problem(
            client.patch(f"/v1/users/{PERSON}", json={"sex": "x" * 201}), 422, "invalid-request"
        )


def test_a_body_nested_without_end_is_refused(trained_sqlite_url: str) -> None:
    kind = {"Content-Type": "application/json"}
    with TestClient(create_app(settings(trained_sqlite_url))) as client:
        for path in ("/v1/events", f"/v1/users/{PERSON}/rank"):
            answer = client.post(path, content="[" * 1_000_000, headers=kind)
            is_problem(answer, 422, "invalid-request")
