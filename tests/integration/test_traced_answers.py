"""Traces of live answers: a span below the request's for each stage, of nobody in particular."""

from __future__ import annotations

import pytest
from asgi import TestClient

from api.app import create_app
from api.tracing import Tracing, tracer_to
from recommender.settings import Settings

pytest.importorskip("opentelemetry.sdk")
PERSON = "u0000002"
STAGES = ["records", "assess", "list", "log"]


@pytest.mark.parametrize("query", ["", "?limit=5&limit=3"], ids=["shortcut", "route"])
def test_the_stages_of_an_answer_are_below_its_request(trained_sqlite_url: str, query: str) -> None:
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    app = create_app(Settings(database_url=trained_sqlite_url))
    app.add_middleware(Tracing, tracer=tracer_to(SimpleSpanProcessor(exporter), {}))
    with TestClient(app) as client:
        assert client.get(f"/v1/users/{PERSON}/recommendations{query}").status_code == 200
    *stages, request = exporter.get_finished_spans()
    assert [span.name for span in stages] == STAGES
    assert request.name == "GET /v1/users/{user_id}/recommendations"
    began = request.start_time
    for span in stages:
        assert span.parent is not None
        assert span.parent.span_id == request.context.span_id
        assert span.context.trace_id == request.context.trace_id
        assert not span.attributes
        assert PERSON not in span.to_json()
        assert began <= span.start_time < span.end_time <= request.end_time
        began = span.end_time
