"""The Python client against the real application."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, get_type_hints, is_typeddict

import httpx
import pytest
from asgi import TestClient
from fastapi import FastAPI

from api.app import create_app
from recommender import client as package
from recommender.client import (
    AsyncClient,
    ChangedMeanwhileError,
    Client,
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    NoAnswerError,
    NotFoundError,
    ProblemError,
    TooManyRequestsError,
    UnauthorizedError,
    UnavailableError,
)
from recommender.client.attempts import Retries
from recommender.settings import Settings
from recommender.store.engine import writing
from recommender.store.keys import create_key

PERSON = "u0000002"
QUICK = Retries(first_wait_seconds=0.001, longest_wait_seconds=1.5)
OBSERVATION = {
    "observation_id": "o-client",
    "user_id": PERSON,
    "metric": "systolic_bp",
    "value": 128,
    "observed_at": "2026-06-01T08:00:00Z",
}


@pytest.fixture
def app(trained_sqlite_url: str) -> FastAPI:
    return create_app(Settings(database_url=trained_sqlite_url), trust_seconds=0)


@pytest.fixture
def client(app: FastAPI) -> Iterator[Client]:
    with (
        TestClient(app) as inside,
        Client("http://localhost", transport=inside._transport) as opened,
    ):
        yield opened


def test_what_an_app_does(client: Client) -> None:
    before = client.recommendations(PERSON, limit=3)
    assert [item["rank"] for item in before["items"]] == [1, 2, 3]
    first = before["items"][0]["action_id"]
    event = {
        "event_id": "e-client",
        "user_id": PERSON,
        "action_id": first,
        "type": "dismiss",
        "occurred_at": datetime.now(UTC).isoformat(),
    }
    assert client.send_events([event])["accepted"] == 1
    assert client.send_observations([OBSERVATION])["accepted"] == 1
    shown = client.recommendations(PERSON, limit=1000)["items"]
    assert first not in {item["action_id"] for item in shown}
    ranked = client.rank(PERSON, [first], objective="completion")["items"]
    assert [item["action_id"] for item in ranked] == [first]
    catalogue = list(client.all_actions())
    assert len(catalogue) == len({action["action_id"] for action in catalogue}) > 50


def test_profiles_and_their_versions(client: Client) -> None:
    odd = "someone new, ü?&+#"
    assert client.send_users([{"user_id": odd, "sex": "female"}])["accepted"] == 1
    profile, version = client.user(odd)
    assert (profile["user_id"], profile["sex"]) == (odd, "female")
    changed, newer = client.change_user(odd, {"sex": "other"}, version)
    assert (changed["sex"], client.user(odd)[1]) == ("other", newer)
    with pytest.raises(ChangedMeanwhileError) as stale:
        client.change_user(odd, {"sex": "male"}, version)
    assert stale.value.status == 412
    assert stale.value.request_id
    assert client.export_user(odd)["users"]
    assert client.erase_user(odd)["deleted"]["users"] == 1
    with pytest.raises(NotFoundError):
        client.user(odd)


def test_runs_and_what_watches_the_server(client: Client) -> None:
    run_id = client.runs()["items"][0]["run_id"]
    assert client.run(run_id)["run_id"] == client.card(run_id)["run_id"] == run_id
    assert client.publish(run_id)["run_id"] == run_id
    with pytest.raises(ConflictError):
        client.roll_back()
    assert client.ready()["run_id"] == run_id
    assert client.live() == {"status": "live"}
    assert "recommender_http" in client.metrics()


def test_alerts_are_seen_and_actions_retired(client: Client) -> None:
    now = datetime.now(UTC).isoformat()
    crisis = {**OBSERVATION, "observation_id": "o-high", "value": 195, "observed_at": now}
    assert client.send_observations([crisis])["accepted"] == 1
    raised = {each["rule_id"]: each for each in client.alerts(PERSON)["items"]}["pressure_crisis"]
    assert (raised["observation_id"], raised["holds"]) == ("o-high", True)
    seen = client.acknowledge_alert(PERSON, raised["alert_id"])
    assert client.acknowledge_alert(PERSON, raised["alert_id"]) == seen
    sent = {each["rule_id"]: each for each in client.recommendations(PERSON)["alerts"]}
    assert sent["pressure_crisis"]["acknowledged_at"] == seen["acknowledged_at"]
    assert [client.retire_action("box-breathing")["changed"] for _ in range(2)] == [True, False]
    versions = client.action_versions("box-breathing")["items"]
    assert [each["content"]["retired"] for each in versions] == [False, True]


def test_why_is_kept_in_the_access_log(app: FastAPI) -> None:
    inside = TestClient(app)._transport
    with Client("http://localhost", purpose="second opinion", transport=inside) as client:
        client.user(PERSON)
        assert client.export_user(PERSON)["access_log"][-1]["purpose"] == "second opinion"


def test_problems_are_errors_of_their_own(client: Client, app: FastAPI) -> None:
    with pytest.raises(InvalidRequestError) as wrong:
        client.recommendations(PERSON, limit=0)
    assert wrong.value.flaws[0]["field"] == "query.limit"
    assert wrong.value.kind == "urn:recommender:problem:invalid-request"
    now = datetime.now(UTC)
    with writing(app.state.recommender.engine) as connection:
        _, secret = create_key(connection, "reader", ("read",), None, now + timedelta(days=1), now)
    with pytest.raises(UnauthorizedError):
        client.runs()
    transport = TestClient(app)._transport
    with Client("http://localhost", secret, transport=transport) as reader:
        assert reader.runs()["items"]
        with pytest.raises(ForbiddenError):
            reader.send_events([])


def test_the_same_awaited(app: FastAPI) -> None:
    async def talk() -> None:
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
        async with AsyncClient("http://localhost", transport=transport) as client:
            answers = await asyncio.gather(*(client.recommendations(PERSON) for _ in range(4)))
            assert len({answer["request_id"] for answer in answers}) == 4
            assert (await client.send_observations([OBSERVATION]))["accepted"] == 1
            _, version = await client.user(PERSON)
            await client.change_user(PERSON, {"sex": "other"}, version)
            with pytest.raises(ChangedMeanwhileError):
                await client.change_user(PERSON, {"sex": "male"}, version)
            assert len([action async for action in client.all_actions()]) > 50

    asyncio.run(talk())


class Scripted:
    """Answers one after the other, and remembers what was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def busy(status: int = 503, **headers: str) -> httpx.Response:
    kind = {"Content-Type": "application/problem+json"}
    body = {"type": "urn:recommender:problem:overloaded", "detail": "later"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json=body, headers=kind | named)


TAKEN = {"accepted": 1, "duplicates": 0, "corrected": 0, "rejected": []}


def run_both(script: Callable[[], Scripted], call: str, *arguments: Any) -> list[Any]:
    """What both clients make of the same answers: ``(result or error, requests)`` of each."""

    async def awaited(server: Scripted) -> Any:
        transport = httpx.MockTransport(server)
        async with AsyncClient("http://localhost", retries=QUICK, transport=transport) as client:
            return await getattr(client, call)(*arguments)

    def direct(server: Scripted) -> Any:
        with Client("http://t", retries=QUICK, transport=httpx.MockTransport(server)) as client:
            return getattr(client, call)(*arguments)

    found = []
    for run in (direct, lambda server: asyncio.run(awaited(server))):
        server = script()
        try:
            result = run(server)
        except package.ClientError as error:
            result = error
        found.append((result, server.asked))
    return found


def test_a_busy_server_is_asked_again_under_the_same_key() -> None:
    def script() -> Scripted:
        return Scripted(
            busy(Retry_After="1"), httpx.ReadError("gone"), httpx.Response(200, json=TAKEN)
        )

    for result, asked in run_both(script, "send_events", [{"event_id": "e"}]):
        assert result == TAKEN
        keys = {request.headers["idempotency-key"] for request in asked}
        assert (len(asked), len(keys)) == (3, 1)
        assert len({request.content for request in asked}) == 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (
            lambda: busy(),
            UnavailableError,
        ),  # nothing is trained yet: that does not change in seconds
        (lambda: busy(Retry_After="60"), UnavailableError),  # longer than we have patience for
        (lambda: busy(429, Retry_After="60"), TooManyRequestsError),
        (lambda: httpx.Response(502, text="<html>bad gateway"), ProblemError),
        (lambda: httpx.Response(200, json=TAKEN), dict),
    ],
)
def test_what_would_not_help_is_not_tried_again(
    answer: Callable[[], httpx.Response], kind: type
) -> None:
    for result, asked in run_both(lambda: Scripted(answer()), "send_events", []):
        assert type(result) is kind
        assert len(asked) == 1


def test_a_lost_change_is_not_sent_again_and_patience_ends() -> None:
    def lost() -> Scripted:
        return Scripted(*(httpx.ConnectError("refused") for _ in range(9)))

    for call, arguments, attempts in (
        ("change_user", ("u", {"sex": "other"}), 1),
        ("erase_user", ("u",), 1),
        ("runs", (), QUICK.attempts),
    ):
        for result, asked in run_both(lost, call, *arguments):
            assert isinstance(result, NoAnswerError)
            assert len(asked) == attempts


def test_each_operation_has_its_method_with_the_fields_of_the_description(app: FastAPI) -> None:
    document = app.openapi()
    filled = {"user_id": "u", "run_id": "r", "action_id": "a", "alert_id": "l"}
    filled |= {"records": [], "changes": {}}
    seen = set()
    for name, method in inspect.getmembers(Client, inspect.isfunction):
        if name.startswith("_") or name in ("close", "all_actions"):
            continue
        server = Scripted(httpx.Response(200, json={}, headers={"ETag": '"v"'}))
        with Client("http://localhost", transport=httpx.MockTransport(server)) as client:
            needed = list(inspect.signature(method).parameters.values())[1:]
            given = {p.name: filled[p.name] for p in needed if p.default is p.empty}
            getattr(client, name)(**given)
        asked = server.asked[0]
        path = re.sub(r"/users/u\b", "/users/{user_id}", asked.url.path)
        path = re.sub(r"/runs/r\b", "/runs/{run_id}", path)
        path = re.sub(r"/actions/a\b", "/actions/{action_id}", path)
        path = re.sub(r"/alerts/l\b", "/alerts/{alert_id}", path)
        operation = document["paths"][path][asked.method.lower()]
        seen.add((asked.method.lower(), path))
        returned = get_type_hints(method)["return"]
        if is_typeddict(returned):
            schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
            fields = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
            assert set(fields["properties"]) == set(get_type_hints(returned)), name
        assert inspect.signature(method).parameters.keys() == (
            inspect.signature(getattr(AsyncClient, name)).parameters.keys()
        )
    assert seen == {(m, path) for path, methods in document["paths"].items() for m in methods}
