"""What routes are handed: the state of the process, the caller, and the records sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import orjson
from fastapi import Depends, Header, HTTPException, Path, Query, Request
from pydantic import BeforeValidator

from recommender.domain import MetricsList
from recommender.errors import MalformedFileError
from recommender.formats.json_lines import parse_ndjson
from recommender.guardrails.check import Guard
from recommender.published import Published
from recommender.settings import Settings
from recommender.store.engine import Engine

from .access import ANYONE, Caller, Gatekeeper
from .desk import Desk
from .foreign import refuse_foreign
from .frame import NDJSON_TYPES, content_type
from .paths import with_slashes
from .rate import RateLimit
from .schemas import Word
from .telemetry import Telemetry

RECORD_LIMIT = 10_000
"""Records that one request may carry."""
USER_ID_PATTERN = r"^[^\x00-\x1f\x7f]+$"
PLAIN_PATTERN = r"^[^\x00-\x1f\x7f]*$"


@dataclass(frozen=True)
class State:
    """Everything a process holds on to.

    Attributes
    ----------
    guard
        The rules without a catalogue: for alerts, which need no run.
    desk
        Where live answers are given, as JSON.
    origins
        Whose pages may call, beside those of this machine.
    """

    settings: Settings
    engine: Engine
    published: Published
    guard: Guard
    metrics: MetricsList
    gatekeeper: Gatekeeper
    telemetry: Telemetry
    desk: Desk[bytes]
    rate: RateLimit
    origins: frozenset[str]


async def state_of(request: Request) -> State:
    """The state of the process."""
    found: State = request.app.state.recommender
    return found


App = Annotated[State, Depends(state_of)]
UserId = Annotated[
    str,
    BeforeValidator(with_slashes),
    Path(min_length=1, max_length=200, pattern=USER_ID_PATTERN, examples=["u0000001"]),
]
Purpose = Annotated[
    str | None,
    Header(
        alias="X-Purpose",
        min_length=1,
        max_length=200,
        pattern=r"^[ -~]+$",
        description="Why; kept in the access log beside who and whose.",
    ),
]
After = Annotated[
    Word | None, Query(pattern=PLAIN_PATTERN, description="``next`` of the page before.")
]
ActionId = Annotated[
    str, Path(min_length=1, max_length=200, pattern=USER_ID_PATTERN, examples=["walk-brisk-30"])
]


_ADMITTED = "recommender.caller"


@dataclass(frozen=True)
class Need:
    """What a route asks of its callers, as for ``needs``."""

    scope: str
    bound: bool

    async def admit(self, request: Request) -> Caller:
        """Let the sender of a request through or not; nothing but its head is read."""
        caller = request.scope[_ADMITTED] = await let_in(
            request.app.state.recommender,
            self.scope,
            request.headers.get("authorization"),
            request.client.host if request.client else "",
            None,
            with_slashes(request.path_params.get("user_id")),
            request.scope["headers"],
            bound=self.bound,
        )
        return caller

    async def caller(self, request: Request, purpose: Purpose = None) -> Caller:
        """The caller, who was admitted before."""
        admitted: Caller = request.scope[_ADMITTED]
        return admitted if purpose is None else replace(admitted, purpose=purpose)


def needs(scope: str, *, bound: bool = False) -> Any:
    """A dependency that gives the caller; others than those with a scope were refused before.

    Parameters
    ----------
    bound
        Whether a key that is bound to one person may pass on a path that does not name that
        person: where nothing of a person is touched, or the route looks for itself.
    """
    return Depends(Need(scope, bound).caller)


async def let_in(
    state: State,
    scope: str,
    authorization: str | None,
    address: str,
    purpose: str | None,
    user_id: str | None,
    headers: Sequence[tuple[bytes, bytes]],
    *,
    bound: bool = False,
) -> Caller:
    """Find out who sent a request, and let them through or not.

    Parameters
    ----------
    scope
        What the key must allow.
    authorization, address, purpose
        The headers ``Authorization`` and ``X-Purpose``, and where the request came from.
    user_id
        The person that the path names, if any.
    headers
        All of them: without a key, they have to show that no web page is asking.
    bound
        As for ``needs``.

    Raises
    ------
    HTTPException
        401, 403 or 429.
    """
    try:
        caller = await state.gatekeeper.admit(authorization)
    except HTTPException:
        state.rate.count(address)
        raise
    if caller is ANYONE:
        refuse_foreign(headers, state.origins)
    state.rate.count(caller.key_id or caller.subject or caller.user_id or address)
    if not caller.may(scope):
        raise HTTPException(403, f"the key lacks the scope {scope}")
    if caller.user_id is not None and not bound and user_id != caller.user_id:
        raise HTTPException(403, "the key is bound to one person")
    return caller if purpose is None else replace(caller, purpose=purpose)


async def _raw_body(request: Request) -> bytes:
    return await request.body()


def _records(request: Request, raw: Annotated[bytes, Depends(_raw_body)]) -> list[Any]:
    """The records of a body: one object, an array, or one object a line."""
    lines = content_type(request.headers) in NDJSON_TYPES
    records = _from_lines(raw) if lines else _from_json(raw)
    if len(records) > RECORD_LIMIT:
        raise HTTPException(413, f"a request may carry {RECORD_LIMIT:,} records")
    return records


Records = Annotated[list[Any], Depends(_records)]


def _from_json(raw: bytes) -> list[Any]:
    try:
        sent = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise HTTPException(
            422, f"the body is not valid JSON: line {error.lineno}, column {error.colno}"
        ) from None
    return sent if isinstance(sent, list) else [sent]


def _from_lines(raw: bytes) -> list[Any]:
    try:
        return parse_ndjson(raw, "the body")
    except MalformedFileError as error:
        raise HTTPException(422, str(error)) from None
