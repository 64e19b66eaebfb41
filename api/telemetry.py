"""Figures for Prometheus; labels hold route templates and kinds, never anything of a person."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_METHODS = frozenset({"GET", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS", "PUT"})
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Set (by ``serve``) where several workers add their figures up."""


def known_method(method: str) -> str:
    """The method, or ``other``: a client may send any word."""
    return method if method in _METHODS else "other"


class Telemetry:
    """What one process counts; ``render`` adds up all workers where there are several.

    Parameters
    ----------
    run_age
        Seconds since the published run's ``as_of``, or None if nothing is published.
    """

    def __init__(self, run_age: Callable[[], float | None]) -> None:
        self._registry = CollectorRegistry()
        self._run_age = run_age
        self._seconds = Histogram(
            "recommender_http_request_seconds",
            "Time from the request's first byte read to its answer sent, seconds.",
            ("method", "route", "status"),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._records = Counter(
            "recommender_records",
            "Records received, by kind and by what became of them.",
            ("kind", "outcome"),
            registry=self._registry,
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        self._seconds.labels(known_method(method), route, str(status)).observe(seconds)

    def took(self, kind: str, outcomes: Mapping[str, int]) -> None:
        """Count what became of the records of one request."""
        for outcome, records in outcomes.items():
            self._records.labels(kind, outcome).inc(records)

    def render(self) -> bytes:
        """Every figure in the text format of Prometheus."""
        registry = self._registry
        if os.environ.get(SHARED_FOLDER):
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        present = CollectorRegistry()
        present.register(_RunAge(self._run_age()))
        return generate_latest(registry) + generate_latest(present)


class _RunAge(Collector):
    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds

    def collect(self) -> Iterator[Metric]:
        gauge = GaugeMetricFamily(
            "recommender_published_run_age_seconds",
            "Age of the published run's records, seconds; absent if nothing is published.",
        )
        if self._seconds is not None:
            gauge.add_metric([], self._seconds)
        yield gauge
