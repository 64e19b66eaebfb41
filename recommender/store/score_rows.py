"""The nightly picture into the database, in bulk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import pyarrow as pa
from sqlalchemy import Connection, Engine

from recommender.columns import PART_COLUMNS
from recommender.dataset import FloatArray, IntArray, ObjectArray
from recommender.store import partitions
from recommender.store.columnar import append, append_binary
from recommender.store.copy_binary import jsonb
from recommender.store.engine import POSTGRESQL, writing
from recommender.store.retention import drop_nightly

Texts: TypeAlias = ObjectArray | pa.StringArray


@dataclass(frozen=True, slots=True)
class ScoreBatch:
    """Scores of some people; every array has one entry a (user, rank).

    Attributes
    ----------
    rank
        1 is best.
    parts
        ``[n, 5]``, in the order of ``columns.PARTS``.
    verdict, rule_id
        ``allow`` or ``caution``, and the rule behind a caution or None.
    standard_error
        Of the log-odds.
    withheld
        (user id, JSON list of [action_id, rule_id, rule_version, observation_id]).
    """

    user_id: Texts
    rank: IntArray
    action_id: Texts
    score: FloatArray
    p_complete: FloatArray
    benefit: FloatArray
    parts: FloatArray
    verdict: Texts
    rule_id: Texts
    standard_error: FloatArray
    withheld: list[tuple[str, str]] = field(default_factory=list)


_COLUMNS = (
    "run_id", "user_id", "rank", "action_id", "score", "p_complete", "benefit",
    *PART_COLUMNS, "verdict", "rule_id", "standard_error",
)  # fmt: skip
_WITHHELD_COLUMNS = ("run_id", "user_id", "withheld")


@contextmanager
def writing_scores(engine: Engine, run_id: str) -> Iterator[Callable[[ScoreBatch], None]]:
    """Give what writes batches of a run that is not in force yet; call it from one thread a time.

    PostgreSQL: one transaction, so that a night that is cut short leaves no row behind. SQLite:
    one a batch, so that others get to write in between.
    """
    with writing(engine) as conn:
        begin_scores(conn, run_id)
    if engine.dialect.name != POSTGRESQL:
        yield partial(_write_apart, engine, run_id)
        return
    with writing(engine) as conn:
        partitions.empty(conn, run_id)
        yield partial(write_scores, conn, run_id, frozen=True)
        finish_scores(conn, run_id)


def _write_apart(engine: Engine, run_id: str, batch: ScoreBatch) -> None:
    with writing(engine) as conn:
        write_scores(conn, run_id, batch)


def begin_scores(conn: Connection, run_id: str) -> None:
    """Make room for a run's scores and clear what an attempt that was cut short has left."""
    if conn.dialect.name == POSTGRESQL:
        partitions.create(conn, run_id)
    else:
        drop_nightly(conn, run_id)


def write_scores(conn: Connection, run_id: str, batch: ScoreBatch, *, frozen: bool = False) -> None:
    """Add the scores of some people to a run that has begun and is not in force yet.

    Parameters
    ----------
    frozen
        PostgreSQL: see ``columnar.append_binary``.
    """
    scores, withheld = _score_table(run_id, batch), _withheld_table(run_id, batch)
    if conn.dialect.name == POSTGRESQL:
        place = withheld.column_names.index("withheld")
        lists = jsonb(withheld.column(place).combine_chunks())
        withheld = withheld.set_column(place, "withheld", lists)
    for name, rows in (("scores", scores), ("nightly_withheld", withheld)):
        if conn.dialect.name == POSTGRESQL:
            append_binary(conn, partitions.name_of(name, run_id), rows, frozen=frozen)
        else:
            append(conn, name, rows)


def finish_scores(conn: Connection, run_id: str) -> None:
    """Make a run's scores ready to be published; call it after the last batch."""
    if conn.dialect.name == POSTGRESQL:
        partitions.index(conn, run_id)


def _score_table(run_id: str, batch: ScoreBatch) -> pa.Table:
    parts = [batch.parts[:, place] for place in range(len(PART_COLUMNS))]
    texts, reals = pa.string(), pa.float64()
    columns = [
        pa.repeat(run_id, len(batch.user_id)),
        pa.array(batch.user_id, texts),
        pa.array(batch.rank, pa.int16()),
        pa.array(batch.action_id, texts),
        *(pa.array(each, reals) for each in (batch.score, batch.p_complete, batch.benefit, *parts)),
        pa.array(batch.verdict, texts),
        pa.array(batch.rule_id, texts),
        pa.array(batch.standard_error, reals),
    ]
    return pa.table(columns, names=list(_COLUMNS))


def _withheld_table(run_id: str, batch: ScoreBatch) -> pa.Table:
    people = pa.array([user_id for user_id, _ in batch.withheld], pa.string())
    lists = pa.array([written for _, written in batch.withheld], pa.string())
    columns = [pa.repeat(run_id, len(people)), people, lists]
    return pa.table(columns, names=list(_WITHHELD_COLUMNS))
