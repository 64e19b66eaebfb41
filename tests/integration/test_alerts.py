"""Alerts on every answer path: kept once, acknowledged, a crisis first and with contacts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgi import TestClient
from click.testing import CliRunner

from api.app import create_app
from recommender.cli import main
from recommender.settings import Settings
from recommender.store.engine import connect, reading
from recommender.store.queries import run_query

PERSON = "u0000001"
ALERTS = f"/v1/users/{PERSON}/alerts"


def opened(url: str, **chosen: Any) -> TestClient:
    app = create_app(Settings(database_url=url, **chosen), trust_seconds=0)
    return TestClient(app, client=("127.0.0.1", 1))


@pytest.fixture
def client(trained_url: str) -> Iterator[TestClient]:
    with opened(trained_url) as found:
        yield found


def observe(client: TestClient, metric: str, value: float, minutes: float = 1) -> str:
    name = f"{PERSON}-{metric}-{value}-{minutes}"
    record = {
        "observation_id": name,
        "user_id": PERSON,
        "metric": metric,
        "value": value,
        "observed_at": (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat(),
    }
    assert client.post("/v1/observations", json=record).json()["accepted"] == 1
    return name


def delivered(client: TestClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"/v1/users/{PERSON}/recommendations").json()["alerts"]
    return found


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    engine = connect(url)
    with reading(engine) as connection:
        found = [tuple(row) for row in run_query(connection, query)[1]]
    engine.dispose()
    return found


def test_one_alert_for_one_reading_however_often_it_is_sent(
    client: TestClient, trained_url: str
) -> None:
    observation = observe(client, "systolic_bp", 195)
    crisis = [
        next(each for each in found if each["rule_id"] == "pressure_crisis")
        for found in (
            delivered(client),
            delivered(client),
            client.post(f"/v1/users/{PERSON}/rank").json()["alerts"],
            client.get(ALERTS).json()["items"],
        )
    ]
    assert len({each["alert_id"] for each in crisis}) == 1
    assert (crisis[-1]["observation_id"], crisis[-1]["holds"]) == (observation, True)
    assert crisis[-1]["first_raised_at"] < crisis[-1]["last_raised_at"]
    query = "SELECT observation_id, severity FROM alerts WHERE rule_id = 'pressure_crisis'"
    assert rows(trained_url, query) == [(observation, "critical")]
    observe(client, "systolic_bp", 199, minutes=0)
    assert len(rows(trained_url, query)) == 1  # nothing is kept before it is delivered
    delivered(client)
    assert len(rows(trained_url, query)) == 2


def test_an_acknowledged_alert_is_marked_and_goes_on_being_sent(
    client: TestClient, trained_url: str
) -> None:
    observe(client, "systolic_bp", 195)
    alert = next(each for each in delivered(client) if each["rule_id"] == "pressure_crisis")
    assert alert["acknowledged_at"] is None
    told = client.post(f"{ALERTS}/{alert['alert_id']}/acknowledge")
    assert told.status_code == 200, told.text
    assert told.json()["acknowledged_at"]
    again = client.post(f"{ALERTS}/{alert['alert_id']}/acknowledge")
    assert again.json() == told.json()  # the first stands
    after = next(each for each in delivered(client) if each["rule_id"] == "pressure_crisis")
    assert after["acknowledged_at"] == told.json()["acknowledged_at"]
    query = "SELECT what FROM access_log WHERE operation = 'update' ORDER BY access_id"
    assert rows(trained_url, query) == [("observations",), ("alerts",), ("alerts",)]


def test_no_one_acknowledges_for_another_person(client: TestClient) -> None:
    observe(client, "systolic_bp", 195)
    alert = delivered(client)[0]["alert_id"]
    for path in (f"/v1/users/u0000002/alerts/{alert}", f"{ALERTS}/no-such-alert"):
        assert client.post(f"{path}/acknowledge").status_code == 404


def test_a_past_alert_stays_on_the_list_and_holds_no_longer(client: TestClient) -> None:
    observe(client, "systolic_bp", 195, minutes=60)
    assert delivered(client)
    observe(client, "systolic_bp", 121)
    assert "pressure_crisis" not in {each["rule_id"] for each in delivered(client)}
    past = [each for each in client.get(ALERTS).json()["items"] if not each["holds"]]
    assert [each["rule_id"] for each in past] == ["pressure_crisis"]
    assert past[0]["text"]


def test_a_crisis_comes_first_with_contacts_for_either_audience(trained_sqlite_url: str) -> None:
    with opened(trained_sqlite_url, country="GB") as client:
        observe(client, "systolic_bp", 195)
        observe(client, "phq9_item9", 1)
        for audience in ("user", "clinician"):
            path = f"/v1/users/{PERSON}/recommendations?audience={audience}&limit=1"
            found = client.get(path).json()["alerts"]
            assert [each["rule_id"] for each in found][:2] == [
                "self_harm_answer",
                "pressure_crisis",
            ]
            assert "Samaritans: 116 123. In an emergency: 999." in found[0]["text"]
            assert found[0]["contacts"][0]["phone"] == "116 123"
            assert found[1]["contacts"] == []
        client.patch(f"/v1/users/{PERSON}", json={"attributes": {"country": "us"}})
        assert "988" in delivered(client)[0]["text"]
        assert "988" in client.get(ALERTS).json()["items"][0]["text"]
    with opened(trained_sqlite_url) as client:
        client.patch(f"/v1/users/{PERSON}", json={"attributes": {"country": None}})
        first = delivered(client)[0]
        assert "findahelpline.com" in first["text"]
        assert first["contacts"][0]["country"] == ""


def test_the_command_line_tells_the_same_and_a_look_back_raises_nothing(
    trained_sqlite_url: str,
) -> None:
    with opened(trained_sqlite_url) as client:
        observe(client, "systolic_bp", 195)
    tail = ["--json", "--database-url", trained_sqlite_url]
    now = datetime.now(UTC).isoformat()
    look_back = CliRunner().invoke(main, ["recommend", PERSON, "--as-of", now, *tail])
    assert "pressure_crisis" in {each["rule_id"] for each in json.loads(look_back.stdout)["alerts"]}
    assert rows(trained_sqlite_url, "SELECT 1 FROM alerts") == []
    today = json.loads(CliRunner().invoke(main, ["recommend", PERSON, *tail]).stdout)["alerts"]
    with opened(trained_sqlite_url) as client:
        assert delivered(client) == today


def test_alerts_need_no_trained_run(sqlite_url: str) -> None:
    with opened(sqlite_url) as client:
        observe(client, "oxygen_saturation", 88)
        items = client.get(ALERTS).json()["items"]
        assert [each["rule_id"] for each in items] == ["oxygen_very_low"]
        assert client.get("/v1/users/nobody/alerts").json()["items"] == []


def test_alerts_are_exported_and_erased(client: TestClient, trained_url: str) -> None:
    observe(client, "systolic_bp", 195)
    assert delivered(client)
    held = client.get(f"/v1/users/{PERSON}/export").json()
    assert [row["rule_id"] for row in held["alerts"]]
    assert client.delete(f"/v1/users/{PERSON}").json()["deleted"]["alerts"]
    assert rows(trained_url, f"SELECT 1 FROM alerts WHERE user_id = '{PERSON}'") == []
