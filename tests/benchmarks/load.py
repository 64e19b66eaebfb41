"""A load generator: kept-open connections that ask for recommendations one after the other.

    python -m tests.benchmarks.load PORT SECONDS CONNECTIONS FILE_OF_USER_IDS

A process of its own on uvloop, with no HTTP library: it costs about a tenth of what the fastest
server here spends on a request. Prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from pathlib import Path
from typing import cast

import numpy as np
import uvloop

_END = b"\r\n\r\n"


class _Client(asyncio.Protocol):
    """One connection: sends the next request when the answer to the last is complete."""

    def __init__(self, requests: list[bytes], until: float, seed: int) -> None:
        self._chance = random.Random(seed)
        self._requests, self._until = requests, until
        self._buffer = b""
        self._missing = 0
        self._sent_at = 0.0
        self.times: list[float] = []
        self.errors = 0
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop has classes of its own
        self._send()

    def _send(self) -> None:
        self._buffer, self._missing = b"", 0
        self._sent_at = time.perf_counter()
        self._transport.write(self._chance.choice(self._requests))

    def data_received(self, data: bytes) -> None:
        if self._missing:
            self._missing -= len(data)
        else:
            self._buffer += data
            head, found, body = self._buffer.partition(_END)
            if not found:
                return
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            self._missing = int(length) - len(body)
            self.errors += not head.startswith(b"HTTP/1.1 200")
        if self._missing <= 0:
            now = time.perf_counter()
            self.times.append(now - self._sent_at)
            if now < self._until:
                self._send()
            else:
                self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.errors += error is not None
        if not self.closed.done():
            self.closed.set_result(None)


async def drive(port: int, seconds: float, connections: int, people: list[str]) -> dict[str, float]:
    """Load a server; times are in milliseconds."""
    path = "/v1/users/{}/recommendations?limit=10"
    requests = [
        f"GET {path.format(person)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        for person in people
    ]
    started = time.perf_counter()
    loop = asyncio.get_running_loop()
    clients = [_Client(requests, started + seconds, seed) for seed in range(connections)]
    for client in clients:
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*(client.closed for client in clients))
    elapsed = time.perf_counter() - started
    took = np.array([each for client in clients for each in client.times]) * 1000
    p50, p99 = np.percentile(took, [50, 99]).tolist()
    errors = sum(client.errors for client in clients)
    return {
        "per_second": len(took) / elapsed,
        "p50": p50,
        "p99": p99,
        "errors": errors,
        "answers": len(took),
    }


if __name__ == "__main__":
    port, seconds, connections, people = sys.argv[1:]
    listed = Path(people).read_text().splitlines()
    print(json.dumps(uvloop.run(drive(int(port), float(seconds), int(connections), listed))))
