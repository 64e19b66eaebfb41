"""The nightly picture into the database, in bulk."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa
from sqlalchemy import Connection

from recommender.columns import PART_COLUMNS
from recommender.dataset import FloatArray, IntArray, ObjectArray
from recommender.store.columnar import append


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

    user_id: ObjectArray
    rank: IntArray
    action_id: ObjectArray
    score: FloatArray
    p_complete: FloatArray
    benefit: FloatArray
    parts: FloatArray
    verdict: ObjectArray
    rule_id: ObjectArray
    standard_error: FloatArray
    withheld: list[tuple[str, str]] = field(default_factory=list)


_COLUMNS = (
    "run_id", "user_id", "rank", "action_id", "score", "p_complete", "benefit",
    *PART_COLUMNS, "verdict", "rule_id", "standard_error",
)  # fmt: skip
_WITHHELD_COLUMNS = ("run_id", "user_id", "withheld")


def write_scores(conn: Connection, run_id: str, batch: ScoreBatch) -> None:
    """Add the scores of some people to a run that is not in force yet."""
    scores, withheld = _score_table(run_id, batch), _withheld_table(run_id, batch)
    for name, rows in (("scores", scores), ("nightly_withheld", withheld)):
        append(conn, name, rows)


def _score_table(run_id: str, batch: ScoreBatch) -> pa.Table:
    parts = [batch.parts[:, place] for place in range(len(PART_COLUMNS))]
    texts, reals = pa.string(), pa.float64()
    columns = [
        pa.repeat(run_id, len(batch.user_id)),
        pa.array(batch.user_id, texts),
        pa.array(batch.rank, pa.int64()),
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
