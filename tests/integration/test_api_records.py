"""Records, profiles, the catalogue and runs over HTTP; limits and problems."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from asgi import TestClient
from httpx import Response

from api.app import create_app
from api.deps import RECORD_LIMIT
from api.frame import BODY_LIMIT
from recommender.settings import Settings

PERSON = "u0000003"
PROFILE = f"/v1/users/{PERSON}"


@pytest.fixture
def client(trained_url: str) -> Iterator[TestClient]:
    app = create_app(Settings(database_url=trained_url, poll_seconds=0.01), trust_seconds=0)
    with TestClient(app, client=("127.0.0.1", 1)) as opened:
        yield opened


def event(event_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "user_id": PERSON,
        "action_id": "balance-practice",
        "type": "view",
        "occurred_at": "2026-06-01T08:00:00+02:00",
        **changes,
    }


def is_problem(answer: Response, status: int, slug: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["type"] == f"urn:recommender:problem:{slug}"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    return body


def test_one_record_an_array_and_lines(client: TestClient) -> None:
    action = client.get("/v1/actions?limit=1").json()["items"][0]["action_id"]
    one = event("one", action_id=action)
    two = event("two", action_id=action, type="no such type")
    three = event("three", action_id=action)
    nothing = {"accepted": 0, "duplicates": 0, "corrected": 0, "rejected": []}
    assert client.post("/v1/events", json=one).json() == {**nothing, "accepted": 1}
    mixed = client.post("/v1/events", json=[one, two, three]).json()
    assert (mixed["accepted"], mixed["duplicates"]) == (1, 1)
    assert [rejected["index"] for rejected in mixed["rejected"]] == [1]
    lines = "\n".join(json.dumps(each) for each in ({**one, "type": "complete"}, three)) + "\n\n"
    kind = {"Content-Type": "application/x-ndjson; charset=utf-8"}
    taken = client.post("/v1/events", content=lines, headers=kind).json()
    assert taken == {**nothing, "corrected": 1, "duplicates": 1}
    assert client.post("/v1/events", json=[]).json() == nothing


def test_what_is_no_record_is_rejected_and_the_rest_taken(client: TestClient) -> None:
    user = {"user_id": "someone-new", "sex": "other"}
    taken = client.post("/v1/users", json=[1, None, "x", [user], user, {}]).json()
    assert taken["accepted"] == 1
    assert [rejected["index"] for rejected in taken["rejected"]] == [0, 1, 2, 3, 5]


def test_malformed_bodies_name_the_place(client: TestClient) -> None:
    kind = {"Content-Type": "application/json"}
    broken = client.post("/v1/events", content='[\n{"secret-word": }]', headers=kind)
    assert "line 2, column 17" in is_problem(broken, 422, "invalid-request")["detail"]
    lines = {"Content-Type": "application/x-ndjson"}
    broken = client.post("/v1/events", content='{"a": 1}\n{"secret-word": ', headers=lines)
    assert "line 2, column" in is_problem(broken, 422, "invalid-request")["detail"]
    assert "secret-word" not in broken.text


def test_too_much_and_the_wrong_kind_are_refused(client: TestClient) -> None:
    many = [{}] * (RECORD_LIMIT + 1)
    is_problem(client.post("/v1/events", json=many), 413, "too-large")
    kind = {"Content-Type": "application/json"}
    large = b" " * (BODY_LIMIT + 1)
    is_problem(client.post("/v1/events", content=large, headers=kind), 413, "too-large")

    def in_pieces() -> Iterator[bytes]:
        for _ in range(17):
            yield b" " * (BODY_LIMIT // 16)

    for path in ("/v1/events", f"{PROFILE}/rank"):
        answer = client.post(path, content=in_pieces(), headers=kind)
        is_problem(answer, 413, "too-large")
    for named in ("text/csv", "application/json-ish", "", None):
        headers = {} if named is None else {"Content-Type": named}
        answer = client.post("/v1/events", content=b"[]", headers=headers)
        is_problem(answer, 415, "unsupported-media-type")


@pytest.mark.parametrize("odd", ["%00", "a%00b", "%0A", "a%1Fb", "a%7F"])
def test_what_no_database_can_look_for_is_refused(client: TestClient, odd: str) -> None:
    for asked in (
        f"{PROFILE}/recommendations?domain={odd}",
        f"/v1/actions?after={odd}",
        f"/v1/runs?after={odd}",
    ):
        is_problem(client.get(asked), 422, "invalid-request")


def test_problems_everywhere(client: TestClient) -> None:
    is_problem(client.get("/nowhere"), 404, "not-found")
    is_problem(client.get("/v1/nowhere"), 404, "not-found")
    wrong = client.put("/v1/events")
    is_problem(wrong, 405, "method-not-allowed")
    assert wrong.headers["allow"] == "POST"
    body = is_problem(
        client.get(f"{PROFILE}/recommendations?limit=hidden-word&audience=hidden-word"),
        422,
        "invalid-request",
    )
    assert {flaw["field"] for flaw in body["errors"]} == {"query.limit", "query.audience"}
    assert "hidden-word" not in json.dumps(body)
    body = is_problem(client.patch(PROFILE, json={"hidden-word": 1}), 422, "invalid-request")
    assert "hidden-word" not in json.dumps(body)
    is_problem(client.get("/v1/users/with%00nul"), 422, "invalid-request")


def test_nothing_published_says_what_to_do(database_url: str) -> None:
    with TestClient(create_app(Settings(database_url=database_url))) as client:
        body = is_problem(client.get(f"{PROFILE}/recommendations"), 503, "no-published-run")
        assert "recommender train" in body["detail"]
        is_problem(client.get("/status/ready"), 503, "no-published-run")
        assert client.get("/status/live").json() == {"status": "live"}
        assert "\nrecommender_published_run_age_seconds " not in client.get("/metrics").text


def test_a_database_that_is_not_set_up_says_what_to_do(sqlite_empty_url: str) -> None:
    with TestClient(create_app(Settings(database_url=sqlite_empty_url))) as client:
        body = is_problem(client.get("/status/ready"), 503, "not-migrated")
        assert "recommender upgrade" in body["detail"]


def test_a_profile_can_be_read_and_changed(client: TestClient) -> None:
    before = client.get(PROFILE).json()
    changes = {
        "birth_date": "1970-02-03",
        "conditions": ["Type 2 diabetes"],
        "attributes": {"team": "blue", "smoking_status": None, "goals": ["sleep", 2]},
    }
    after = client.patch(PROFILE, json=changes)
    assert after.status_code == 200, after.text
    assert after.json() == client.get(PROFILE).json()
    kept = {k: v for k, v in before["attributes"].items() if k != "smoking_status"}
    assert after.json() == {
        "user_id": PERSON,
        "birth_date": "1970-02-03",
        "sex": before["sex"],
        "conditions": ["type_2_diabetes"],
        "attributes": {**kept, "team": "blue", "goals": ["sleep", 2]},
    }
    cleared = client.patch(PROFILE, json={"birth_date": None, "sex": None, "conditions": None})
    assert cleared.json()["birth_date"] is None
    assert (cleared.json()["sex"], cleared.json()["conditions"]) == ("unknown", [])


@pytest.mark.parametrize(
    "changes",
    [
        {"birth_date": "2200-01-01"},
        {"birth_date": "1850-01-01"},
        {"sex": "F"},
        {"conditions": ["\x00"]},
        {"conditions": [""]},
        {"attributes": {"a": {"deep": 1}}},
        {"attributes": {"": 1}},
        {"user_id": "another"},
    ],
)
def test_a_change_that_makes_no_sense_is_refused(
    client: TestClient, changes: dict[str, Any]
) -> None:
    before = client.get(PROFILE).json()
    is_problem(client.patch(PROFILE, json=changes), 422, "invalid-request")
    assert client.get(PROFILE).json() == before


def test_more_attributes_than_a_person_may_have_are_refused(client: TestClient) -> None:
    before = client.get(PROFILE).json()
    for too_much in (
        {"long": ["x" * 2_000] * 9},
        {f"a{number}": "x" * 2_000 for number in range(40)},
    ):
        answer = client.patch(PROFILE, json={"attributes": too_much})
        assert "KiB" in is_problem(answer, 422, "invalid-request")["detail"]
    assert client.get(PROFILE).json() == before


@pytest.mark.parametrize("body", ['{"attributes": {"a": NaN}}', '{"conditions": ["\\ud800"]}', "{"])
def test_a_body_that_is_not_strict_json_is_refused(client: TestClient, body: str) -> None:
    kind = {"Content-Type": "application/json"}
    is_problem(client.patch(PROFILE, content=body, headers=kind), 422, "invalid-request")


def test_export_and_erasure_with_a_receipt(client: TestClient) -> None:
    client.get(f"{PROFILE}/recommendations")
    client.get(PROFILE)
    held = client.get(f"{PROFILE}/export").json()
    assert held["user_id"] == PERSON
    assert held["events"]
    assert held["observations"]
    assert held["requests"]
    receipt = client.delete(PROFILE).json()
    assert receipt["user_id"] == PERSON
    assert receipt["deleted"]["events"] == len(held["events"])
    for path in (PROFILE, f"{PROFILE}/export"):
        is_problem(client.get(path), 404, "not-found")
    is_problem(client.delete(PROFILE), 404, "not-found")
    is_problem(client.patch(PROFILE, json={}), 404, "not-found")
    assert client.get(f"{PROFILE}/recommendations").json()["cold_start"]


def test_someone_without_a_profile_can_be_erased_too(client: TestClient) -> None:
    client.get("/v1/users/passer-by/recommendations")
    assert client.get("/v1/users/passer-by/export").json()["requests"]
    assert client.delete("/v1/users/passer-by").json()["deleted"]["requests"] == 1


def test_the_catalogue_page_by_page(client: TestClient) -> None:
    whole = client.get("/v1/actions?limit=1000").json()
    assert whole["next"] is None
    pages: list[str] = []
    after: str | None = None
    while True:
        params = {"limit": 30, **({"after": after} if after else {})}
        page = client.get("/v1/actions", params=params).json()
        pages += [action["action_id"] for action in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert pages == [action["action_id"] for action in whole["items"]]
    assert {"clinician_description", "tags", "evidence", "attributes"} <= set(whole["items"][0])
    is_problem(client.get("/v1/actions?limit=1001"), 422, "invalid-request")


def test_a_run_can_be_published(client: TestClient) -> None:
    run_id = client.get("/v1/runs").json()["items"][0]["run_id"]
    assert client.post(f"/v1/runs/{run_id}/publish").json()["run_id"] == run_id
    is_problem(client.post("/v1/runs/nothing/publish"), 404, "not-found")


def test_a_run_and_its_card_can_be_read(client: TestClient) -> None:
    run_id = client.get("/v1/runs").json()["items"][0]["run_id"]
    run = client.get(f"/v1/runs/{run_id}").json()
    assert run["published"]
    assert {"name", "segment", "value"} == set(run["figures"][0])
    assert any(figure["segment"] == "sex: female" for figure in run["figures"])
    assert {"read", "fit", "score"} < {stage["stage"] for stage in run["stages"]}
    assert all(stage["seconds"] >= 0 for stage in run["stages"])
    card = client.get(f"/v1/runs/{run_id}/card")
    assert card.headers["content-type"] == "application/json"
    assert card.json()["run_id"] == run_id
    words = client.get(f"/v1/runs/{run_id}/card", headers={"Accept": "text/markdown"})
    assert words.headers["content-type"].startswith("text/markdown")
    assert words.text.startswith(f"# Model card of run {run_id}")
    for path in ("/v1/runs/nothing", "/v1/runs/nothing/card"):
        is_problem(client.get(path), 404, "not-found")


def test_rolling_back_needs_an_earlier_run(client: TestClient) -> None:
    is_problem(client.post("/v1/runs/rollback"), 409, "conflict")


def test_every_answer_is_private_and_has_a_number(client: TestClient) -> None:
    for answer in (client.get(PROFILE), client.get("/v1/nowhere"), client.post("/v1/events")):
        assert answer.headers["cache-control"] == "private, no-store"
        assert len(answer.headers["x-request-id"]) == 16


def test_figures_and_log_hold_no_ids(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="recommender.http")
    client.get(f"{PROFILE}/recommendations?domain=hidden-word")
    client.post("/v1/users", json={"user_id": "hidden-person"})
    client.get("/v1/users/hidden-person")
    client.get("/hidden-person", headers={"X-Request-ID": "hidden-person"})
    figures = client.get("/metrics").text
    assert (
        'recommender_http_request_seconds_count{method="GET",'
        'route="/v1/users/{user_id}/recommendations",status="200"} 1.0'
    ) in figures
    assert 'recommender_records_total{kind="users",outcome="accepted"} 1.0' in figures
    assert "\nrecommender_published_run_age_seconds " in figures
    lines = [json.loads(each.getMessage()) for each in caplog.records]
    assert {line["route"] for line in lines} >= {"/v1/users/{user_id}", "/v1/users", "unmatched"}
    for text in (figures, caplog.text):
        assert not any(word in text for word in ("hidden", PERSON))


def test_an_unexpected_fault_shows_and_logs_no_data(
    client: TestClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*_: Any) -> None:
        raise ValueError(f"{PERSON} had 195")

    monkeypatch.setattr("api.app.answer_each", explode)
    answer = client.get(f"{PROFILE}/recommendations")
    is_problem(answer, 500, "internal")
    assert PERSON not in answer.text + caplog.text
    assert "ValueError" in caplog.text


def test_the_description_is_complete(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    operations = {
        (method, path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert set(operations) == {
        ("get", "/v1/users/{user_id}/recommendations"),
        ("post", "/v1/users/{user_id}/rank"),
        ("post", "/v1/events"),
        ("post", "/v1/observations"),
        ("post", "/v1/users"),
        ("post", "/v1/actions"),
        ("get", "/v1/users/{user_id}"),
        ("patch", "/v1/users/{user_id}"),
        ("delete", "/v1/users/{user_id}"),
        ("get", "/v1/users/{user_id}/export"),
        ("get", "/v1/users/{user_id}/alerts"),
        ("post", "/v1/users/{user_id}/alerts/{alert_id}/acknowledge"),
        ("get", "/v1/actions"),
        ("get", "/v1/actions/{action_id}/versions"),
        ("delete", "/v1/actions/{action_id}"),
        ("get", "/v1/runs"),
        ("get", "/v1/runs/{run_id}"),
        ("get", "/v1/runs/{run_id}/card"),
        ("post", "/v1/runs/rollback"),
        ("post", "/v1/runs/{run_id}/publish"),
        ("get", "/status/live"),
        ("get", "/status/ready"),
        ("get", "/metrics"),
    }
    assert all(operation["description"] for operation in operations.values())
    assert client.get("/docs").status_code == 200


def test_a_compressed_body_is_refused_rather_than_misread(client: TestClient) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = client.post("/v1/events", content=gzip.compress(b"[]"), headers=headers)
    is_problem(answer, 415, "unsupported-media-type")


def test_what_has_not_happened_yet_is_rejected(client: TestClient) -> None:
    ahead = event("ahead", occurred_at=datetime(2200, 1, 1, tzinfo=UTC).isoformat())
    assert len(client.post("/v1/events", json=ahead).json()["rejected"]) == 1


def test_versions_and_retirement(client: TestClient) -> None:
    sent = {"action_id": "hop", "title": "Hop", "domain": "activity"}
    assert client.post("/v1/actions", json=sent).json()["accepted"] == 1
    assert client.post("/v1/actions", json=sent | {"title": "Hop!"}).json()["corrected"] == 1
    assert client.delete("/v1/actions/hop").json() == {"action_id": "hop", "changed": True}
    assert client.delete("/v1/actions/hop").json()["changed"] is False
    versions = client.get("/v1/actions/hop/versions").json()["items"]
    assert [(one["version"], one["content"]["title"]) for one in versions] == [
        (1, "Hop"),
        (2, "Hop!"),
        (3, "Hop!"),
    ]
    assert {one["changed_by"] for one in versions} == {"http"}
    is_problem(client.get("/v1/actions/no-hop/versions"), 404, "not-found")
    is_problem(client.delete("/v1/actions/no-hop"), 404, "not-found")


def test_whom_an_action_is_for_binds_on_every_answer(client: TestClient) -> None:
    sent = {"action_id": "for-others", "title": "For others", "domain": "own"}
    eligible = {"conditions_any": ["rheumatoid_arthritis"]}
    assert client.post("/v1/actions", json=sent | {"eligible": eligible}).json()["accepted"] == 1

    def answers() -> tuple[list[str], str, str | None]:
        listed = client.get(f"{PROFILE}/recommendations?domain=own").json()["items"]
        (ranked,) = client.post(f"{PROFILE}/rank", json={"action_ids": ["for-others"]}).json()[
            "items"
        ]
        return [one["action_id"] for one in listed], ranked["verdict"], ranked["rule_id"]

    assert answers() == ([], "withhold", "eligibility")
    client.patch(PROFILE, json={"conditions": ["M05.9"]})
    listed, verdict, rule_id = answers()
    assert (listed, rule_id) == (["for-others"], None)
    assert verdict == "allow"
