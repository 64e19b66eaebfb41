"""Traces for OpenTelemetry, for who installed the extra ``otel`` and set where they go.

One span a request, and below it one for each stage of a live answer, with nothing in them but what
is listed here: the instrumentations of web frameworks record paths, query strings, addresses and
texts of exceptions, which name people.
So does what a caller may put into ``tracestate`` or ``baggage``: only ``traceparent`` is read.
Where spans go, how many are kept and how a service is called is set by the standard ``OTEL_*``
variables (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextvars import ContextVar
from functools import partial
from importlib.util import find_spec
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recommender.logs import CONTEXT
from recommender.stopwatch import Watch

from .telemetry import shown_method

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""Traces are written if one of them is set."""
WATCH: ContextVar[Watch | None] = ContextVar("watch", default=None)
"""Takes down the stages of the request under way; None where it is not traced."""
_LOG = logging.getLogger("recommender.tracing")
_UNTRACED = ("/status/", "/metrics")


def tracer_of_environment(environ: Mapping[str, str]) -> Any | None:
    """A tracer that sends spans as ``OTEL_*`` says; None if nothing asks for it."""
    off = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if off or environ.get("OTEL_TRACES_EXPORTER", "otlp").strip() != "otlp":
        return None
    if not any(environ.get(name) for name in ENDPOINTS):
        return None
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.exporter") is None:
        _LOG.warning("OTEL_* asks for traces, which need `pip install 'recommender[otel]'`")
        return None
    # Not before it is asked for: most servers have no use for it, or don't have it at all.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    return tracer_to(BatchSpanProcessor(OTLPSpanExporter()), environ)


def tracer_to(processor: Any, environ: Mapping[str, str]) -> Any:
    """A tracer whose spans go to a processor, which is flushed when the process ends."""
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider

    named = "OTEL_SERVICE_NAME" in environ or "service.name" in environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    resource = Resource.create({} if named else {SERVICE_NAME: "recommender"})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(processor)
    return provider.get_tracer("recommender")


class Tracing:
    """ASGI middleware round everything else: one span a request, named by its route's template."""

    def __init__(self, app: ASGIApp, tracer: Any) -> None:
        from opentelemetry import trace
        from opentelemetry.context import Context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._app = app
        self._tracer = tracer
        self._trace = trace
        self._nothing = Context()
        self._propagator = TraceContextTextMapPropagator()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"].startswith(_UNTRACED):
            await self._app(scope, receive, send)
            return
        status = 499  # the client went away before it was answered

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        span = self._tracer.start_span(
            "request", context=self._caller(scope), kind=self._trace.SpanKind.SERVER
        )
        CONTEXT.set({"trace_id": f"{span.get_span_context().trace_id:032x}"})
        WATCH.set(partial(self._stage, span))
        try:
            await self._app(scope, receive, sent)
        finally:
            self._finish(span, scope, status)

    def _stage(self, request: Any, stage: str, began: int, ended: int) -> None:
        """Take down a stage; the same for everybody who is answered in one go."""
        below = self._trace.set_span_in_context(request, self._nothing)
        self._tracer.start_span(stage, context=below, start_time=began).end(ended)

    def _caller(self, scope: Scope) -> Any:
        parent = Headers(scope=scope).get("traceparent")
        carrier = {"traceparent": parent} if parent else {}
        return self._propagator.extract(carrier, context=self._nothing)

    def _finish(self, span: Any, scope: Scope, status: int) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        method = shown_method(scope["method"])
        span.update_name(f"{method} {route}")
        span.set_attributes(
            {
                "http.request.method": method,
                "http.route": route,
                "http.response.status_code": status,
            }
        )
        if status >= 500:
            span.set_status(self._trace.StatusCode.ERROR)
        span.end()
