"""Below the application: what is not HTTP gets a problem, too, and an answer leaves in one go."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .errors import problem_response


class Wire(HttpToolsProtocol):
    """uvicorn's protocol, refusing what it can't parse as every other error is told."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to serve a connection."""
        joined = Joined(cast(asyncio.Transport, transport))
        super().connection_made(cast(asyncio.Transport, joined))

    def send_400_response(self, msg: str) -> None:
        """Answer what can't be parsed, and hang up."""
        answer = problem_response(400, msg, headers={"Connection": "close"})
        head = [b"%s: %s" % header for header in answer.raw_headers]
        lines = [b"HTTP/1.1 400 Bad Request", *head, b"", bytes(answer.body)]
        self.transport.write(b"\r\n".join(lines))
        self.transport.close()


class Joined:
    """A transport that sends the head of an answer with what follows it.

    uvicorn writes them one after the other, and each write is a call of the system and a packet.
    What nothing follows is sent before the event loop looks for anything new.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._held = b""
        self._soon = asyncio.get_running_loop().call_soon
        self.is_closing = transport.is_closing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send some bytes, at once if others wait for them."""
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held + data)
        elif data:
            self._held = data
            self._soon(self._send_held)

    def close(self) -> None:
        """Send what is held, then hang up."""
        self._send_held()
        self._transport.close()

    def _send_held(self) -> None:
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held)
