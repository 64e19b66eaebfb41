"""What whoever watches over a server sees: figures, log, readiness. Nothing of it names people."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from asgi import TestClient, ask

from api.app import create_app
from recommender.errors import StoreError
from recommender.logs import ConsoleFormatter, JsonFormatter, configuration
from recommender.settings import Settings
from recommender.store.engine import Engine, connect, reading, writing

PERSON = "u0000001"
SECRET = "hidden-word"
LIST = f"/v1/users/{PERSON}/recommendations"


@pytest.fixture
def client(trained_url: str) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(database_url=trained_url))) as client:
        yield client


@pytest.fixture
def near(client: TestClient) -> TestClient:
    """The same server asked from its own machine."""
    return TestClient(client.app, client=("127.0.0.1", 50000))


def figures(client: TestClient) -> dict[str, float]:
    lines = client.get("/metrics").text.splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def logged(client: TestClient, statement: str) -> list[Any]:
    engine: Engine = client.app.state.recommender.engine  # type: ignore[attr-defined]
    with reading(engine) as connection:
        return list(connection.exec_driver_sql(statement))


def test_lists_are_counted_by_run_rule_and_alert_as_the_log_has_them(near: TestClient) -> None:
    people = [f"u{number:07}" for number in range(1, 21)]
    runs = {near.get(f"/v1/users/{who}/recommendations").json()["run_id"] for who in people}
    (run_id,) = runs
    found = figures(near)
    mark = f'run_id="{run_id}"'
    answers = sum(v for n, v in found.items() if n.startswith("recommender_answers_total{"))
    assert answers == len(people)
    items = logged(near, "SELECT count(*) FROM recommendations")[0][0]
    assert found[f"recommender_items_total{{{mark}}}"] == items
    shown_any = logged(near, "SELECT count(*) FROM recommendations WHERE rank = 1")[0][0]
    assert found[f"recommender_top_score_count{{{mark}}}"] == shown_any
    verdicts = logged(
        near, "SELECT verdict, rule_id, count(*) FROM verdicts GROUP BY verdict, rule_id"
    )
    assert verdicts
    for verdict, rule_id, many in verdicts:
        name = f'recommender_verdicts_total{{rule_id="{rule_id}",verdict="{verdict}"}}'
        assert found[name] == many
    alerts = [one for (text,) in logged(near, "SELECT alerts FROM requests") for one in _list(text)]
    assert alerts
    sent = {name: v for name, v in found.items() if name.startswith("recommender_alerts_total{")}
    assert sum(sent.values()) == len(alerts)


def _list(value: Any) -> list[Any]:
    return json.loads(value) if isinstance(value, str) else value


def test_the_published_run_is_described(near: TestClient) -> None:
    found = figures(near)
    assert found["recommender_database_up"] == 1
    assert found["recommender_http_requests_in_flight"] == 1  # the one that asks
    assert 0 < found["recommender_published_run_age_seconds"] < 86_400
    assert any(name.startswith("recommender_run_feed_ratio{feed=") for name in found)
    assert any(name.startswith('recommender_run_figure{name="log_loss') for name in found)
    assert all(
        found[f'recommender_run_stage_seconds{{stage="{stage}"}}'] > 0
        for stage in ("read", "fit", "score", "publish")
    )
    build = next(name for name in found if name.startswith("recommender_build_info{"))
    assert "sha256:" in build


def test_drift_is_told_by_feature_and_never_by_peoples_values(near: TestClient) -> None:
    run_id = near.get("/v1/runs").json()["items"][0]["run_id"]
    rows = [("profile:city=Springfield", 0.4), ("profile:city=Shelbyville", 0.1), ("bmi:level", 2)]
    engine: Engine = near.app.state.recommender.engine  # type: ignore[attr-defined]
    with writing(engine) as connection:
        connection.exec_driver_sql("DELETE FROM run_metrics WHERE name = 'drift_psi'")
        for segment, value in rows:
            connection.exec_driver_sql(
                "INSERT INTO run_metrics (run_id, name, segment, value) "
                f"VALUES ('{run_id}', 'drift_psi', '{segment}', {value})"
            )
    found = figures(near)
    assert found['recommender_run_feature_drift_psi{feature="profile:city"}'] == 0.4
    assert found['recommender_run_feature_drift_psi{feature="bmi:level"}'] == 2
    assert not any("Springfield" in name for name in found)


def test_figures_are_given_and_age_goes_on_while_the_database_fails(
    near: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = figures(near)["recommender_published_run_age_seconds"]

    def fail(*_: Any) -> None:
        raise StoreError(f"the row of {PERSON} can't be read")

    monkeypatch.setattr("api.present.reading", fail)
    monkeypatch.setattr("api.app.answer_each", fail)
    assert near.get(LIST).status_code == 503
    found = figures(near)
    assert found["recommender_database_up"] == 0
    assert found["recommender_published_run_age_seconds"] >= before
    assert found['recommender_database_errors_total{type="store-unavailable"}'] == 1


def test_labels_are_bounded(near: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="recommender")
    for number in range(5):
        near.get(f"/v1/users/{SECRET}{number}/recommendations?domain={SECRET}")
        near.get(f"/{SECRET}{number}")
        near.request(f"{SECRET}{number}".upper(), "/status/live")
        near.post("/v1/events", json={"event_id": SECRET, "type": SECRET, "user_id": PERSON})
    text = near.get("/metrics").text
    assert SECRET not in text.lower()
    assert PERSON not in text
    own = "\n".join(one.getMessage() for one in caplog.records if one.name.startswith("recomm"))
    assert own.count("/status/live") == 5
    assert SECRET not in own.lower()
    assert PERSON not in own


def test_runs_beyond_a_year_share_a_label(
    near: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.telemetry._MOST_RUNS", 0)
    near.get(LIST)
    assert figures(near)['recommender_items_total{run_id="other"}'] == 10


@contextmanager
def written(formatter: logging.Formatter) -> Iterator[list[str]]:
    """What the log of a server writes, piece by piece."""
    pieces: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            pieces.append(self.format(record))

    handler, log = Kept(), logging.getLogger("recommender")
    handler.setFormatter(formatter)
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield pieces
    finally:
        log.removeHandler(handler)
        log.setLevel(logging.NOTSET)


def test_every_line_of_the_log_is_json_with_the_requests_number(near: TestClient) -> None:
    with written(JsonFormatter()) as lines:
        number = near.get(LIST).headers["x-request-id"]
    (entry,) = [json.loads(line) for line in lines]
    assert entry["request_id"] == number
    assert (entry["level"], entry["logger"]) == ("info", "recommender.http")
    assert (entry["method"], entry["route"]) == ("GET", "/v1/users/{user_id}/recommendations")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", entry["at"])


@pytest.mark.parametrize("formatter", [JsonFormatter(), ConsoleFormatter()])
def test_who_is_answered_together_has_a_line_each(
    trained_url: str, formatter: logging.Formatter
) -> None:
    async def many(client: httpx.AsyncClient) -> set[str]:
        paths = [f"/v1/users/u{number:07}/recommendations" for number in range(1, 9)]
        answers = await asyncio.gather(*map(client.get, [*paths, "/status/live"]))
        return {answer.headers["x-request-id"] for answer in answers}

    with written(formatter) as pieces:
        numbers = ask(create_app(Settings(database_url=trained_url)), many)
    lines = "\n".join(pieces).splitlines()
    assert len(lines) == len(numbers) == 9 > len(pieces)
    found = [re.findall(r"request_id\W+([0-9a-f]{16})\b", line) for line in lines]
    assert sorted(found) == [[number] for number in sorted(numbers)]
    assert sum("/v1/users/{user_id}/recommendations" in line for line in lines) == 8


@pytest.mark.parametrize("formatter", [JsonFormatter(), ConsoleFormatter()])
def test_an_exceptions_text_is_never_written(formatter: logging.Formatter) -> None:
    try:
        raise ValueError(SECRET)
    except ValueError as error:
        told = (type(error), error, error.__traceback__)
        record = logging.LogRecord("lib", logging.ERROR, __file__, 1, "it broke\nat", (), told)
    line = formatter.format(record)
    assert SECRET not in line
    assert "ValueError" in line
    assert "\n" not in line


def test_the_level_is_ours_alone() -> None:
    chosen = configuration(Settings(log_level="debug"))
    assert chosen["root"]["level"] == "WARNING"
    assert chosen["loggers"]["recommender"]["level"] == "DEBUG"
    assert chosen["loggers"]["uvicorn.access"] == {
        "level": "CRITICAL",
        "handlers": [],
        "propagate": False,
    }


def ready(client: TestClient) -> tuple[int, dict[str, Any], dict[str, dict[str, str]]]:
    answer = client.get("/status/ready")
    body = answer.json()
    return answer.status_code, body, {check["name"]: check for check in body["checks"]}


def execute(url: str, *statements: str) -> None:
    engine = connect(url)
    with writing(engine) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def test_ready_tells_what_it_looked_at(near: TestClient) -> None:
    status, body, checks = ready(near)
    assert status == 200
    assert body["run_id"] in checks["published run"]["found"]
    assert list(checks) == ["database", "migrations", "published run", "catalogue"]
    assert {check["status"] for check in checks.values()} == {"ok"}


def test_an_older_schema_is_not_ready_and_says_upgrade(near: TestClient, trained_url: str) -> None:
    execute(trained_url, "UPDATE alembic_version SET version_num = '0006'")
    status, body, checks = ready(near)
    assert status == 503
    assert body["type"] == "urn:recommender:problem:not-migrated"
    assert checks["migrations"]["status"] == "fail"
    assert checks["migrations"]["fix"] == "recommender upgrade"
    assert "recommender upgrade" in body["detail"]


def test_a_newer_schema_is_ready_with_a_warning(near: TestClient, trained_url: str) -> None:
    execute(trained_url, "UPDATE alembic_version SET version_num = '9999'")
    status, _, checks = ready(near)
    assert status == 200
    assert checks["migrations"]["status"] == "warn"
    assert "9999" in checks["migrations"]["found"]


def test_an_empty_catalogue_is_not_ready(near: TestClient, trained_url: str) -> None:
    execute(trained_url, "UPDATE actions SET retired_at = updated_at")
    status, body, checks = ready(near)
    assert status == 503
    assert body["type"] == "urn:recommender:problem:data-unusable"
    assert checks["catalogue"]["fix"] == "recommender ingest actions PATH"


def test_an_old_run_is_ready_with_a_warning(near: TestClient, trained_url: str) -> None:
    sqlite = trained_url.startswith("sqlite")
    past = "'2020' || substr(as_of, 5)" if sqlite else "as_of - interval '9 days'"
    execute(trained_url, f"UPDATE runs SET as_of = {past}")
    near.app.state.recommender.published.look_again()  # type: ignore[attr-defined]
    status, _, checks = ready(near)
    assert status == 200
    assert checks["published run"]["status"] == "warn"


def test_without_a_run_it_says_train(database_url: str) -> None:
    app = create_app(Settings(database_url=database_url))
    with TestClient(app, client=("127.0.0.1", 50000)) as client:
        status, body, checks = ready(client)
    assert status == 503
    assert body["type"] == "urn:recommender:problem:no-published-run"
    assert list(checks) == ["database", "migrations", "published run"]
    assert "recommender train" in checks["published run"]["fix"]


def test_a_database_that_went_away_is_told_without_its_password(
    postgres_empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app(Settings(database_url=postgres_empty_url))

    def gone(*_: Any) -> None:
        raise StoreError("the database postgresql://x:***@y can't be used: refused")

    monkeypatch.setattr("recommender.checks.readiness.schema_state", gone)
    with TestClient(app, client=("127.0.0.1", 50000)) as client:
        status, body, checks = ready(client)
    assert status == 503
    assert body["type"] == "urn:recommender:problem:store-unavailable"
    assert checks["database"]["status"] == "fail"
