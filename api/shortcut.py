"""The live answer without the framework's way to it, for requests that are plainly in order.

Matching routes, resolving dependencies and parsing parameters one by one costs as much as a bare
route altogether. A request that has nothing unusual about it is answered here; everything else, a
parameter that is not right above all, goes on to the route, which says what is wrong with it. The
two give the same answers, which a test compares.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Sequence
from functools import lru_cache
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from recommender.domain import Audience, Objective
from recommender.errors import RecommenderError
from recommender.recommend import Ask, Question

from .deps import State, let_in
from .errors import from_http, from_own
from .frame import JSON_TYPE
from .paths import with_slashes
from .tracing import WATCH

TEMPLATE = "/v1/users/{user_id}/recommendations"
_PATH = re.compile(r"/v1/users/([^/\x00-\x1e\x7f]{1,200})/recommendations")
_QUERY = re.compile(r"[a-z]+=[A-Za-z0-9_-]{1,200}(?:&[a-z]+=[A-Za-z0-9_-]{1,200}){0,3}")
_LIMIT = re.compile(r"[1-9][0-9]{0,2}")
_PURPOSE = re.compile(r"[!-~](?:[ -~]{0,198}[!-~])?")
_AUDIENCES, _OBJECTIVES = frozenset(map(str, Audience)), frozenset(map(str, Objective))
_JSON = (b"content-type", JSON_TYPE.encode())


class Wish(NamedTuple):
    """The parameters of a plain request."""

    limit: int = 10
    domain: str | None = None
    audience: Audience = Audience.USER
    objective: Objective = Objective.BENEFIT


class Sent(NamedTuple):
    """The headers of a plain request that say who asks and why."""

    authorization: str | None = None
    purpose: str | None = None


class Route:
    """What those who look at a scope find as its route."""

    path = TEMPLATE


class Shortcut:
    """ASGI middleware, right round the routes."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self._app = app
        self._state = state

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer one request."""
        found = recognised(scope)
        if found is None:
            return self._app(scope, receive, send)
        scope["route"] = Route
        return self._answer(found, scope, receive, send)

    async def _answer(
        self, found: tuple[str, Wish, Sent], scope: Scope, receive: Receive, send: Send
    ) -> None:
        user_id, wish, sent = found
        state, client = self._state, scope.get("client")
        try:
            caller = await let_in(
                state,
                "read",
                sent.authorization,
                client[0] if client else "",
                sent.purpose,
                user_id,
                scope["headers"],
            )
            ask = Ask(*wish, asker=caller.asker)
            body = await state.desk.ask(Question(user_id, ask, WATCH.get()))
        except HTTPException as error:
            await from_http(error)(scope, receive, send)
            return
        except RecommenderError as error:
            await from_own(state.telemetry, error)(scope, receive, send)
            return
        headers = [(b"content-length", b"%d" % len(body)), _JSON]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def recognised(scope: Scope) -> tuple[str, Wish, Sent] | None:
    """Who is asked about, what for, and who asks; None for what only the route can judge."""
    if scope["type"] != "http" or scope["method"] != "GET" or scope.get("root_path"):
        return None
    path = _PATH.fullmatch(scope["path"])
    wish = _wish(scope["query_string"]) if path else None
    sent = _sent(scope["headers"]) if wish else None
    if path is None or wish is None or sent is None:
        return None
    user_id = with_slashes(path[1])
    assert user_id is not None
    return user_id, wish, sent


@lru_cache(maxsize=1024)
def _wish(query: bytes) -> Wish | None:
    """The parameters of a query string, None if there is anything unusual about it."""
    written = query.decode("latin-1")
    if not written:
        return Wish()
    if not _QUERY.fullmatch(written):
        return None
    pairs = [pair.split("=") for pair in written.split("&")]
    given = dict(pairs)
    limit, domain = given.pop("limit", "10"), given.pop("domain", None)
    audience, objective = given.pop("audience", "user"), given.pop("objective", "benefit")
    usual = (
        len({name for name, _ in pairs}) == len(pairs)
        and not given
        and (_LIMIT.fullmatch(limit) or limit == "1000")
        and audience in _AUDIENCES
        and objective in _OBJECTIVES
    )
    return Wish(int(limit), domain, Audience(audience), Objective(objective)) if usual else None


def _sent(headers: Sequence[tuple[bytes, bytes]]) -> Sent | None:
    """The headers that matter, None if there is anything unusual about them."""
    authorization = purpose = None
    for name, value in headers:
        if name == b"authorization":
            if authorization is not None:
                return None
            authorization = value.decode("latin-1")
        elif name == b"x-purpose":
            if purpose is not None:
                return None
            purpose = value.decode("latin-1")
    if purpose is not None and not _PURPOSE.fullmatch(purpose):
        return None
    return Sent(authorization, purpose)
