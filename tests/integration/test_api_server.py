"""The server as a process: start, workers, stop, and what it writes to its log."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select, text

from recommender.knowledge import load_knowledge
from recommender.settings import Settings
from recommender.store.engine import POSTGRESQL, connect, reading, writing
from recommender.store.schema import events
from recommender.train import train_and_publish

ROOT = Path(__file__).parents[2]
PERSON = "u0000001"
PATIENCE_SECONDS = 30


@contextmanager
def server(url: str, *options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "recommender.cli", "serve", "--port", str(port), *options],
        env=os.environ | {"RECOMMENDER_DATABASE_URL": url, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_until_ready(address, process)
        yield address, process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=PATIENCE_SECONDS)


def wait_until_ready(address: str, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(f"{address}/status/ready").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("the server did not become ready")


def stop(process: subprocess.Popen[str]) -> list[str]:
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, errors
    return errors.splitlines()


def test_it_answers_stops_cleanly_and_logs_no_ids(trained_url: str) -> None:
    with server(trained_url) as (address, process):
        answer = httpx.get(f"{address}/v1/users/{PERSON}/recommendations", params={"limit": 2})
        assert len(answer.json()["items"]) == 2
        httpx.get(f"{address}/v1/users/{PERSON}/nonsense")
        lines = stop(process)
    assert not any(PERSON in line for line in lines)
    entries = [json.loads(line) for line in lines if line.startswith("{")]
    logged = next(e for e in entries if e.get("route") == "/v1/users/{user_id}/recommendations")
    assert logged["request_id"] == answer.headers["x-request-id"]
    assert (logged["method"], logged["status"]) == ("GET", 200)


def test_what_is_not_http_gets_a_problem(trained_url: str) -> None:
    with server(trained_url) as (address, _):
        place = httpx.URL(address)
        with socket.create_connection((place.host, place.port or 0), timeout=10) as raw:
            raw.sendall(b"NOT / HTTP\r\n\r\n")
            answer = b"".join(iter(lambda: raw.recv(4096), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ")
        assert b"content-type: application/problem+json" in head.lower()
        assert f"content-length: {len(body)}".encode() in head.lower()
        problem = json.loads(body)
        assert (problem["type"], problem["status"]) == ("urn:recommender:problem:bad-request", 400)
        assert httpx.get(f"{address}/status/live").status_code == 200


def test_a_run_published_elsewhere_is_answered_from_within_seconds(
    trained_sqlite_url: str,
) -> None:
    with server(trained_sqlite_url) as (address, process):
        path = f"{address}/v1/users/{PERSON}/recommendations"
        before = httpx.get(path).json()["run_id"]
        known, engine = load_knowledge(), connect(trained_sqlite_url)
        report = train_and_publish(
            engine, rules=known.rules, metrics=known.metrics, settings=Settings(), force=True
        )
        engine.dispose()
        until = time.monotonic() + 10
        while (seen := httpx.get(path).json()["run_id"]) == before and time.monotonic() < until:
            time.sleep(0.1)
        assert seen == report.run_id
        stop(process)


def test_several_workers_add_their_figures_up(trained_sqlite_url: str) -> None:
    with server(trained_sqlite_url, "--workers", "2") as (address, process):
        for _ in range(12):
            answer = httpx.get(f"{address}/v1/users/{PERSON}/recommendations")
            assert answer.status_code == 200
        figures = httpx.get(f"{address}/metrics").text
        line = next(
            line
            for line in figures.splitlines()
            if line.startswith("recommender_http_request_seconds_count") and "recommend" in line
            and "recommendations" in line
        )  # fmt: skip
        assert line.endswith(" 12.0")
        stop(process)


@pytest.mark.parametrize(("kind", "workers"), [("sqlite", "1"), ("postgres", "2")])
def test_told_to_stop_it_finishes_what_it_accepted(
    request: pytest.FixtureRequest, kind: str, workers: str
) -> None:
    trained_url = str(request.getfixturevalue(f"trained_{kind}_url"))
    engine = connect(trained_url)

    def send(address: str, batch: int) -> httpx.Response:
        sent = [
            {
                "event_id": f"stop-{batch}-{number}",
                "user_id": PERSON,
                "action_id": "box-breathing",
                "type": "view",
                "occurred_at": "2026-06-01T08:00:00Z",
            }
            for number in range(200)
        ]
        return httpx.post(f"{address}/v1/events", json=sent, timeout=PATIENCE_SECONDS)

    with (
        ThreadPoolExecutor(8) as senders,
        server(trained_url, "--workers", workers) as (address, process),
    ):
        with writing(engine) as connection:  # nobody else can write
            if engine.dialect.name == POSTGRESQL:
                connection.execute(text("LOCK TABLE events IN ACCESS EXCLUSIVE MODE"))
            answers = [senders.submit(send, address, batch) for batch in range(8)]
            time.sleep(0.7)
            process.send_signal(signal.SIGTERM)
            time.sleep(0.7)
            assert process.poll() is None
        assert [answer.result().status_code for answer in answers] == [200] * 8
        process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0
    with reading(engine) as connection:
        count = select(func.count()).where(events.c.event_id.like("stop-%"))
        assert connection.execute(count).scalar() == 8 * 200
    engine.dispose()
