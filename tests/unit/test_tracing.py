"""Traces: one span a request, asked for by ``OTEL_*`` alone, with nothing of a person in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from asgi import TestClient
from fastapi import FastAPI

from api.app import create_app
from api.tracing import Tracing, tracer_of_environment, tracer_to
from recommender.settings import Settings

pytest.importorskip("opentelemetry.sdk")
SECRET = "hidden-word"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def exporter() -> Any:
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    return InMemorySpanExporter()


@pytest.fixture
def client(exporter: Any, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    app: FastAPI = create_app(Settings(database_url=sqlite_url))
    app.add_middleware(Tracing, tracer=tracer_to(SimpleSpanProcessor(exporter), {}))
    with TestClient(app) as client:
        yield client


def test_a_span_holds_nothing_that_was_sent(client: TestClient, exporter: Any) -> None:
    headers = {
        "traceparent": f"00-{TRACE}-{PARENT}-01",
        "tracestate": f"vendor={SECRET}",
        "baggage": f"user={SECRET}",
        "user-agent": SECRET,
        "authorization": f"Bearer {SECRET}",
        "x-request-id": SECRET,
    }
    client.get(f"/v1/users/{SECRET}/recommendations?domain={SECRET}", headers=headers)
    client.get(f"/{SECRET}", headers=headers)
    client.post("/v1/users", json={"user_id": SECRET, "sex": SECRET}, headers=headers)
    client.patch(f"/v1/users/{SECRET}", json={SECRET: SECRET}, headers=headers)
    client.delete(f"/v1/users/{SECRET}", headers=headers)
    client.request(SECRET.upper(), "/v1/actions", headers=headers)
    spans = exporter.get_finished_spans()
    assert len(spans) == 6
    assert SECRET not in "\n".join(span.to_json() for span in spans).lower()
    assert [span.name for span in spans] == [
        "GET /v1/users/{user_id}/recommendations",
        "GET unmatched",
        "POST /v1/users",
        "PATCH /v1/users/{user_id}",
        "DELETE /v1/users/{user_id}",
        "other /v1/actions",
    ]
    assert {f"{span.context.trace_id:032x}" for span in spans} == {TRACE}
    assert {f"{span.parent.span_id:016x}" for span in spans} == {PARENT}


def test_a_span_says_how_it_ended(
    client: TestClient, exporter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*_: Any) -> None:
        raise ValueError(SECRET)

    client.get("/v1/actions")
    monkeypatch.setattr("api.routes.actions.action_page", explode)
    client.get("/v1/actions")
    fine, broken = exporter.get_finished_spans()
    assert fine.attributes["http.response.status_code"] == 200
    assert broken.attributes["http.response.status_code"] == 500
    assert broken.status.status_code.name == "ERROR"
    assert not broken.events
    assert SECRET not in broken.to_json()


def test_whoever_watches_is_not_traced(client: TestClient, exporter: Any) -> None:
    client.get("/status/live")
    client.get("/metrics")
    assert exporter.get_finished_spans() == ()


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_SERVICE_NAME": "x"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_nothing_is_traced_unless_asked_for(environ: dict[str, str]) -> None:
    assert tracer_of_environment(environ) is None


def test_the_service_is_named(exporter: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    def name(environ: dict[str, str]) -> Any:
        for key, value in environ.items():
            monkeypatch.setenv(key, value)
        tracer = tracer_to(SimpleSpanProcessor(exporter), environ)
        return tracer.start_span("x").resource.attributes["service.name"]

    assert name({}) == "recommender"
    assert name({"OTEL_SERVICE_NAME": "other"}) == "other"


def test_an_endpoint_without_the_extra_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("api.tracing.find_spec", lambda _: None)
    assert tracer_of_environment({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}) is None
    assert "recommender[otel]" in caplog.text


def test_the_frameworks_own_spans_which_hold_paths_are_off(
    exporter: Any, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    with TestClient(create_app(Settings(database_url=sqlite_url))) as client:
        assert client.get(f"/v1/users/{SECRET}/export").status_code == 404
    assert exporter.get_finished_spans() == ()
