"""The shortcut answers as the route does, and leaves to it what it can't judge."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from asgi import ask
from fastapi import FastAPI

from api import shortcut
from api.app import create_app
from api.schemas import AnswerOut
from recommender.settings import Settings

_OF = "/v1/users/{}/recommendations"
PLAIN = (
    (_OF.format("u0000001"), {}),
    (_OF.format("u0000001") + "?limit=3", {}),
    (_OF.format("u0000004") + "?limit=1000&objective=completion", {}),
    (_OF.format("u0000004") + "?audience=clinician&domain=activity&limit=5", {}),
    (_OF.format("nobody%20known") + "?domain=no-such-domain", {}),
    (_OF.format("a%2Fb"), {}),
    (_OF.format("m%C3%BCller"), {}),
    (_OF.format("u0000001"), {"X-Purpose": "care of the day"}),
    (_OF.format("u" * 200), {}),
)
"""Path and headers that the shortcut answers."""
UNUSUAL = (
    (_OF.format("u0000001") + "?limit=0", {}),
    (_OF.format("u0000001") + "?limit=1001", {}),
    (_OF.format("u0000001") + "?limit=+5", {}),
    (_OF.format("u0000001") + "?limit=many", {}),
    (_OF.format("u0000001") + "?limit=", {}),
    (_OF.format("u0000001") + "?limit=2&limit=4", {}),
    (_OF.format("u0000001") + "?domain=", {}),
    (_OF.format("u0000001") + "?domain=mental%20health", {}),
    (_OF.format("u0000001") + "?domain=" + "d" * 201, {}),
    (_OF.format("u0000001") + "?domain=%00", {}),
    (_OF.format("u0000001") + "?domain=a%00b", {}),
    (_OF.format("u0000001") + "?audience=anyone", {}),
    (_OF.format("u0000001") + "?objective=fun&x=1", {}),
    (_OF.format("u0000001") + "?limit=3&unheard_of=1", {}),
    (_OF.format("u" * 201), {}),
    (_OF.format("a%1Fb"), {}),
    (_OF.format("a%00b"), {}),
    (_OF.format("u0000001"), {"X-Purpose": " "}),
    (_OF.format("u0000001"), {"X-Purpose": "p" * 201}),
    (_OF.format("u0000001") + "/", {}),
    ("/v1/users//recommendations", {}),
)
"""What only the route can judge."""
_OWN = ("request_id", "generated_at")


def _seen(answer: httpx.Response) -> tuple[Any, ...]:
    """What a client sees of an answer, apart from what differs every time."""
    body = answer.json() if answer.content else {}
    headers = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
    headers.pop("content-length", None)
    return answer.status_code, headers, {k: v for k, v in body.items() if k not in _OWN}


def _same(one: Any, other: Any) -> None:
    """Alike, but that a score may have aged by a second."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        one, other = list(one.values()), list(other.values())
    if isinstance(one, list | tuple):
        assert len(one) == len(other)
        for mine, theirs in zip(one, other, strict=True):
            _same(mine, theirs)
    elif isinstance(one, float):
        assert one == pytest.approx(other, abs=1e-4)
    else:
        assert one == other


async def _all(client: httpx.AsyncClient) -> list[httpx.Response]:
    return [await client.get(path, headers=headers) for path, headers in PLAIN + UNUSUAL]


def test_both_ways_answer_alike(trained_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[bool] = []

    def noted(scope: Any) -> Any:
        found = shortcut_of(scope)
        taken.append(found is not None)
        return found

    shortcut_of = shortcut.recognised
    monkeypatch.setattr(shortcut, "recognised", noted)
    short = ask(_app(trained_url), _all)
    assert taken == [True] * len(PLAIN) + [False] * len(UNUSUAL)
    monkeypatch.setattr(shortcut, "recognised", lambda _scope: None)
    long = ask(_app(trained_url), _all)
    for one, other in zip(short, long, strict=True):
        _same(_seen(one), _seen(other))
    for answer in short[: len(PLAIN)]:
        assert answer.status_code == 200
        AnswerOut.model_validate_json(answer.content, strict=True)


def test_a_key_is_asked_for_and_so_is_its_scope(
    trained_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _OF.format("u0000001")

    async def unknown(client: httpx.AsyncClient) -> list[httpx.Response]:
        wrong = {"Authorization": "Bearer nonsense"}
        return [await client.get(path), await client.get(path, headers=wrong)]

    short = ask(_app(trained_url, keyless=False), unknown)
    assert [answer.status_code for answer in short] == [401, 401]
    monkeypatch.setattr(shortcut, "recognised", lambda _scope: None)
    long = ask(_app(trained_url, keyless=False), unknown)
    assert [_seen(answer) for answer in short] == [_seen(answer) for answer in long]


def test_figures_name_the_route(trained_url: str) -> None:
    async def count(client: httpx.AsyncClient) -> str:
        await asyncio.gather(*(client.get(_OF.format("u0000001")) for _ in range(3)))
        return (await client.get("/metrics")).text

    figures = ask(_app(trained_url), count)
    wanted = 'method="GET",route="/v1/users/{user_id}/recommendations",status="200"} 3.0'
    assert f"recommender_http_request_seconds_count{{{wanted}" in figures


def _app(url: str, *, keyless: bool = True) -> FastAPI:
    return create_app(Settings(database_url=url), keyless=keyless)
