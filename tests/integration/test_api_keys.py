"""Who may do what with which key."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from asgi import TestClient, ask
from click.testing import CliRunner

from api.app import create_app
from api.frame import BODY_LIMIT
from recommender.cli import main
from recommender.settings import Settings
from recommender.store.engine import connect, reading, writing
from recommender.store.keys import create_key, list_keys, revoke_key
from recommender.store.queries import run_query

OWN, OTHER = "u0000002", "u0000003"
MakeKey = Callable[..., tuple[str, dict[str, str]]]


@pytest.fixture
def client(trained_sqlite_url: str) -> Iterator[TestClient]:
    app = create_app(Settings(database_url=trained_sqlite_url), trust_seconds=0)
    with TestClient(app, client=("192.0.2.7", 1)) as opened:
        yield opened


@pytest.fixture
def make_key(trained_sqlite_url: str) -> Iterator[MakeKey]:
    engine = connect(trained_sqlite_url)

    def make(*scopes: str, user_id: str | None = None, days: int = 1) -> tuple[str, dict[str, str]]:
        now = datetime.now(UTC)
        with writing(engine) as connection:
            key_id, secret = create_key(
                connection, "test", scopes, user_id, now + timedelta(days=days), now
            )
        return key_id, {"Authorization": f"Bearer {secret}"}

    yield make
    engine.dispose()


def ways(person: str) -> dict[str, tuple[str, str, Any]]:
    """Every operation of /v1, with a body that is good enough."""
    return {
        "list": ("GET", f"/v1/users/{person}/recommendations", None),
        "rank": ("POST", f"/v1/users/{person}/rank", {}),
        "alerts": ("GET", f"/v1/users/{person}/alerts", None),
        "acknowledge": ("POST", f"/v1/users/{person}/alerts/none/acknowledge", None),
        "read": ("GET", f"/v1/users/{person}", None),
        "patch": ("PATCH", f"/v1/users/{person}", {}),
        "events": ("POST", "/v1/events", [{"user_id": person}]),
        "observations": ("POST", "/v1/observations", [{"user_id": person}]),
        "users": ("POST", "/v1/users", [{"user_id": person}]),
        "new actions": ("POST", "/v1/actions", []),
        "actions": ("GET", "/v1/actions", None),
        "runs": ("GET", "/v1/runs", None),
        "run": ("GET", "/v1/runs/no-such-run", None),
        "card": ("GET", "/v1/runs/no-such-run/card", None),
        "rollback": ("POST", "/v1/runs/rollback", None),
        "publish": ("POST", "/v1/runs/no-such-run/publish", None),
        "export": ("GET", f"/v1/users/{person}/export", None),
        "delete": ("DELETE", f"/v1/users/{person}", None),
    }


def allowed(client: TestClient, key: dict[str, str], person: str) -> set[str]:
    found = set()
    for name, (method, path, body) in ways(person).items():
        answer = client.request(method, path, json=body, headers=key)
        assert answer.status_code in (200, 403, 404, 409), (name, answer.text)
        if answer.status_code != 403:
            found.add(name)
    return found


READ = {"list", "rank", "alerts", "read", "actions", "runs"}
RUNS = {"runs", "run", "card", "rollback", "publish"}
WRITE = {"patch", "acknowledge", "events", "observations", "users", "new actions"}


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        (("read",), READ),
        (("write",), WRITE),
        (("read", "write"), READ | WRITE),
        (("admin",), set(ways(OWN))),
        ((), set()),
    ],
)
def test_each_scope_opens_its_own_doors(
    client: TestClient, make_key: MakeKey, scopes: tuple[str, ...], expected: set[str]
) -> None:
    assert allowed(client, make_key(*scopes)[1], OWN) == expected


@pytest.mark.parametrize(
    ("scopes", "own"),
    [
        (("read",), {"list", "rank", "alerts", "read", "actions", "export"}),
        (("write",), {"patch", "acknowledge", "events", "observations", "users", "delete"}),
        (("admin",), set(ways(OWN)) - RUNS - {"new actions"}),
    ],
)
def test_a_key_bound_to_one_person_reaches_no_one_else(
    client: TestClient, make_key: MakeKey, scopes: tuple[str, ...], own: set[str]
) -> None:
    key = make_key(*scopes, user_id=OWN)[1]
    assert allowed(client, key, OTHER) == own & {"actions"}
    assert allowed(client, make_key(*scopes, user_id=OWN)[1], OWN) == own


def test_a_bound_key_takes_over_no_record_of_another_person(
    client: TestClient, make_key: MakeKey, trained_sqlite_url: str
) -> None:
    key = make_key("write", user_id=OWN)[1]
    engine = connect(trained_sqlite_url)
    with reading(engine) as connection:
        query = (
            "SELECT event_id, action_id, type, occurred_at FROM events "
            f"WHERE user_id = '{OTHER}' LIMIT 1"
        )
        names, rows = run_query(connection, query)
    engine.dispose()
    theirs = dict(zip(names, map(str, rows[0]), strict=True))
    stolen = client.post("/v1/events", json={**theirs, "user_id": OWN}, headers=key)
    assert stolen.status_code == 403
    disguised = {**theirs, "user_id": OWN, "event_id": f" {theirs['event_id']}\t"}
    assert client.post("/v1/events", json=disguised, headers=key).status_code == 403
    mixed = [{"event_id": "a", "user_id": OWN}, {"event_id": "b", "user_id": OTHER}]
    assert client.post("/v1/events", json=mixed, headers=key).status_code == 403
    assert client.post("/v1/events", json=["x"], headers=key).status_code == 403


PADDED = (f"{OWN} ", f" {OWN}", f"{OWN}\u00a0", f"{OWN}\u2003", f"{OWN}\t")


@pytest.mark.parametrize("padded", PADDED)
def test_a_key_bound_to_an_id_that_is_never_stored_writes_nobodys_records(
    client: TestClient, make_key: MakeKey, padded: str
) -> None:
    """Such keys may stem from older versions, which made them."""
    key = make_key("write", user_id=padded)[1]
    event = {"event_id": "e-of-padded", "action_id": "balance-practice", "type": "view",
             "occurred_at": "2026-06-01T08:00:00+02:00"}  # fmt: skip
    for spelled in (padded, OWN):
        for path, record in (("/v1/users", {}), ("/v1/events", event)):
            sent = {**record, "user_id": spelled}
            assert client.post(path, json=sent, headers=key).status_code == 403


@pytest.mark.parametrize("padded", PADDED)
def test_no_key_is_bound_to_an_id_that_is_never_stored(
    trained_sqlite_url: str, padded: str
) -> None:
    command = ["key", "create", "--name", "phone", "--user", padded]
    env = {"RECOMMENDER_DATABASE_URL": trained_sqlite_url}
    done = CliRunner().invoke(main, command, env=env)
    assert done.exit_code == 2
    assert "white space" in done.stderr
    engine = connect(trained_sqlite_url)
    with reading(engine) as connection:
        assert list_keys(connection) == []
    engine.dispose()


def test_a_bound_key_may_spell_its_person_as_ingest_reads_it(
    client: TestClient, make_key: MakeKey
) -> None:
    key = make_key("write", user_id="17")[1]
    for spelled in (17, 17.0, " 17 ", "17"):
        taken = client.post("/v1/users", json={"user_id": spelled, "sex": "male"}, headers=key)
        assert taken.status_code == 200, spelled


def test_a_key_is_needed_as_soon_as_there_is_one(client: TestClient, make_key: MakeKey) -> None:
    assert client.get(f"/v1/users/{OWN}").status_code == 200
    make_key("read")
    for headers in (
        {},
        {"Authorization": "Bearer rk_wrong"},
        {"Authorization": "Basic cms6cms="},
        {"Authorization": "Bearer"},
    ):
        for method, path, body in ways(OWN).values():
            answer = client.request(method, path, json=body, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.headers["content-type"] == "application/problem+json"
    assert client.get("/status/live").status_code == 200


def test_nothing_is_read_of_who_may_not_send_it(make_key: MakeKey, trained_sqlite_url: str) -> None:
    app = create_app(Settings(database_url=trained_sqlite_url), trust_seconds=0)
    _, reader = make_key("read")
    _, bound = make_key("admin", user_id=OTHER)
    read = 0
    wrong = (
        {"Content-Type": "application/json"},
        {"Content-Type": "text/csv"},
        {"Content-Type": "application/json", "Content-Length": str(BODY_LIMIT + 1)},
        {"Content-Type": "application/json", "Idempotency-Key": "k"},
        {"Content-Type": "application/json", "Idempotency-Key": ""},
        {"Content-Type": "application/json", "X-Purpose": " "},
    )

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        read += 1
        yield b"{"

    async def send(client: httpx.AsyncClient) -> list[tuple[str, int, int]]:
        found = []
        for name, (method, path, _) in ways(OWN).items():
            if method not in ("POST", "PATCH"):
                continue
            refused = bound if OWN in path or name in RUNS else reader
            for headers in wrong:
                for key, status in (({}, 401), (refused, 403)):
                    answer = await client.request(
                        method, path, headers={**headers, **key}, content=body()
                    )
                    found.append((f"{name} {headers}", answer.status_code, status))
        return found

    found = ask(app, send)
    assert len(found) == 9 * len(wrong) * 2
    assert [each for each in found if each[1] != each[2]] == []
    assert read == 0


def test_who_may_only_write_is_not_shown_a_profile_by_changing_it(
    client: TestClient, make_key: MakeKey
) -> None:
    profile = client.get(f"/v1/users/{OWN}", headers=make_key("read")[1])
    for user_id in (None, OWN):
        _, writer = make_key("write", user_id=user_id)
        blind = client.patch(f"/v1/users/{OWN}", json={}, headers=writer)
        assert (blind.status_code, blind.json()) == (200, {"user_id": OWN})
        # Enough to change it again only if nobody else did.
        assert blind.headers["etag"] == profile.headers["etag"]
        _, both = make_key("read", "write", user_id=user_id)
        seen = client.patch(f"/v1/users/{OWN}", json={}, headers=both)
        assert seen.json() == profile.json()


@pytest.mark.parametrize(
    ("headers", "foreign"),
    [
        ({}, False),
        ({"Host": "localhost:8000"}, False),
        ({"Host": "LOCALHOST"}, False),
        ({"Host": "127.0.0.1:8000"}, False),
        ({"Host": "[::1]:8000"}, False),
        ({"Host": "recommender:8000"}, False),
        ({"Host": "evil.example"}, True),
        ({"Host": "localhost.evil.example"}, True),
        ({"Host": "127.0.0.1.evil.example:8000"}, True),
        ({"Host": "[::1"}, True),
        ({"Host": ""}, True),
        ({"Host": "10.0.0.1"}, True),
        ({"Origin": "http://localhost:3000"}, False),
        ({"Origin": "http://[::1]:3000"}, False),
        ({"Origin": "https://app.example.org"}, False),
        ({"Origin": "https://app.example.org:8443"}, True),
        ({"Origin": "https://evil.example"}, True),
        ({"Origin": "https://localhost.evil.example"}, True),
        ({"Origin": "null"}, True),
        ({"Origin": ""}, True),
        ({"Origin": "https://app.example.org", "Host": "evil.example"}, True),
    ],
)
def test_no_web_page_reaches_a_server_without_keys(
    make_key: MakeKey, trained_sqlite_url: str, headers: dict[str, str], foreign: bool
) -> None:
    chosen = Settings(database_url=trained_sqlite_url, cors_origins="https://app.example.org")
    with TestClient(create_app(chosen, trust_seconds=0)) as client:
        for name, (method, path, body) in ways(OWN).items():
            answer = client.request(method, path, json=body, headers=headers)
            assert (answer.status_code == 403) == foreign, (name, answer.text)
            if foreign:
                assert answer.json()["type"] == "urn:recommender:problem:foreign-origin"
        assert client.get("/status/live", headers=headers).status_code == 200
        # Who sends a key is nobody's page.
        _, key = make_key("read")
        assert client.get("/v1/actions", headers={**headers, **key}).status_code == 200


def test_a_path_with_a_slash_too_many_is_unknown(client: TestClient) -> None:
    for method, path, body in ways(OWN).values():
        answer = client.request(method, f"{path}/", json=body, follow_redirects=False)
        assert answer.status_code == 404, path
        assert "location" not in answer.headers
        assert OWN not in answer.text


def test_a_key_is_needed_even_when_the_only_one_went_with_its_person(
    client: TestClient, make_key: MakeKey
) -> None:
    key = make_key("write", user_id=OWN)[1]
    assert client.delete(f"/v1/users/{OWN}", headers=key).status_code == 200
    for headers in ({}, key):
        assert client.get(f"/v1/users/{OTHER}", headers=headers).status_code == 401


def test_figures_and_readiness_are_open_to_this_machine_only(
    client: TestClient, make_key: MakeKey, trained_sqlite_url: str
) -> None:
    _, key = make_key("read")
    for path in ("/metrics", "/status/ready"):
        assert client.get(path).status_code == 401
        assert client.get(path, headers=key).status_code == 200
        assert client.get(path, headers=make_key("admin", user_id=OWN)[1]).status_code == 403
    app = create_app(Settings(database_url=trained_sqlite_url), trust_seconds=0)
    with TestClient(app, client=("127.0.0.1", 1)) as near:
        assert near.get("/metrics").status_code == near.get("/status/ready").status_code == 200


def test_a_revoked_or_expired_key_is_refused(
    client: TestClient, make_key: MakeKey, trained_sqlite_url: str
) -> None:
    key_id, key = make_key("read")
    assert client.get(f"/v1/users/{OWN}", headers=key).status_code == 200
    engine = connect(trained_sqlite_url)
    with writing(engine) as connection:
        revoke_key(connection, key_id, datetime.now(UTC))
    engine.dispose()
    assert client.get(f"/v1/users/{OWN}", headers=key).status_code == 401
    _, expired = make_key("read", days=-1)
    assert client.get(f"/v1/users/{OWN}", headers=expired).status_code == 401
    assert client.get(f"/v1/users/{OWN}").status_code == 401


def test_a_server_others_can_reach_answers_no_one_without_a_key(trained_sqlite_url: str) -> None:
    app = create_app(Settings(database_url=trained_sqlite_url), keyless=False)
    with TestClient(app) as client:
        assert client.get(f"/v1/users/{OWN}").status_code == 401
        assert client.get("/status/live").status_code == 200


def test_who_looked_at_whom_is_logged(
    client: TestClient, make_key: MakeKey, trained_sqlite_url: str
) -> None:
    key_id, key = make_key("admin")
    client.get(f"/v1/users/{OWN}", headers=key)
    client.post(f"/v1/users/{OWN}/rank", headers=key)
    client.patch(f"/v1/users/{OWN}", json={"sex": "other"}, headers=key)
    client.get(f"/v1/users/{OWN}/export", headers=key)
    client.get("/v1/users/unknown-person", headers=key)
    engine = connect(trained_sqlite_url)
    with reading(engine) as connection:
        query = "SELECT operation, user_id, key_id, channel FROM access_log ORDER BY access_id"
        rows = [tuple(row) for row in run_query(connection, query)[1]]
        used = run_query(connection, "SELECT last_used_at FROM api_keys")[1][0][0]
    engine.dispose()
    assert rows == [
        (operation, OWN, key_id, "http") for operation in ("read", "read", "update", "export")
    ]
    assert used is not None
