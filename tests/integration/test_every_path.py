"""No path shows a withheld action as recommended; a new path has to be told of here first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import click
import pytest
from asgi import TestClient
from click.testing import CliRunner
from trained import SETTINGS

from api.app import create_app
from recommender.cli import main
from recommender.domain import VERDICT_CODES, Audience, Catalogue
from recommender.guardrails.check import Guard
from recommender.knowledge import load_knowledge
from recommender.settings import Settings
from recommender.store.direct import direct
from recommender.store.engine import connect, reading
from recommender.store.queries import run_query
from recommender.store.read import load_catalogue, load_user_record
from recommender.store.views import VIEWS
from recommender.train import train_and_publish

USER = "/v1/users/{user_id}"
HTTP = {
    f"GET {USER}/recommendations": "walked",
    f"POST {USER}/rank": "walked",
    f"GET {USER}/alerts": "holds no actions",
    f"POST {USER}/alerts/{{alert_id}}/acknowledge": "holds no actions",
    f"GET {USER}/export": "walked",
    f"GET {USER}": "a profile",
    f"PATCH {USER}": "a profile",
    f"DELETE {USER}": "a receipt",
    "POST /v1/events": "records in",
    "POST /v1/observations": "records in",
    "POST /v1/users": "records in",
    "POST /v1/actions": "records in",
    "GET /v1/actions": "the catalogue, nobody's list",
    "GET /v1/actions/{action_id}/versions": "the catalogue, nobody's list",
    "DELETE /v1/actions/{action_id}": "the catalogue, nobody's list",
    "GET /v1/runs": "trainings",
    "GET /v1/runs/{run_id}": "trainings",
    "GET /v1/runs/{run_id}/card": "trainings",
    "POST /v1/runs/rollback": "trainings",
    "POST /v1/runs/{run_id}/publish": "trainings",
    "GET /status/live": "status",
    "GET /status/ready": "status",
    "GET /metrics": "status",
}
PARAMETERS = {"limit", "domain", "audience", "objective", "user_id", "X-Purpose"}
RANK_FIELDS = {"action_ids", "objective", "audience", "as_of"}
COMMANDS = {
    "recommend": "walked",
    "rules explain": "walked",
    "user export": "the same as over HTTP",
    "demo": "recommend, three times",
    **dict.fromkeys(("ingest users", "ingest actions", "ingest events"), "records in"),
    **dict.fromkeys(("ingest observations", "retry-rejected"), "records in"),
    **dict.fromkeys(("runs list", "runs show", "runs card", "runs report"), "trainings"),
    **dict.fromkeys(("user erased", "purge", "backup"), "no list"),
    **dict.fromkeys(("user receipts", "user erase-again"), "no list"),
    **dict.fromkeys(("runs publish", "runs rollback"), "trainings"),
    **dict.fromkeys(("catalogue check", "catalogue diff"), "a file"),
    **dict.fromkeys(("catalogue list", "catalogue show"), "the catalogue, nobody's list"),
    **dict.fromkeys(("catalogue history", "catalogue retire"), "the catalogue, nobody's list"),
    **dict.fromkeys(("key create", "key list", "key revoke"), "keys"),
    **dict.fromkeys(("rules check", "rules list"), "rules"),
    **dict.fromkeys(("upgrade", "doctor", "serve", "simulate", "user erase"), "no list"),
    **dict.fromkeys(("train", "schedule", "evaluate"), "figures; its rows are walked in SQL"),
}
SQL = {
    "current_scores": "walked",
    "recommendations": "walked",
    "served_recommendations": "walked",
    "verdicts": "what was decided",
    "withheld_actions": "walked: holds them all",
    "latest_observations": "readings",
    "run_history": "trainings",
}
WELL = {"systolic_bp": 118, "diastolic_bp": 76}
PEOPLE: dict[str, tuple[dict[str, Any], dict[str, float]]] = {
    "pregnant": ({"birth_date": "1995-01-01", "conditions": ["pregnancy"]}, WELL),
    "in crisis": ({"birth_date": "1970-01-01"}, {"systolic_bp": 196, "diastolic_bp": 126}),
    "low sugar": ({"birth_date": "1990-01-01", "conditions": ["insulin_use"]}, {"glucose": 45}),
    "thin": ({"birth_date": "1999-01-01"}, {**WELL, "body_mass_index": 16}),
    "fourteen": ({"birth_date": "2012-01-01"}, WELL),
    "in despair": ({"birth_date": "1985-01-01"}, {"phq9_item9": 2, "phq9": 22}),
    "not measured": ({"birth_date": "1985-01-01", "sex": "male"}, {"step_count": 4000}),
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, trained_sqlite: Any) -> str:
    """A database in which these people have been scored overnight as well."""
    path = tmp_path_factory.mktemp("paths") / "paths.db"
    path.write_bytes(trained_sqlite.read_bytes())
    found = f"sqlite:///{path}"
    with TestClient(create_app(Settings(database_url=found)), client=("127.0.0.1", 1)) as client:
        for name, (profile, readings) in PEOPLE.items():
            assert client.post("/v1/users", json={"user_id": name, **profile}).json()["accepted"]
            at = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
            told = [
                {"observation_id": f"{name} {metric}", "user_id": name, "metric": metric,
                 "value": value, "observed_at": at}
                for metric, value in readings.items()
            ]  # fmt: skip
            assert client.post("/v1/observations", json=told).json()["accepted"] == len(told)
    known, engine = load_knowledge(), connect(found)
    train_and_publish(
        engine, rules=known.rules, metrics=known.metrics, settings=SETTINGS, force=True
    )
    engine.dispose()
    return found


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(database_url=url)), client=("127.0.0.1", 1)) as opened:
        yield opened


@pytest.fixture(scope="module")
def catalogue(url: str) -> Catalogue:
    engine = connect(url)
    with reading(engine) as connection:
        found = load_catalogue(connection)
    engine.dispose()
    return found


def withheld_from(
    url: str, catalogue: Catalogue, person: str, audience: Audience = Audience.USER
) -> set[str]:
    """By the guardrails alone, from the person's record as it is."""
    known, engine, now = load_knowledge(), connect(url), datetime.now(UTC)
    with direct(engine) as store:
        records = load_user_record(store, person, now, catalogue, known.metrics).records
    engine.dispose()
    decisions = Guard(known.rules, catalogue, known.metrics).decide(
        records, now.timestamp(), audience
    )
    held = decisions.verdict[0] == VERDICT_CODES["withhold"]
    found = {name for name, hit in zip(catalogue.ids, held, strict=True) if hit}
    assert found, person
    return found


def select(url: str, query: str) -> list[Any]:
    engine = connect(url)
    with reading(engine) as connection:
        found = run_query(connection, query)[1]
    engine.dispose()
    return list(found)


def leaves(command: click.Command, path: str = "") -> Iterator[str]:
    if not isinstance(command, click.Group):
        yield path.strip()
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        yield from leaves(inner, f"{path} {name}")


def test_every_path_there_is_has_been_thought_of(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    operations = {
        f"{method.upper()} {path}": entry
        for path, methods in document["paths"].items()
        for method, entry in methods.items()
    }
    assert set(operations) == set(HTTP)
    taken = {each["name"] for each in operations[f"GET {USER}/recommendations"]["parameters"]}
    assert taken == PARAMETERS
    assert set(document["components"]["schemas"]["RankIn"]["properties"]) == RANK_FIELDS
    assert set(leaves(main)) == set(COMMANDS)
    assert {view.name for view in VIEWS} == set(SQL)


@pytest.mark.parametrize("person", [*PEOPLE, "never seen"])
def test_http_lists_with_every_parameter(
    client: TestClient, url: str, catalogue: Catalogue, person: str
) -> None:
    for audience in Audience:
        held = withheld_from(url, catalogue, person, audience)
        for objective in ("benefit", "completion"):
            for domain in ("", *sorted({action.domain for action in catalogue.actions})):
                asked = {"limit": 1000, "domain": domain, "objective": objective}
                answer = client.get(
                    f"/v1/users/{person}/recommendations", params={**asked, "audience": audience}
                ).json()
                assert not held & {item["action_id"] for item in answer["items"]}


@pytest.mark.parametrize("person", [*PEOPLE, "never seen"])
def test_rank_names_every_withheld_action_as_withheld(
    client: TestClient, url: str, catalogue: Catalogue, person: str
) -> None:
    for audience in Audience:
        held = withheld_from(url, catalogue, person, audience)
        for objective in ("benefit", "completion"):
            for ids in (None, sorted(held)):
                body = {"action_ids": ids, "objective": objective, "audience": audience}
                items = client.post(f"/v1/users/{person}/rank", json=body).json()["items"]
                marked = {i["action_id"] for i in items if i["verdict"] == "withhold"}
                retired = {action.action_id for action in catalogue.actions if action.retired}
                assert marked == held - (retired if ids is None else set())
                assert all(i["rule_id"] for i in items if i["verdict"] == "withhold")


@pytest.mark.parametrize("person", PEOPLE)
def test_the_command_line(url: str, catalogue: Catalogue, person: str) -> None:
    held = withheld_from(url, catalogue, person)
    tail = ["--json", "--database-url", url]
    answer = CliRunner().invoke(main, ["recommend", person, "--limit", "1000", *tail])
    assert not held & {item["action_id"] for item in json.loads(answer.stdout)["items"]}
    explained = CliRunner().invoke(main, ["rules", "explain", person, *tail])
    actions = json.loads(explained.stdout)["actions"]
    assert {each["action_id"] for each in actions if each["verdict"] == "withhold"} == held - {
        action.action_id for action in catalogue.actions if action.retired
    }


@pytest.mark.parametrize("person", PEOPLE)
def test_sql_and_the_log_of_answers(
    client: TestClient, url: str, catalogue: Catalogue, person: str
) -> None:
    held = withheld_from(url, catalogue, person)
    request = client.get(f"/v1/users/{person}/recommendations?limit=1000").json()["request_id"]
    of_person = f"WHERE user_id = '{person}'"
    of_request = f"{of_person} AND request_id = '{request}'"
    nightly = select(url, f"SELECT action_id FROM current_scores {of_person}")
    assert nightly
    for query in (
        f"SELECT action_id FROM current_scores {of_person}",
        f"SELECT action_id FROM recommendations {of_request}",
        f"SELECT action_id FROM served_recommendations {of_request}",
    ):
        assert not held & {row[0] for row in select(url, query)}, query
    live = {action.action_id for action in catalogue.actions if not action.retired}
    for query in (
        f"SELECT action_id FROM withheld_actions {of_request}",
        f"SELECT action_id FROM withheld_actions {of_person} AND request_id IS NULL",
    ):
        assert live & held <= {row[0] for row in select(url, query)}, query
    (kept,) = (
        row
        for row in client.get(f"/v1/users/{person}/export").json()["requests"]
        if row["request_id"] == request
    )
    assert not held & {item[1] for item in kept["items"]}
    assert kept["rules"] == load_knowledge().rules.label
