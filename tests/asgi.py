"""Asking an application inside this process, as something on this machine would."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx
from fastapi import FastAPI, testclient

T = TypeVar("T")
HERE = "http://localhost"


class TestClient(testclient.TestClient):
    """Calls the host by a name that a server without keys answers to."""

    def __init__(self, app: FastAPI, **options: Any) -> None:
        super().__init__(app, **{"base_url": HERE, **options})


def ask(app: FastAPI, what: Callable[[httpx.AsyncClient], Awaitable[T]]) -> T:
    """Run a conversation with an application, lifespan included."""

    async def talk() -> T:
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url=HERE, timeout=30) as client,
        ):
            return await what(client)

    return asyncio.run(talk())
