"""The benchmark of the nightly training loads what it says, into either database."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from recommender.domain import EVENT_CODES
from recommender.knowledge import load_knowledge
from recommender.store.bulk import load_records
from recommender.store.engine import Engine, reading
from recommender.store.queries import run_query
from recommender.store.read import load_catalogue
from tests.benchmarks import bench_train, night_floors, night_load
from tests.benchmarks.bench_sample import records_of
from tests.benchmarks.night_cost import Cost, Meter


def _silent(stage: str, share: float) -> None:
    pass


def test_what_is_loaded_is_what_was_drawn(engine: Engine) -> None:
    night_load.load(engine, 200, 1, _silent)
    metrics, now = load_knowledge().metrics, datetime.now(UTC)
    with reading(engine) as connection:
        catalogue = load_catalogue(connection)
        found = load_records(connection, now, catalogue, metrics)
        _, indexes = run_query(connection, _INDEXES[engine.dialect.name])
    end_at = now.replace(minute=0, second=0, microsecond=0).timestamp()
    drawn = records_of(200, catalogue, metrics, end_at, 1)

    assert len(catalogue) == 500
    assert found.users.ids.tolist() == drawn.users.ids.tolist()
    np.testing.assert_array_equal(found.users.born_at, drawn.users.born_at)
    np.testing.assert_array_equal(found.users.sex, drawn.users.sex)
    np.testing.assert_array_equal(found.events.user, drawn.events.user)
    np.testing.assert_array_equal(found.events.action, drawn.events.action)
    np.testing.assert_allclose(found.events.at, drawn.events.at, atol=1e-5)
    np.testing.assert_allclose(found.observations.value, drawn.observations.value, atol=1e-5)
    # indexes that were dropped meanwhile are there again
    assert {row[0] for row in indexes} >= {
        "ix_events_record",
        "ix_observations_record",
    }


_INDEXES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'index'",
    "postgresql": "SELECT indexname FROM pg_indexes",
}


def test_rates_are_those_of_a_service() -> None:
    metrics = load_knowledge().metrics
    catalogue = night_load.catalogue_of(500)
    records = records_of(2000, catalogue, metrics, 1_790_000_000.0, 2)
    kinds = np.bincount(records.events.kind, minlength=4)

    assert 18 < len(records.events) / 2000 < 22
    assert len(records.observations) == 2000 * 20
    assert 0.1 < kinds[_code("complete")] / kinds[_code("impression")] < 0.3
    shown = records.events.kind == _code("impression")
    chances = records.events.propensity[shown]
    assert ((chances > 0) & (chances <= 1)).all()
    # shown as often as the propensities say: the mean of 1/p over slots is the number of choices
    assert np.mean(1 / chances) == pytest.approx(125, rel=0.1)


def _code(kind: str) -> int:
    return int(EVENT_CODES[kind])


def test_the_exponent_is_the_slope_of_logarithms() -> None:
    floors = night_floors.Floors(*(Cost(each, 1.0) for each in (1.0, 2.0, 3.0, 4.0)))
    results = [
        bench_train.Result("sqlite", n, {"seconds": 3e-4 * n**1.2, "processor": 8.0}, floors)
        for n in (1_000, 10_000, 100_000)
    ]

    assert bench_train.exponent(results) == pytest.approx(1.2)
    assert results[0].times == pytest.approx(3e-4 * 1_000**1.2 / 10.0)
    assert results[0].processor_times == pytest.approx(2.0)
    drawn = bench_train.plot(results)
    assert drawn.startswith("<svg xmlns=")
    assert "training, sqlite" in drawn


def test_results_of_earlier_runs_are_kept(tmp_path: Path) -> None:
    floors = night_floors.Floors(*(Cost(1.0, 2.0) for _ in range(4)))
    small, large = (
        bench_train.Result("sqlite", n, {"seconds": 8.0, "processor": 8.0}, floors)
        for n in (1_000, 10_000)
    )
    path = tmp_path / "kept.ndjson"

    assert bench_train._with_kept([large], path) == [large]
    assert bench_train._with_kept([small], path) == [small, large]
    assert bench_train._with_kept([], path) == [small, large]


def test_work_of_the_server_counts(engine: Engine) -> None:
    meter = Meter(engine)
    query = "SELECT count(*) FROM generate_series(1, 2000000)"
    if engine.dialect.name == "sqlite":
        query = (
            "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 500000) "
            "SELECT count(*) FROM c"
        )
    with reading(engine) as connection:
        cost = meter.cost_of(lambda: run_query(connection, query))

    assert 0.05 < cost.processor <= cost.seconds * 2 + 0.05
