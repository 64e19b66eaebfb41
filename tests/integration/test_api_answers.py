"""Answers over HTTP: their shape, what moves them, and what never comes through."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgi import TestClient

from api.app import create_app
from api.schemas import AnswerOut, RankOut
from recommender.settings import Settings
from recommender.store.engine import connect, reading
from recommender.store.queries import run_query

PERSON = "u0000001"
ANSWER = f"/v1/users/{PERSON}/recommendations"


@pytest.fixture
def client(trained_url: str) -> Iterator[TestClient]:
    app = create_app(Settings(database_url=trained_url, poll_seconds=0.01), trust_seconds=0)
    with TestClient(app, client=("127.0.0.1", 1)) as opened:
        yield opened


def observe(client: TestClient, metric: str, value: float, person: str = PERSON) -> None:
    reading = {
        "observation_id": f"{person}-{metric}-{value}",
        "user_id": person,
        "metric": metric,
        "value": value,
        "observed_at": (datetime.now(UTC) - timedelta(minutes=1)).isoformat(),
    }
    taken = client.post("/v1/observations", json=reading)
    assert taken.json()["accepted"] == 1, taken.text


def shown(client: TestClient, person: str = PERSON, **options: Any) -> list[str]:
    answer = client.get(f"/v1/users/{person}/recommendations", params={"limit": 1000, **options})
    assert answer.status_code == 200, answer.text
    return [item["action_id"] for item in answer.json()["items"]]


def test_an_answer_has_the_shape_of_the_contract(client: TestClient) -> None:
    answer = client.get(ANSWER, params={"limit": 5})
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["content-type"] == "application/json"
    body = AnswerOut.model_validate(answer.json())
    assert list(answer.json()) == [
        "request_id", "user_id", "run_id", "generated_at", "cold_start", "items", "alerts",
        "withheld",
    ]  # fmt: skip
    assert list(answer.json()["items"][0]) == [
        "rank", "action_id", "title", "domain", "score", "p_complete", "benefit", "verdict",
        "reasons", "evidence", "propensity", "standard_error",
    ]  # fmt: skip
    assert (body.user_id, len(body.items), body.cold_start) == (PERSON, 5, False)
    assert [item.rank for item in body.items] == [1, 2, 3, 4, 5]
    assert all(item.reasons for item in body.items)


def test_parts_add_up_to_the_log_odds(client: TestClient) -> None:
    ranked = client.post(f"/v1/users/{PERSON}/rank", json={})
    items = RankOut.model_validate(ranked.json()).items
    assert len(items) > 50
    for item in items:
        odds = math.log(item.p_complete / (1 - item.p_complete))
        assert sum(item.parts.model_dump().values()) == pytest.approx(odds, abs=1e-6)
    assert [i.score for i in items] == sorted((i.score for i in items), reverse=True)


def test_rank_without_a_body_scores_everything_and_with_ids_just_those(client: TestClient) -> None:
    everything = client.post(f"/v1/users/{PERSON}/rank").json()["items"]
    some = [item["action_id"] for item in everything[3:6]]
    asked = client.post(
        f"/v1/users/{PERSON}/rank", json={"action_ids": some, "objective": "completion"}
    ).json()["items"]
    assert sorted(item["action_id"] for item in asked) == sorted(some)
    assert all(item["score"] == item["p_complete"] for item in asked)
    unknown = client.post(f"/v1/users/{PERSON}/rank", json={"action_ids": ["no-such-thing"]})
    assert unknown.status_code == 404


def test_an_event_posted_now_changes_the_next_answer(client: TestClient) -> None:
    first = shown(client)[0]
    event = {
        "event_id": "e-now",
        "user_id": PERSON,
        "action_id": first,
        "type": "dismiss",
        "occurred_at": datetime.now(UTC).isoformat(),
    }
    assert client.post("/v1/events", json=event).json() == {
        "accepted": 1, "duplicates": 0, "corrected": 0, "rejected": [],
    }  # fmt: skip
    assert first not in shown(client)


def test_a_reading_posted_now_withholds_alerts_and_is_logged(
    client: TestClient, trained_url: str
) -> None:
    before = {
        item["action_id"]: item["verdict"]
        for item in client.post(f"/v1/users/{PERSON}/rank").json()["items"]
    }
    observe(client, "systolic_bp", 195)
    observe(client, "diastolic_bp", 125)
    ranked = client.post(f"/v1/users/{PERSON}/rank").json()["items"]
    withheld = {item["action_id"] for item in ranked if item["verdict"] == "withhold"}
    assert withheld - {name for name, verdict in before.items() if verdict == "withhold"}
    assert all(item["rule_id"] for item in ranked if item["verdict"] == "withhold")
    answer = client.get(ANSWER).json()
    assert any(alert["severity"] == "critical" for alert in answer["alerts"])
    assert answer["withheld"] == len(withheld)
    engine = connect(trained_url)
    with reading(engine) as connection:
        query = (
            "SELECT DISTINCT action_id FROM verdicts WHERE verdict = 'withhold' "
            f"AND request_id = '{answer['request_id']}'"
        )
        assert {row[0] for row in run_query(connection, query)[1]} == withheld
    engine.dispose()


@pytest.mark.parametrize("objective", ["benefit", "completion"])
def test_a_withheld_action_comes_through_no_parameter(client: TestClient, objective: str) -> None:
    observe(client, "systolic_bp", 195)
    for audience in ("user", "clinician"):
        ranked = client.post(f"/v1/users/{PERSON}/rank", json={"audience": audience}).json()
        withheld = {i["action_id"] for i in ranked["items"] if i["verdict"] == "withhold"}
        domains = {i["domain"] for i in ranked["items"]}
        assert withheld
        for domain in ("", *domains):
            for extra in ({}, {"as_of": "2020-01-01T00:00:00Z"}, {"exclude_withheld": "false"}):
                options = {"audience": audience, "objective": objective, "domain": domain, **extra}
                assert not withheld & set(shown(client, **options))


def test_an_unknown_person_gets_what_is_safe_for_anyone(client: TestClient) -> None:
    answer = client.get("/v1/users/never seen, ü/recommendations?limit=1000").json()
    assert (answer["cold_start"], answer["user_id"]) == (True, "never seen, ü")
    assert answer["items"]
    assert answer["withheld"]
    page = client.get("/v1/actions?limit=1000").json()["items"]
    tags = {action["action_id"]: set(action["tags"]) for action in page}
    risky = {"vigorous_exercise", "moderate_exercise", "fasting", "heat", "strength"}
    assert not any(tags[item["action_id"]] & risky for item in answer["items"])


def test_limit_domain_and_count(client: TestClient) -> None:
    everything = shown(client)
    assert shown(client, limit=3) == everything[:3]
    of_sleep = client.get(ANSWER, params={"domain": "sleep", "limit": 1000}).json()["items"]
    assert of_sleep
    assert {item["domain"] for item in of_sleep} == {"sleep"}
    assert shown(client, domain="no such domain") == []


def test_a_new_action_is_answered_at_once(trained_url: str) -> None:
    action = {
        "action_id": "hum-a-tune",
        "title": "Hum a tune",
        "domain": "brand new",
        "evidence": [{"source": "A trial", "grade": "trial"}],
    }
    # Looks for changes once a minute: what this process took in itself must not wait for that.
    app = create_app(Settings(database_url=trained_url, poll_seconds=60))
    with TestClient(app) as client:
        assert shown(client, domain="brand new") == []
        assert client.post("/v1/actions", json=action).json()["accepted"] == 1
        assert shown(client, domain="brand new") == ["hum-a-tune"]


def test_a_corrected_new_action_scores_like_a_new_one_of_that_description(
    client: TestClient,
) -> None:
    def post(action_id: str, **described: object) -> None:
        action = {"action_id": action_id, "title": "Hum", "domain": "social", **described}
        assert client.post("/v1/actions", json=action).status_code == 200

    def p_complete() -> dict[str, float]:
        asked = {"action_ids": ["hum", "hum-too"]}
        items = client.post(f"/v1/users/{PERSON}/rank", json=asked).json()["items"]
        return {item["action_id"]: item["p_complete"] for item in items}

    later = {"domain": "sleep", "effort": 5, "targets": ["sleep_duration"]}
    post("hum", effort=1)
    post("hum-too", effort=1)
    first = p_complete()
    post("hum", **later)
    second = p_complete()
    post("hum-too", **later)
    third = p_complete()
    assert first["hum-too"] == pytest.approx(first["hum"], abs=1e-9)
    assert second["hum-too"] == pytest.approx(first["hum"], abs=1e-9)
    assert second["hum"] != pytest.approx(first["hum"], abs=1e-6)
    assert third["hum-too"] == pytest.approx(second["hum"], abs=1e-9)


def test_http_and_sql_agree(client: TestClient, trained_url: str) -> None:
    engine = connect(trained_url)
    query = (
        "SELECT c.action_id, c.p_complete, c.score, c.base_part, c.profile_part, "
        "c.biometrics_part, c.behaviour_part, c.factor_part "
        f"FROM current_scores c WHERE c.user_id = '{PERSON}'"
    )
    with reading(engine) as connection:
        rows = run_query(connection, query)[1]
    engine.dispose()
    as_of = client.get("/v1/runs").json()["items"][0]["as_of"]
    ranked = client.post(f"/v1/users/{PERSON}/rank", json={"as_of": as_of}).json()["items"]
    live = {item["action_id"]: item for item in ranked}
    assert len(rows) > 10
    for action_id, p_complete, score, *parts in rows:
        item = live[action_id]
        assert item["p_complete"] == pytest.approx(p_complete, abs=1e-6)
        assert item["score"] == pytest.approx(score, abs=1e-6)
        assert list(item["parts"].values()) == pytest.approx(parts, abs=1e-6)


def test_what_was_shown_can_be_read_in_sql(trained_sqlite_url: str) -> None:
    app = create_app(Settings(database_url=trained_sqlite_url))
    with TestClient(app) as client:
        answer = client.get(ANSWER, params={"limit": 4}).json()
    with sqlite3.connect(trained_sqlite_url.removeprefix("sqlite:///")) as connection:
        rows = connection.execute(
            "SELECT rank, action_id, p_complete FROM served_recommendations "
            "WHERE request_id = ? ORDER BY rank",
            (answer["request_id"],),
        ).fetchall()
    assert [(i["rank"], i["action_id"], i["p_complete"]) for i in answer["items"]] == rows
