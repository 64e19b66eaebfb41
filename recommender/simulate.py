"""Simulate people, what they measured and what they did: four files in the contract's format."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq

from recommender.errors import SettingsError
from recommender.resources import data_path
from recommender.simulation.blocks import Plan, blocks
from recommender.simulation.people import load_population
from recommender.simulation.tables import TRUTH_SCHEMA, CsvFile, write_actions
from recommender.simulation.world import Menu, choose_actions, make_menu, read_actions

Progress = Callable[[int, int], None]
"""Called with (people done, people in all)."""

_FILES = ("users", "events", "observations")


@dataclass(frozen=True, slots=True)
class SimulationReport:
    """How many records were written, up to which instant, and where."""

    users: int
    actions: int
    events: int
    observations: int
    end_at: datetime
    paths: tuple[Path, ...]


def simulate(
    users: int,
    actions: int,
    days: int,
    seed: int,
    out_dir: Path,
    progress: Progress | None = None,
    end_at: datetime | None = None,
    truth: bool = False,
) -> SimulationReport:
    """Write ``users.csv``, ``actions.csv``, ``events.csv`` and ``observations.csv``.

    Parameters
    ----------
    actions
        The shipped catalogue comes first; what goes beyond it is made up.
    end_at
        Aware instant at which the log ends; None for the last midnight UTC.
    truth
        Whether to write ``truth.parquet`` too: the true probability of completing within
        7 days, for each person and action, if shown at ``end_at``.

    Raises
    ------
    SettingsError
        If a number is below one, the seed is negative or ``end_at`` has no offset.
    """
    _check(users, actions, days, seed, end_at)
    plan = Plan(
        population=load_population(data_path("sample/nhanes_adults.csv")),
        menu=menu_of(actions, seed),
        users=users,
        days=days,
        seed=seed,
        end_at=end_at or datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0),
    )
    out_dir.mkdir(parents=True, exist_ok=True)
    write_actions(plan.menu.rows, out_dir / "actions.csv")
    return _write_people(plan, out_dir, progress, truth)


def menu_of(actions: int, seed: int) -> Menu:
    """That many actions, shipped ones first, with their hidden parameters."""
    shipped = read_actions(data_path("actions.ndjson"))
    return make_menu(choose_actions(shipped, actions, seed), seed)


def _check(users: int, actions: int, days: int, seed: int, end_at: datetime | None) -> None:
    for name, number in (("users", users), ("actions", actions), ("days", days)):
        if number < 1:
            raise SettingsError(f"{name} must be at least 1, not {number}")
    if seed < 0:
        raise SettingsError(f"the seed must not be negative, but is {seed}")
    if end_at is not None and end_at.utcoffset() is None:
        raise SettingsError("the end of the simulation needs an offset, such as Z")


def _write_people(
    plan: Plan, out_dir: Path, progress: Progress | None, truth: bool
) -> SimulationReport:
    paths = {name: out_dir / f"{name}.csv" for name in _FILES}
    rows = dict.fromkeys(_FILES, 0)
    with ExitStack() as stack:
        files = {name: stack.enter_context(CsvFile(path)) for name, path in paths.items()}
        answers = stack.enter_context(_answers(out_dir)) if truth else None
        for block in blocks(plan):
            tables = (block.users, block.events, block.observations)
            for name, table in zip(_FILES, tables, strict=True):
                files[name].append(table)
                rows[name] += table.num_rows
            if answers:
                answers.write_table(block.truth())
            if progress:
                progress(rows["users"], plan.users)
    return SimulationReport(
        **rows,
        actions=len(plan.menu),
        end_at=plan.end_at,
        paths=(out_dir / "actions.csv", *paths.values()),
    )


def _answers(out_dir: Path) -> pq.ParquetWriter:
    return pq.ParquetWriter(out_dir / "truth.parquet", TRUTH_SCHEMA, compression="zstd")
