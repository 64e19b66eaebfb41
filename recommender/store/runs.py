"""Trainings, what they produced, and which of them is in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, select, update
from sqlalchemy.sql.expression import ColumnElement

from recommender.errors import ConflictError, NotFoundError
from recommender.store import schema
from recommender.store.partitions import attach
from recommender.store.retention import clean_up as clean_up
from recommender.store.retention import forget_erased
from recommender.store.score_rows import ScoreBatch as ScoreBatch
from recommender.store.score_rows import write_scores as write_scores

_runs, _publications = schema.runs.c, schema.publications.c

_WHY_NOT = {
    "training": "it is still training, or its process was lost",
    "failed": "it failed and left no model",
    "held_back": "the gate held it back; read why with `recommender runs show`, and if it should "
    "be published all the same, `recommender runs publish --force`",
}


@dataclass(frozen=True, slots=True)
class PublishedRun:
    """The run in force.

    Attributes
    ----------
    publication_id
        Changes whenever any run is put in force, even the same one again.
    as_of
        Records up to here were used.
    """

    run_id: str
    publication_id: int
    as_of: datetime


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One training in a list; ``published`` is True for the one in force."""

    run_id: str
    status: str
    as_of: datetime
    started_at: datetime
    finished_at: datetime | None
    message: str | None
    published: bool


@dataclass(frozen=True)
class RunDetail:
    """One training in full.

    Attributes
    ----------
    figures
        (name, group of people) -> figure.
    published_at
        Every time it was put in force, oldest first.
    """

    summary: RunSummary
    seed: int
    code_version: str
    manifest: Mapping[str, Any] | None
    figures: Mapping[tuple[str, str], float]
    published_at: tuple[datetime, ...]


def published_run(conn: Connection) -> PublishedRun | None:
    """Return the run in force, or None if there is none yet."""
    row = conn.execute(_in_force(_runs.run_id, _publications.publication_id, _runs.as_of)).first()
    return None if row is None else PublishedRun(*row)


def load_artifact(conn: Connection, run_id: str) -> tuple[dict[str, Any], bytes]:
    """Return a run's manifest and the bytes of its arrays.

    Raises
    ------
    NotFoundError
        There is no such run, or its model has been cleaned up.
    """
    query = select(_runs.manifest, _runs.artifact).where(_runs.run_id == run_id)
    row = conn.execute(query).first()
    if row is None or row.artifact is None:
        raise NotFoundError(f"run {run_id} has no model")
    return dict(row.manifest), bytes(row.artifact)


def start_run(
    conn: Connection,
    run_id: str,
    as_of: datetime,
    seed: int,
    code_version: str,
    started_at: datetime,
) -> None:
    """Record that a training began."""
    conn.execute(
        insert(schema.runs),
        {
            "run_id": run_id,
            "status": "training",
            "as_of": as_of,
            "seed": seed,
            "code_version": code_version,
            "started_at": started_at,
        },
    )


def finish_run(
    conn: Connection,
    run_id: str,
    status: str,
    message: str | None,
    manifest: Mapping[str, Any] | None,
    artifact: bytes | None,
    finished_at: datetime,
    card: Mapping[str, Any] | None = None,
) -> None:
    """Record how a training ended: ``trained``, ``held_back`` or ``failed``."""
    result = {"manifest": manifest, "artifact": artifact, "card": card}
    conn.execute(
        update(schema.runs).where(_runs.run_id == run_id),
        {"status": status, "message": message, "finished_at": finished_at}
        | {name: value for name, value in result.items() if value is not None},
    )


def write_metrics(conn: Connection, run_id: str, figures: Mapping[tuple[str, str], float]) -> None:
    """Record figures of a run by (name, group of people)."""
    rows = [
        {"run_id": run_id, "name": name, "segment": segment, "value": float(value)}
        for (name, segment), value in figures.items()
    ]
    if rows:
        conn.execute(insert(schema.run_metrics), rows)


def load_figures(conn: Connection, run_id: str, segment: str = "all") -> dict[str, float] | None:
    """Return a run's figures for one group of people by name, or None if it has none."""
    metrics = schema.run_metrics.c
    query = select(metrics.name, metrics.value).where(
        metrics.run_id == run_id, metrics.segment == segment
    )
    return {row.name: row.value for row in conn.execute(query)} or None


def all_figures(conn: Connection, run_id: str) -> dict[tuple[str, str], float]:
    """Return a run's figures by (name, group of people)."""
    metrics = schema.run_metrics.c
    query = select(metrics.name, metrics.segment, metrics.value).where(metrics.run_id == run_id)
    return {(row.name, row.segment): row.value for row in conn.execute(query)}


def publish(conn: Connection, run_id: str, reason: str, published_at: datetime) -> int:
    """Put a trained run in force and return the number of the publication.

    Whoever was erased since the run read its records leaves its scores here, in the same
    transaction.

    Parameters
    ----------
    reason
        ``train``, ``publish`` or ``rollback``.

    Raises
    ------
    NotFoundError
        There is no such run.
    ConflictError
        It was not trained to the end, was held back, or its model has been cleaned up.
    """
    query = select(_runs.status, _runs.started_at, _has_model()).where(_runs.run_id == run_id)
    row = conn.execute(query).first()
    if row is None:
        raise NotFoundError("no such run")
    status, started_at, has_model = row
    if status != "trained":
        raise ConflictError(f"run {run_id} can't be published: {_WHY_NOT[status]}")
    if not has_model:
        raise ConflictError(f"run {run_id} can't be published: its model has been cleaned up")
    # Before the lock that erasures wait for: an upgrade under way could hold this up.
    attach(conn, run_id)
    forget_erased(conn, run_id, started_at)
    row_values = {"run_id": run_id, "published_at": published_at, "reason": reason}
    added = conn.execute(insert(schema.publications).values(row_values)).inserted_primary_key
    assert added is not None
    return int(added[0])


def rollback(conn: Connection, published_at: datetime) -> str:
    """Put the run before the present one in force again and return its id.

    Going back twice goes back two runs: a run put in force by going back counts where it
    first stood.

    Raises
    ------
    ConflictError
        No earlier run is left.
    """
    present = published_run(conn)
    if present is None:
        raise ConflictError("there is no earlier run to go back to")
    stood = select(func.max(_publications.publication_id)).where(
        _publications.run_id == present.run_id, _publications.reason != "rollback"
    )
    earlier = (
        select(_runs.run_id)
        .join_from(schema.publications, schema.runs)
        .where(
            _publications.publication_id < stood.scalar_subquery(),
            _runs.run_id != present.run_id,
            _runs.status == "trained",
            _has_model(),
        )
        .order_by(_publications.publication_id.desc())
        .limit(1)
    )
    run_id = conn.execute(earlier).scalar()
    if run_id is None:
        raise ConflictError("there is no earlier run to go back to")
    publish(conn, run_id, "rollback", published_at)
    return str(run_id)


def list_runs(
    conn: Connection, after: str | None = None, limit: int | None = None
) -> list[RunSummary]:
    """Return the runs, newest first; up to ``limit`` of those past the run ``after``."""
    query = select(*_summary_columns()).order_by(_runs.started_at.desc(), _runs.run_id.desc())
    if after is not None:
        at = select(_runs.started_at).where(_runs.run_id == after).scalar_subquery()
        same = (_runs.started_at == at) & (_runs.run_id < after)
        query = query.where((_runs.started_at < at) | same)
    query = query.limit(limit)
    present = published_run(conn)
    return [_summary(row, present) for row in conn.execute(query)]


def run_detail(conn: Connection, run_id: str) -> RunDetail:
    """Return one run in full; NotFoundError if there is none."""
    columns = (*_summary_columns(), _runs.seed, _runs.code_version, _runs.manifest)
    row = conn.execute(select(*columns).where(_runs.run_id == run_id)).first()
    if row is None:
        raise NotFoundError("no such run")
    published = conn.execute(
        select(_publications.published_at)
        .where(_publications.run_id == run_id)
        .order_by(_publications.publication_id)
    )
    return RunDetail(
        summary=_summary(row, published_run(conn)),
        seed=row.seed,
        code_version=row.code_version,
        manifest=row.manifest,
        figures=all_figures(conn, run_id),
        published_at=tuple(published.scalars()),
    )


def _in_force(*columns: ColumnElement[Any]) -> Select[Any]:
    return (
        select(*columns)
        .join_from(schema.publications, schema.runs)
        .order_by(_publications.publication_id.desc())
        .limit(1)
    )


def _has_model() -> ColumnElement[bool]:
    return _runs.artifact.is_not(None)


def _summary_columns() -> tuple[ColumnElement[Any], ...]:
    return (
        _runs.run_id,
        _runs.status,
        _runs.as_of,
        _runs.started_at,
        _runs.finished_at,
        _runs.message,
    )


def _summary(row: Row[*tuple[Any, ...]], present: PublishedRun | None) -> RunSummary:
    status, as_of, started_at, finished_at, message = row[1:6]
    in_force = present is not None and present.run_id == row.run_id
    return RunSummary(row.run_id, status, as_of, started_at, finished_at, message, in_force)
