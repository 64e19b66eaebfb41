"""The order of things on every route: who asks, what is sent, whether it was sent before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from .deps import Need, state_of
from .frame import refuse_unread
from .idempotency import once


class StrictRequest(Request):
    """Reads JSON by the letter: no NaN, no half characters, nothing a database would refuse."""

    async def json(self) -> Any:
        """Parse the body once."""
        if not hasattr(self, "_parsed"):
            self._parsed = orjson.loads(await self.body())
        return self._parsed


class StrictRoute(APIRoute):
    """A route that reads nothing of a body before its caller is admitted.

    Its body is read by :class:`StrictRequest`. It must have a dependency made by ``needs``.
    """

    def get_route_handler(self) -> Callable[[Request], Any]:
        """Wrap the handler."""
        handler = super().get_route_handler()
        need = self._need()

        async def strict(request: Request) -> Response:
            caller = await need.admit(request)
            refuse_unread(request.scope)
            state = await state_of(request)
            asked = StrictRequest(request.scope, request.receive)
            return await once(state.engine, caller, asked, handler)

        return strict

    def _need(self) -> Need:
        """What is asked of callers."""
        makers = (getattr(each.call, "__self__", None) for each in self.dependant.dependencies)
        (need,) = (maker for maker in makers if isinstance(maker, Need))
        return need
