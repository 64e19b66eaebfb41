"""An answer leaves in one write; what nothing follows leaves all the same."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.server import ServerState

from api.wire import Joined, Wire


class Noting:
    """A transport that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def write(self, data: bytes) -> None:
        self.told.append(data)

    def close(self) -> None:
        self.told.append("closed")

    def is_closing(self) -> bool:
        return "closed" in self.told

    def get_extra_info(self, name: str) -> str:
        return name


def told(*writes: bytes, turn: bool = False, close: bool = False) -> list[Any]:
    """What a transport is told of writes, of a turn of the loop after each, of a close."""

    async def send() -> list[Any]:
        below = Noting()
        joined = Joined(cast(asyncio.Transport, below))
        for data in writes:
            joined.write(data)
            if turn:
                await asyncio.sleep(0)
        if close:
            joined.close()
        now = [*below.told]
        await asyncio.sleep(0)
        assert joined.is_closing() == close
        assert joined.get_extra_info("peername") == "peername"
        assert now == below.told or not close
        return below.told

    return asyncio.run(send())


def test_head_and_body_leave_at_once() -> None:
    assert told(b"head", b"body") == [b"headbody"]


def test_what_nothing_follows_leaves_with_the_turn_of_the_loop() -> None:
    assert told(b"head") == [b"head"]
    assert told(b"head", b"body", turn=True) == [b"head", b"body"]
    assert told(b"1", b"2", b"3") == [b"12", b"3"]
    assert told(b"", b"1", b"") == [b"1"]


def test_nothing_is_lost_by_a_close() -> None:
    assert told(b"head", close=True) == [b"head", "closed"]
    assert told(b"head", b"body", close=True) == [b"headbody", "closed"]


async def _echo(scope: Scope, receive: Receive, send: Send) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await asyncio.sleep(0.01)
    await send({"type": "http.response.body", "body": body, "more_body": True})
    await asyncio.sleep(0.01)
    await send({"type": "http.response.body", "body": b"!"})


async def _conversation(sent: bytes, wanted: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    config = Config(cast(Any, _echo), lifespan="off", ws="none")
    server = await loop.create_server(lambda: Wire(config, ServerState(), {}), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(sent)
    found = await asyncio.wait_for(reader.readuntil(wanted), 5)
    if b"Expect" in sent:
        writer.write(b"late")
        found += await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), 5)
    writer.close()
    server.close()
    return found


@pytest.mark.parametrize(
    ("sent", "wanted"),
    [
        (b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi", b"2\r\nhi\r\n1\r\n!\r\n0\r\n\r\n"),
        (b"HEAD / HTTP/1.1\r\n\r\n", b"\r\n\r\n"),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", b"1\r\n!\r\n0\r\n\r\n"),
        (b"nonsense\r\n\r\n", b"urn:recommender:problem:bad-request"),
        (
            b"POST / HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\n",
        ),
    ],
)
def test_every_kind_of_answer_arrives(sent: bytes, wanted: bytes) -> None:
    assert asyncio.run(_conversation(sent, wanted)).count(wanted) == 1
