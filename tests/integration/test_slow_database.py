"""A database that does not answer holds up those who need it, each once, and nobody else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from asgi import ask
from sqlalchemy import text

from api.app import create_app
from recommender.settings import Settings
from recommender.store.engine import connect

_PATIENCE_S = 1.0
_AT_ONCE = 12


@contextmanager
def _locked(url: str, table: str) -> Iterator[None]:
    engine = connect(url)
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.execution_options(recommender_writes=True).execute(text("SELECT 1"))
        else:
            connection.execute(text(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
        yield
        connection.rollback()
    engine.dispose()


async def _meanwhile(
    client: httpx.AsyncClient, waiting: list[asyncio.Task[httpx.Response]]
) -> list[float]:
    """How long the process took to say that it is alive, again and again."""
    took = []
    while not all(task.done() for task in waiting):
        began = time.perf_counter()
        assert (await client.get("/status/live")).status_code == 200
        took.append(time.perf_counter() - began)
        await asyncio.sleep(0.02)
    return took


def _asked_while_locked(url: str, table: str) -> tuple[list[int], list[float], float]:
    settings = Settings(database_url=url, http_database_seconds=_PATIENCE_S)

    async def talk(client: httpx.AsyncClient) -> tuple[list[int], list[float], float]:
        path = "/v1/users/u0000001/recommendations"
        assert (await client.get(path)).status_code == 200
        with _locked(url, table):
            began = time.perf_counter()
            asked = [asyncio.create_task(client.get(path)) for _ in range(_AT_ONCE)]
            alive = await _meanwhile(client, asked)
            spent = time.perf_counter() - began
        return [task.result().status_code for task in asked], alive, spent

    return ask(create_app(settings, trust_seconds=0), talk)


def test_the_process_is_alive_and_everybody_waits_once(trained_url: str) -> None:
    statuses, alive, spent = _asked_while_locked(trained_url, "requests")
    assert statuses == [503] * _AT_ONCE
    # One by one they would wait twelve times as long.
    assert spent < 5 * _PATIENCE_S
    assert len(alive) > 5
    assert max(alive) < _PATIENCE_S


def test_neither_does_looking_for_keys_hold_the_process_up(trained_postgres_url: str) -> None:
    statuses, alive, _ = _asked_while_locked(trained_postgres_url, "installation")
    assert statuses == [503] * _AT_ONCE
    assert max(alive) < _PATIENCE_S
