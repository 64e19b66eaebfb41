"""Worlds with known truth that models are compared on: the cohorts, and the product's simulator."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from recommender.columns import ACTION_ID, P_COMPLETE, USER_ID
from recommender.dataset import IntArray, Records
from recommender.domain import Catalogue, MetricsList
from recommender.ingest import ingest_files
from recommender.metrics_list import load_metrics
from recommender.resources import data_path
from recommender.simulate import menu_of, simulate
from recommender.simulation.blocks import Plan, blocks
from recommender.simulation.people import load_population
from recommender.store.bulk import load_records
from recommender.store.engine import connect, reading
from recommender.store.read import load_catalogue
from recommender.store.upgrade import upgrade
from tests.benchmarks.cohorts import VARIANTS, Cohort, cohort

SIMULATED = "simulated"
PEOPLE, ACTIONS, DAYS = 4000, 150, 90
END_AT = datetime(2026, 10, 1, tzinfo=UTC)
_HISTORY, _NONE, _CHANGED = range(3)


def world_of(name: str, seed: int) -> Cohort:
    """A cohort by its variant's name, or the simulator's population."""
    return simulated(seed) if name == SIMULATED else cohort(VARIANTS[name], seed)


def simulated(seed: int) -> Cohort:
    """What ``recommender simulate --truth`` writes, taken in and read back as training reads it."""
    metrics = load_metrics(data_path("metrics.toml"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        simulate(PEOPLE, ACTIONS, DAYS, seed, folder, end_at=END_AT, truth=True)
        catalogue, records = _taken_in(folder, metrics)
        truth = pq.read_table(folder / "truth.parquet")
    user = np.searchsorted(records.users.ids.astype(str), truth[USER_ID].to_numpy().astype(str))
    ids = {action.action_id: place for place, action in enumerate(catalogue.actions)}
    action = np.array([ids[one] for one in truth[ACTION_ID].to_pylist()])
    p = np.full((len(records.users), len(catalogue)), np.nan)
    p[user, action] = truth[P_COMPLETE].to_numpy()
    assert not np.isnan(p).any()
    expected = np.log(p / (1 - p))
    loadings = np.zeros((len(catalogue), 1))
    segment = _segments(records, seed)
    end = END_AT.timestamp()
    return Cohort(records, catalogue, metrics, end, p, segment, expected, loadings)


def _taken_in(folder: Path, metrics: MetricsList) -> tuple[Catalogue, Records]:
    engine = connect(f"sqlite:///{folder / 'world.db'}")
    upgrade(engine)
    for kind in ("actions", "users", "events", "observations"):
        report = ingest_files(
            engine, kind, [str(folder / f"{kind}.csv")], metrics=metrics, now=END_AT
        )
        assert report.rejected_count == 0, report.rejected[:3]
    with reading(engine) as connection:
        catalogue = load_catalogue(connection)
        records = load_records(connection, END_AT, catalogue, metrics)
    engine.dispose()
    return catalogue, records


def _segments(records: Records, seed: int) -> IntArray:
    """Whose readings jumped of late (the simulator knows), and who has no history."""
    plan = Plan(
        population=load_population(data_path("sample/nhanes_adults.csv")),
        menu=menu_of(ACTIONS, seed),
        users=PEOPLE,
        days=DAYS,
        seed=seed,
        end_at=END_AT,
    )
    changed = np.concatenate([block.course.changed for block in blocks(plan)])[:PEOPLE]
    segment = np.where(changed, _CHANGED, _HISTORY)
    segment[np.bincount(records.events.user, minlength=PEOPLE) == 0] = _NONE
    return segment
