"""What the stages of runs took: written while a run goes on, read for people and figures."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, column, delete, insert, select, table

from recommender.errors import StoreError
from recommender.logs import Entry
from recommender.stages.record import STAGES, StageRecord
from recommender.store import schema
from recommender.store.column_types import UtcInstant
from recommender.store.engine import writing

_log = logging.getLogger(__name__)
_stages, _runs = schema.run_stages.c, schema.runs.c


class StageKeeper:
    """Watches a run and keeps its stages, each in a short transaction of its own.

    A training does not fail because of them: what could not be written is written with the next.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: dict[int, StageRecord] = {}

    def began(self, run_id: str, record: StageRecord) -> None:
        """Leave a mark, so that it can be told where a run was killed."""
        if record.stage != STAGES[0]:  # the run itself is on record only after the first
            self._keep(run_id, [record])

    def told(self, name: str, share: float) -> None:
        """Keep nothing of how far it is."""

    def ended(self, run_id: str, records: Sequence[StageRecord]) -> None:
        """Keep a stage and its steps."""
        self._keep(run_id, records)

    def _keep(self, run_id: str, records: Sequence[StageRecord]) -> None:
        self._waiting |= {record.place: record for record in records}
        try:
            with writing(self._engine) as connection:
                write_stages(connection, run_id, list(self._waiting.values()))
        except StoreError:
            _log.warning(Entry(event="stages not kept", run_id=run_id))
        else:
            self._waiting = {}


@dataclass(frozen=True, slots=True)
class RunHistory:
    """One line of ``run_history``; ``stages`` holds the seconds of each that the run came to."""

    run_id: str
    status: str
    started_at: datetime
    seconds: float | None
    people: int | None
    events: int | None
    log_loss: float | None
    popularity_log_loss: float | None
    ndcg_at_10: float | None
    popularity_ndcg_at_10: float | None
    peak_mb: float | None
    stages: dict[str, float]


_OF_A_RUN = tuple(name for name in RunHistory.__dataclass_fields__ if name != "stages")
_history = table(
    "run_history",
    column("started_at", UtcInstant),
    *(column(name) for name in _OF_A_RUN if name != "started_at"),
    *(column(f"{stage}_seconds") for stage in STAGES),
)


def write_stages(conn: Connection, run_id: str, records: Sequence[StageRecord]) -> None:
    """Write stages of a run, in the place of what was known of them before."""
    places = [record.place for record in records]
    conn.execute(
        delete(schema.run_stages).where(_stages.run_id == run_id, _stages.place.in_(places))
    )
    conn.execute(
        insert(schema.run_stages), [{"run_id": run_id} | asdict(record) for record in records]
    )


def load_stages(conn: Connection, run_id: str) -> tuple[StageRecord, ...]:
    """Stages and steps of a run, in order; none of runs of older versions."""
    columns = [_stages[name] for name in StageRecord.__dataclass_fields__]
    query = select(*columns).where(_stages.run_id == run_id).order_by(_stages.place)
    return tuple(StageRecord(*row) for row in conn.execute(query))


def stage_seconds(conn: Connection, run_id: str) -> dict[str, float]:
    """Seconds of each main stage of a run, in order."""
    return {
        one.stage: one.seconds
        for one in load_stages(conn, run_id)
        if one.part_of is None and one.seconds is not None
    }


def usual_seconds(conn: Connection) -> dict[str, float]:
    """Seconds of each main stage of the newest run that was published; empty if there is none."""
    newest = (
        select(_runs.run_id)
        .where(
            _runs.status == "trained",
            select(_stages.run_id).where(_stages.run_id == _runs.run_id).exists(),
        )
        .order_by(_runs.started_at.desc(), _runs.run_id.desc())
        .limit(1)
    )
    run_id = conn.execute(newest).scalar()
    return {} if run_id is None else stage_seconds(conn, run_id)


def run_history(conn: Connection, limit: int) -> list[RunHistory]:
    """Return the newest runs, oldest first."""
    query = select(_history).order_by(_history.c.started_at.desc(), _history.c.run_id.desc())
    found = []
    for row in conn.execute(query.limit(limit)).mappings():
        stages = {stage: row[f"{stage}_seconds"] for stage in STAGES}
        took = {stage: seconds for stage, seconds in stages.items() if seconds is not None}
        found.append(RunHistory(**{name: row[name] for name in _OF_A_RUN}, stages=took))
    return found[::-1]


def since(conn: Connection, instant: datetime) -> tuple[bool, int] | None:
    """Tell how trainings went since an instant; None if there never was one.

    Returns
    -------
    tuple
        Whether one came to an end (published, or held back by the gate), and how many did not.
    """
    statuses = list(conn.execute(select(_runs.status).where(_runs.started_at >= instant)).scalars())
    if not statuses and conn.execute(select(_runs.run_id).limit(1)).first() is None:
        return None
    ended = [status in ("trained", "held_back") for status in statuses]
    return any(ended), len(ended) - sum(ended)
