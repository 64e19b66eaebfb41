"""The layers round the routes, from the outside in: CORS, frame, compression, bounds, the
shortcut of live answers.

A layer that has nothing to do for a request hands it on (``return self._app(...)``) instead of
waiting for the answer, which saves every request a coroutine.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable
from functools import lru_cache

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipResponder
from starlette.types import ASGIApp, Receive, Scope, Send

from .deps import State
from .frame import Frame
from .idempotency import HEADER, REPLAYED
from .pressure import Pressure
from .shortcut import Shortcut

_GZIP_FROM_BYTES = 1024
_GZIP_LEVEL = 3
_GZIP = re.compile(rb"(?:x-)?gzip(?:\s*;\s*q=(?=[\d.]*[1-9])[\d.]+)?")
"""By either of its names, with a weight that is not zero."""
_ALLOWED_HEADERS = ("Authorization", "Content-Type", HEADER, "If-Match", "X-Purpose")
_SHOWN_HEADERS = ("ETag", "Retry-After", "X-Request-ID", REPLAYED)


class Compression:
    """ASGI middleware: long answers are compressed for who asks; others cost nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer one request."""
        if scope["type"] == "http":
            for name, value in scope["headers"]:
                if name == b"accept-encoding" and takes_gzip(value):
                    packed = GZipResponder(self._app, _GZIP_FROM_BYTES, _GZIP_LEVEL)
                    return packed(scope, receive, send)
        return self._app(scope, receive, send)


@lru_cache(maxsize=64)
def takes_gzip(accepted: bytes) -> bool:
    """Whether an ``Accept-Encoding`` asks for gzip by name.

    >>> [takes_gzip(each) for each in (b"br, GZIP;q=0.5", b"gzip;q=0", b"*", b"x-gzipish")]
    [True, False, False, False]
    """
    return any(_GZIP.fullmatch(each.strip()) for each in accepted.lower().split(b","))


def surround(app: FastAPI, state: State) -> None:
    """Put every layer round an application; the one added last is the outermost."""
    app.add_middleware(Shortcut, state=state)
    app.add_middleware(Pressure, settings=state.settings)
    app.add_middleware(Compression)
    app.add_middleware(Frame, telemetry=state.telemetry)
    if state.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=sorted(state.origins),
            allow_methods=("GET", "POST", "PATCH", "DELETE"),
            allow_headers=_ALLOWED_HEADERS,
            expose_headers=_SHOWN_HEADERS,
        )
