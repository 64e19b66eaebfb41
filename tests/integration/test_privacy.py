"""What becomes of a person's data: who looked is logged, nothing leaks, erasure leaves nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asgi import TestClient
from click.testing import CliRunner
from httpx import Response
from sqlalchemy import Connection, Engine, inspect, make_url, text

from api.app import create_app
from recommender.cli import main
from recommender.settings import Settings
from recommender.store.engine import connect, reading, writing
from recommender.store.keys import create_key
from recommender.store.queries import run_query

PERSON = "u0000003"
MARK = "zq7marker"


@pytest.fixture
def engine(trained_url: str) -> Iterator[Engine]:
    opened = connect(trained_url)
    yield opened
    opened.dispose()


@pytest.fixture
def client(trained_url: str) -> Iterator[TestClient]:
    app = create_app(Settings(database_url=trained_url), trust_seconds=0)
    with TestClient(app, client=("127.0.0.1", 1), raise_server_exceptions=False) as opened:
        yield opened


def new_key(engine: Engine, *scopes: str, user_id: str | None = None) -> dict[str, str]:
    now = datetime.now(UTC)
    with writing(engine) as connection:
        _, secret = create_key(connection, "app", scopes, user_id, now + timedelta(1), now)
    return {"Authorization": f"Bearer {secret}"}


def event(event_id: str, user_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "event_id": event_id, "user_id": user_id, "action_id": "balance-practice",
        "type": "view", "occurred_at": "2026-06-01T08:00:00+02:00", **changes,
    }  # fmt: skip


def reading_of(observation_id: str, user_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "observation_id": observation_id, "user_id": user_id, "metric": "systolic_bp",
        "value": 142, "observed_at": "2026-06-01T08:00:00Z", **changes,
    }  # fmt: skip


def log_of(engine: Engine) -> list[Any]:
    query = (
        "SELECT operation, what, user_id, channel, key_id IS NOT NULL, purpose FROM access_log "
        "ORDER BY access_id"
    )
    with reading(engine) as connection:
        return [tuple(row) for row in run_query(connection, query)[1]]


Step = tuple[Callable[[TestClient, dict[str, str]], Response], list[tuple[str, str, str]]]
PATH = f"/v1/users/{PERSON}"
STEPS: dict[str, Step] = {
    "list": (
        lambda c, h: c.get(f"{PATH}/recommendations", headers=h),
        [("read", "recommendations", PERSON)],
    ),
    "list of a stranger": (
        lambda c, h: c.get("/v1/users/stranger/recommendations", headers=h),
        [("read", "recommendations", "stranger")],
    ),
    "rank": (lambda c, h: c.post(f"{PATH}/rank", headers=h), [("read", "rank", PERSON)]),
    "profile": (lambda c, h: c.get(PATH, headers=h), [("read", "profile", PERSON)]),
    "alerts": (lambda c, h: c.get(f"{PATH}/alerts", headers=h), [("read", "alerts", PERSON)]),
    "change": (
        lambda c, h: c.patch(PATH, json={"sex": "other"}, headers=h),
        [("update", "profile", PERSON)],
    ),
    "events": (
        lambda c, h: c.post(
            "/v1/events",
            json=[event("e1", PERSON), event("e2", "b", type="?"), event("e3", PERSON), 7],
            headers=h,
        ),
        [("update", "events", "b"), ("update", "events", PERSON)],
    ),
    "observations": (
        lambda c, h: c.post("/v1/observations", json=reading_of("o1", PERSON), headers=h),
        [("update", "observations", PERSON)],
    ),
    "users": (
        lambda c, h: c.post("/v1/users", json=[{"user_id": PERSON}], headers=h),
        [("update", "users", PERSON)],
    ),
    "export": (lambda c, h: c.get(f"{PATH}/export", headers=h), [("export", "everything", PERSON)]),
}


def test_every_way_to_a_person_is_logged(client: TestClient, engine: Engine) -> None:
    headers = new_key(engine, "admin") | {"X-Purpose": "care plan"}
    seen: list[Any] = []
    for name, (step, expected) in STEPS.items():
        assert step(client, headers).status_code == 200, name
        seen += [(*entry, "http", True, "care plan") for entry in expected]
        assert log_of(engine) == seen, name
    receipt = client.delete(PATH, headers=headers).json()["receipt"]
    left = [entry for entry in seen if entry[2] != PERSON]
    assert log_of(engine) == [*left, ("erase", "everything", receipt, "http", True, "care plan")]


def test_every_route_with_a_person_is_among_them(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    about_people = {
        (method, path)
        for path, methods in paths.items()
        for method in methods
        if "{user_id}" in path or path in ("/v1/events", "/v1/observations", "/v1/users")
    }
    # Whoever adds a route about people adds it to STEPS. A stranger's list is no route of its own;
    # erasure is walked above, and acknowledging in test_alerts.
    assert len(about_people) == len(STEPS) - 1 + 2, about_people


def test_what_touches_no_person_and_what_is_refused_leaves_no_entry(
    client: TestClient, engine: Engine
) -> None:
    headers = new_key(engine, "read", user_id="someone-else")
    for path in (PATH, f"{PATH}/recommendations", f"{PATH}/export", "/v1/actions"):
        client.get(path, headers=headers)
    assert log_of(engine) == []


@pytest.mark.parametrize("purpose", ["", "x" * 201, f"{MARK}\t", f"{MARK}é"])
def test_a_purpose_is_short_and_plain(client: TestClient, engine: Engine, purpose: str) -> None:
    answer = client.get(PATH, headers={"X-Purpose": purpose.encode("latin-1")})
    assert answer.status_code == 422
    assert MARK not in answer.text
    assert log_of(engine) == []


def type_in(url: str, *arguments: str) -> Any:
    done = CliRunner().invoke(main, ["--database-url", url, *arguments, "--json"])
    return done.exit_code, json.loads(done.stdout)


def test_the_command_line_is_logged_too(trained_url: str, engine: Engine) -> None:
    type_in(trained_url, "recommend", PERSON, "--purpose", "check")
    type_in(trained_url, "user", "export", PERSON)
    assert log_of(engine) == [
        ("read", "recommendations", PERSON, "cli", False, "check"),
        ("export", "everything", PERSON, "cli", False, None),
    ]
    with reading(engine) as connection:
        assert all(run_query(connection, "SELECT caller FROM access_log")[1][0])
    assert type_in(trained_url, "user", "erased", PERSON)[0] == 1
    code, erased = type_in(trained_url, "user", "erase", PERSON, "--yes", "--purpose", "asked")
    assert (code, erased["deleted"]["access_log"]) == (0, 2)
    assert log_of(engine) == [("erase", "everything", erased["receipt"], "cli", False, "asked")]
    code, proof = type_in(trained_url, "user", "erased", PERSON)
    assert (code, proof["receipt"], len(proof["erased_at"])) == (0, erased["receipt"], 1)


def test_purge_says_what_it_does(trained_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert type_in(trained_url, "purge") == (0, {"dry_run": False, "tables": []})
    monkeypatch.setenv("RECOMMENDER_RETAIN_EVENTS_DAYS", "10")
    code, tried = type_in(trained_url, "purge", "--dry-run")
    done = type_in(trained_url, "purge")[1]
    assert (code, tried["dry_run"], done["dry_run"]) == (0, True, False)
    assert [(t["table"], t["rows"] > 100) for t in tried["tables"]] == [("events", True)]
    assert done["tables"][0]["rows"] == tried["tables"][0]["rows"]
    assert type_in(trained_url, "purge")[1]["tables"][0]["rows"] == 0
    monkeypatch.setenv("RECOMMENDER_RETAIN_EVENTS_DAYS", "0")
    assert type_in(trained_url, "purge")[0] == 2


def partitions(connection: Connection) -> set[str]:
    """Tables whose rows another table shows as its own."""
    if connection.dialect.name != "postgresql":
        return set()
    query = "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r'"
    return set(connection.exec_driver_sql(query).scalars())


def tables_with(engine: Engine, word: str) -> set[str]:
    """Every table, view aside, that holds a word anywhere in any column."""
    with reading(engine) as connection:
        return {
            table
            for table in set(inspect(connection).get_table_names()) - partitions(connection)
            if any(
                word in str(tuple(row))
                for row in connection.execute(text(f"SELECT * FROM {table}"))
            )
        }


def lead_a_life(client: TestClient, engine: Engine, user_id: str) -> None:
    """Leave something of a person in every table that a person can get into."""
    admin = new_key(engine, "admin")
    new_key(engine, "read", user_id=user_id)
    known = client.get("/v1/actions?limit=1", headers=admin).json()["items"][0]["action_id"]
    profile = {"user_id": user_id, "birth_date": "1961-04-30", "nickname": MARK}
    sent = {
        "/v1/users": [profile, {**profile, "sex": "?"}],
        "/v1/events": [
            event(f"1-{user_id}", user_id, action_id=known),
            event(f"2-{user_id}", user_id, type="?"),
        ],
        "/v1/observations": [
            reading_of(f"1-{user_id}", user_id),
            reading_of(f"2-{user_id}", user_id, value=-1),
        ],
    }
    for path, records in sent.items():
        assert client.post(path, json=records, headers=admin).status_code == 200
    person = client.build_request("GET", "/v1/users/").url.copy_with(
        raw_path=b"/v1/users/" + user_id.replace("/", "%2F").encode()
    )
    for tail in ("/recommendations", "/rank"):
        url = person.copy_with(raw_path=person.raw_path + tail.encode())
        answer = client.request("POST" if tail == "/rank" else "GET", url, headers=admin)
        assert answer.status_code == 200


def test_export_has_and_erasure_reaches_every_table(client: TestClient, engine: Engine) -> None:
    lead_a_life(client, engine, PERSON)
    admin = new_key(engine, "admin")
    held = client.get(f"/v1/users/{PERSON}/export", headers=admin).json()
    named = tables_with(engine, PERSON)
    assert {"users", "events", "observations", "requests", "scores", "nightly_withheld",
            "rejected_records", "api_keys", "access_log"} <= named  # fmt: skip
    assert {name for name, rows in held.items() if isinstance(rows, list) and rows} == named
    receipt = client.delete(f"/v1/users/{PERSON}", headers=admin).json()
    assert set(receipt["deleted"]) == named
    assert tables_with(engine, PERSON) == tables_with(engine, MARK) == set()


SLASHED = "Patient/12/export"


def test_ids_with_slashes_are_reached_and_mean_nobody_else(
    client: TestClient, engine: Engine, trained_url: str
) -> None:
    lead_a_life(client, engine, SLASHED)
    lead_a_life(client, engine, "Patient")
    admin = new_key(engine, "admin")
    path = f"/v1/users/{SLASHED.replace('/', '%2f')}"
    assert client.get(path, headers=admin).json()["user_id"] == SLASHED
    held = client.get(f"{path}/export", headers=admin).json()
    assert {row["user_id"] for row in held["requests"]} == {SLASHED}
    assert client.patch(path, json={"sex": "male"}, headers=admin).json()["sex"] == "male"
    # A real slash still ends an id, and what stands for an encoded one can't be sent.
    assert client.get("/v1/users/Patient/12/export", headers=admin).status_code == 404
    for trick in ("Patient%1F12%1Fexport", "Patient%1F12%2Fexport", "Patient%0012%00export"):
        assert client.get(f"/v1/users/{trick}", headers=admin).status_code == 422
    own = new_key(engine, "read", user_id=SLASHED)
    assert client.get(path, headers=own).status_code == 200
    for other in ("Patient", "Patient/12/export", "Patient%1F12%1Fexport", "Patient%2F12"):
        assert client.get(f"/v1/users/{other}", headers=own).status_code in (403, 404), other
    prefix = new_key(engine, "read", user_id="Patient")
    assert client.get(path, headers=prefix).status_code == 403
    assert client.delete(path, headers=admin).json()["user_id"] == SLASHED
    assert client.get("/v1/users/Patient", headers=admin).status_code == 200
    assert not any(SLASHED in table for table in tables_with(engine, SLASHED))


def test_odd_ids_are_reached(client: TestClient) -> None:
    for user_id in (".", "..", "a b", "50%", "%2F", "?#&=+;", "Čeněk", "🙂", "a//b/"):
        assert client.post("/v1/users", json={"user_id": user_id}).json()["accepted"] == 1
        encoded = "".join(f"%{byte:02X}" for byte in user_id.encode())
        for tail in ("", "/recommendations"):
            answer = client.get(f"/v1/users/{encoded}{tail}")
            assert answer.json()["user_id"] == user_id, (user_id, tail)
        assert client.delete(f"/v1/users/{encoded}").json()["user_id"] == user_id


def test_an_erasure_leaves_no_byte_in_sqlite_s_files(trained_sqlite_url: str) -> None:
    path = Path(str(make_url(trained_sqlite_url).database))
    mark = "a-word-that-stands-nowhere-else"
    user = {"user_id": "ann-of-bytes", "note": mark}
    with TestClient(create_app(Settings(database_url=trained_sqlite_url))) as client:
        assert client.post("/v1/users", json=user).json()["accepted"] == 1
        assert client.get("/v1/users/ann-of-bytes/recommendations").status_code == 200
        assert client.delete("/v1/users/ann-of-bytes").status_code == 200
        held = b"".join(each.read_bytes() for each in path.parent.glob(f"{path.name}*"))
    assert mark.encode() not in held
    assert b"ann-of-bytes" not in held
