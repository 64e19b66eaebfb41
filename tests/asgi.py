"""Asking an application many things at once, inside this process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import httpx
from fastapi import FastAPI

T = TypeVar("T")


def ask(app: FastAPI, what: Callable[[httpx.AsyncClient], Awaitable[T]]) -> T:
    """Run a conversation with an application, lifespan included."""

    async def talk() -> T:
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://test", timeout=30) as client,
        ):
            return await what(client)

    return asyncio.run(talk())
