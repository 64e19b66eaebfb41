"""The server as processes: figures of several workers, one of them killed, and its whole log."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from pathlib import Path

import httpx
import pytest
from test_api_server import PERSON, server, stop

LISTS = 'route="/v1/users/{user_id}/recommendations"'


def figures(address: str) -> dict[str, float]:
    lines = httpx.get(f"{address}/metrics").text.splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def total(found: dict[str, float], start: str, holding: str = "") -> float:
    return sum(v for name, v in found.items() if name.startswith(start) and holding in name)


def workers_of(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(c) for c in children if b"spawn_main" in Path(f"/proc/{c}/cmdline").read_bytes()]


def ask(address: str, times: int) -> None:
    for _ in range(times):
        answer = httpx.get(f"{address}/v1/users/{PERSON}/recommendations")
        assert answer.status_code == 200


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for workers in /proc")
def test_figures_add_up_over_workers_and_outlive_them(trained_sqlite_url: str) -> None:
    with server(trained_sqlite_url, "--workers", "2") as (address, process):
        ask(address, 20)
        before = figures(address)
        run = httpx.get(f"{address}/status/ready").json()["run_id"]
        assert total(before, "recommender_http_request_seconds_count", LISTS) == 20
        assert total(before, "recommender_items_total", f'run_id="{run}"') == 200
        assert before["recommender_http_requests_in_flight"] == 1
        assert total(before, "recommender_published_run_info", run) == 1
        killed = workers_of(process.pid)[0]
        os.kill(killed, signal.SIGKILL)
        until = time.monotonic() + 20
        while time.monotonic() < until:
            alive = workers_of(process.pid)
            if len(alive) == 2 and killed not in alive:
                break
            time.sleep(0.1)
        else:
            raise AssertionError("the worker was not replaced")
        ask(address, 10)
        after = figures(address)
        assert total(after, "recommender_http_request_seconds_count", LISTS) == 30
        assert after["recommender_http_requests_in_flight"] == 1
        stop(process)


def test_the_whole_log_is_json_and_holds_no_ids(trained_sqlite_url: str) -> None:
    with server(trained_sqlite_url) as (address, process):
        ask(address, 1)
        httpx.get(f"{address}/{PERSON}")
        _send_nonsense(address)
        lines = stop(process)
    entries = [json.loads(line) for line in lines]
    assert {entry["logger"] for entry in entries} == {"recommender.http", "uvicorn.error"}
    assert all({"at", "level"} <= set(entry) for entry in entries)
    assert not any(PERSON in line for line in lines)


def test_the_log_may_be_for_people(trained_sqlite_url: str) -> None:
    with server(trained_sqlite_url, "--log-format", "console") as (address, process):
        ask(address, 1)
        lines = stop(process)
    assert any(" recommender.http " in line and "status=200" in line for line in lines)
    assert not any(line.startswith("{") for line in lines)


def _send_nonsense(address: str) -> None:
    """What is not HTTP at all must not be quoted either."""
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as raw:
        raw.sendall(f"GET /{PERSON} NONSENSE/{PERSON}\r\n\r\n".encode())
        raw.recv(1000)
