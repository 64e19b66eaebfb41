"""What figures say of the present: the run in force, its age, how its data has drifted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from recommender import __version__
from recommender.errors import RecommenderError
from recommender.published import Published
from recommender.store.engine import reading
from recommender.store.runs import PublishedRun, all_figures, published_run
from recommender.store.stages import stage_seconds

_MOST_SEGMENTS = 300
"""Features or feeds shown, the most drifted first; a model has fewer unless someone floods it."""
_BY_SEGMENT = {
    "drift_psi": (
        "recommender_run_feature_drift_psi",
        "feature",
        "Population stability index against the run before, largest value of each feature.",
    ),
    "feed_ratio": (
        "recommender_run_feed_ratio",
        "feed",
        "Records of the last week of a feed over what is usual; 0 is a feed that stopped.",
    ),
}


class Present:
    """Looks the present up when figures are asked for; works while the database does not.

    The age goes on growing from the run that was last seen, since a server goes on answering
    from it; ``recommender_database_up`` says whether it could be looked up just now.
    """

    def __init__(self, published: Published) -> None:
        self._published = published
        self._run: PublishedRun | None = None
        self._figures: Mapping[tuple[str, str], float] = {}
        self._stages: Mapping[str, float] = {}

    def __call__(self) -> Iterator[Metric]:
        """Give every figure of the present."""
        up = self._look()
        dialect = self._published.engine.dialect.name
        yield _gauge("recommender_database_up", "Whether the database answered just now.", up)
        yield _labelled(
            "recommender_build_info",
            "Version, database and guardrail rules of this server; always 1.",
            {(__version__, dialect, self._published.rules.label): 1.0},
            ("version", "database", "rules"),
        )
        if self._run is None:
            return
        age = (datetime.now(UTC) - self._run.as_of).total_seconds()
        name = "recommender_published_run_age_seconds"
        yield _gauge(name, "Age of the published run's records; absent if there is none.", age)
        yield _labelled(
            "recommender_published_run_info",
            "The run in force; always 1.",
            {(self._run.run_id,): 1.0},
            ("run_id",),
        )
        yield _labelled(
            "recommender_run_stage_seconds",
            "What each stage of the training of the published run took.",
            {(stage,): seconds for stage, seconds in self._stages.items()},
            ("stage",),
        )
        yield from self._of_the_run()

    def _look(self) -> bool:
        try:
            with reading(self._published.engine) as connection:
                run = published_run(connection)
                if run is not None and run != self._run:
                    self._figures = all_figures(connection, run.run_id)
                if run is not None:  # its last stage ends after it has come into force
                    self._stages = stage_seconds(connection, run.run_id)
        except RecommenderError:
            return False
        self._run = run
        return True

    def _of_the_run(self) -> Iterator[Metric]:
        overall: dict[tuple[str, ...], float] = {
            (name,): value for (name, group), value in self._figures.items() if group == "all"
        }
        meaning = "Figures of the published run over everybody, as its gate saw them."
        yield _labelled("recommender_run_figure", meaning, overall, ("name",))
        for figure, (name, label, meaning) in _BY_SEGMENT.items():
            found: dict[tuple[str, ...], float] = {}
            for (each, segment), value in self._figures.items():
                if each == figure:
                    # A feature's values are people's own; its name is the catalogue of fields.
                    stem = (segment.partition("=")[0],)
                    found[stem] = max(value, found.get(stem, value))
            most = sorted(found.items(), key=lambda item: (-item[1], item[0]))[:_MOST_SEGMENTS]
            yield _labelled(name, meaning, dict(most), (label,))


def _gauge(name: str, meaning: str, value: float) -> Metric:
    gauge = GaugeMetricFamily(name, meaning)
    gauge.add_metric([], value)
    return gauge


def _labelled(
    name: str, meaning: str, values: Mapping[tuple[str, ...], float], labels: tuple[str, ...]
) -> Metric:
    gauge = GaugeMetricFamily(name, meaning, labels=labels)
    for label_values, value in values.items():
        gauge.add_metric(label_values, value)
    return gauge
