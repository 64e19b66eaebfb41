"""Figures for Prometheus; labels hold route templates, rules, runs and kinds, nothing of a person.

Where several workers serve, each counts in a file of its own and whichever is asked adds them up:
counters and histograms over all workers there ever were, so that they never fall back when one is
replaced, and what is in flight over those alive.
"""

from __future__ import annotations

import os
from collections import Counter as Counted
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from recommender.store.write import Logged

_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_SCORES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_METHODS = frozenset({"GET", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS", "PUT"})
_MOST_RUNS = 400
"""Runs that a process tells apart, a year's worth; any later one counts as ``other``."""
_MOST_CHILDREN = 4096
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Set (by ``serve``) where several workers add their figures up."""

Present = Callable[[], Iterable[Metric]]


class Telemetry:
    """What one process counts; ``render`` adds up all workers where there are several.

    Parameters
    ----------
    present
        What is looked up when figures are asked for rather than counted.
    """

    def __init__(self, present: Present) -> None:
        self._registry = registry = CollectorRegistry()
        self._present = present
        self._runs: set[str] = set()
        self._seconds = _histogram(
            registry,
            "http_request_seconds",
            "Time from the request's first byte read to its answer sent, seconds.",
            _BUCKETS,
            "method",
            "route",
            "status",
        )
        self.in_flight = Gauge(
            "recommender_http_requests_in_flight",
            "Requests under way, in the workers that are alive.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._records = _counter(
            registry, "records", "Records received, by kind and outcome.", "kind", "outcome"
        )
        self._answers = _counter(
            registry, "answers", "Lists answered, by run.", "run_id", "cold_start"
        )
        self._items = _counter(registry, "items", "Actions shown, by run.", "run_id")
        self._top_score = _histogram(
            registry,
            "top_score",
            "Score of the first action of each list that is not empty, by run.",
            _SCORES,
            "run_id",
        )
        self._verdicts = _counter(
            registry,
            "verdicts",
            "Actions that a guardrail rule cautioned or withheld in lists.",
            "verdict",
            "rule_id",
        )
        self._alerts = _counter(
            registry, "alerts", "Alerts sent with lists, by rule.", "rule_id", "severity"
        )
        self._database_errors = _counter(
            registry, "database_errors", "Requests the database failed, by problem type.", "type"
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer of any kind; the method is one of ``shown_method``."""
        self._seconds(method, route, str(status)).observe(seconds)

    def recommended(self, answers: Sequence[Logged]) -> None:
        """Count lists: their items, what their guardrails decided, their alerts."""
        lists: Counted[tuple[str, bool]] = Counted()
        verdicts: Counted[tuple[str, str]] = Counted()
        items: Counted[str] = Counted()
        alerts: Counted[tuple[str, str]] = Counted()
        for logged in answers:
            answer = logged.answer
            run_id = self._run(answer.run_id)
            lists[run_id, answer.cold_start] += 1
            items[run_id] += len(logged.items)
            if logged.items:
                _rank, _action_id, score, *_ = logged.items[0]
                self._top_score(run_id).observe(score)
            for decided, many in answer.decided.items():
                verdicts[decided] += many
            for alert in answer.alerts:
                alerts[alert.rule_id, alert.severity] += 1
        for (run_id, cold_start), many in lists.items():
            self._answers(run_id, "true" if cold_start else "false").inc(many)
        for run_id, many in items.items():
            self._items(run_id).inc(many)
        for decided, actions in verdicts.items():
            self._verdicts(*decided).inc(actions)
        for raised, many in alerts.items():
            self._alerts(*raised).inc(many)

    def took(self, kind: str, outcomes: Mapping[str, int]) -> None:
        """Count what became of the records of one request."""
        for outcome, records in outcomes.items():
            self._records(kind, outcome).inc(records)

    def database_failed(self, problem_type: str) -> None:
        """Count a request that the database failed."""
        self._database_errors(problem_type).inc()

    def render(self) -> bytes:
        """Every figure in the text format of Prometheus."""
        registry = self._registry
        folder = os.environ.get(SHARED_FOLDER)
        if folder:
            _forget_the_dead(Path(folder))
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        looked_up = CollectorRegistry()
        looked_up.register(_LookedUp(self._present))
        return generate_latest(registry) + generate_latest(looked_up)

    def _run(self, run_id: str) -> str:
        if run_id in self._runs:
            return run_id
        if len(self._runs) >= _MOST_RUNS:
            return "other"
        self._runs.add(run_id)
        return run_id


class _LookedUp(Collector):
    def __init__(self, present: Present) -> None:
        self._found = tuple(present())

    def collect(self) -> Iterator[Metric]:
        yield from self._found


def shown_method(method: str) -> str:
    """A method as figures, log and traces show it: what a client made up is one word.

    >>> shown_method("GET"), shown_method("MARY-HAS-DIABETES")
    ('GET', 'other')
    """
    return method if method in _METHODS else "other"


# The library looks a child up in microseconds each time; a list has a dozen to count.
def _counter(
    registry: CollectorRegistry, name: str, meaning: str, *labels: str
) -> Callable[..., Counter]:
    made = Counter(f"recommender_{name}", meaning, labels, registry=registry)
    return lru_cache(_MOST_CHILDREN)(made.labels)


def _histogram(
    registry: CollectorRegistry, name: str, meaning: str, buckets: tuple[float, ...], *labels: str
) -> Callable[..., Histogram]:
    made = Histogram(f"recommender_{name}", meaning, labels, buckets=buckets, registry=registry)
    return lru_cache(_MOST_CHILDREN)(made.labels)


def _forget_the_dead(folder: Path) -> None:
    """Drop what workers that were killed had in flight; who ends in order does so by itself."""
    for path in folder.glob("gauge_live*_*.db"):
        pid = int(path.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
        except PermissionError:
            continue
