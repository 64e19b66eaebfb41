"""Whether a training may still go on: nobody has taken its place, nobody changed the schema."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, select, update

from recommender.errors import LockLostError, NotMigratedError
from recommender.store import schema
from recommender.store.retention import drop_nightly
from recommender.store.upgrade import hold_off_migrations, revision

_runs = schema.runs.c
TRAINING, FAILED = "training", "failed"


def require_in_charge(
    conn: Connection, run_id: str, revision_before: str | None, *, keep: bool = False
) -> None:
    """Make sure that a training is still to go on.

    The next train marks the runs it finds unfinished as failed before it does anything: the
    row of the run tells who is in charge.

    Parameters
    ----------
    revision_before
        Of the schema, when the training began.
    keep
        Let it stay so until the transaction's end.

    Raises
    ------
    LockLostError
        Another train has taken over.
    NotMigratedError
        The schema was changed since.
    """
    if keep:
        hold_off_migrations(conn)
    if revision(conn) != revision_before:
        raise NotMigratedError(
            "the database was upgraded while this train ran, so that it was given up; nothing "
            "anyone sees has changed: train again with the version that upgraded it"
        )
    if status_of(conn, run_id, lock=keep) != TRAINING:
        raise LockLostError(
            f"another train took over from run {run_id}, which was not heard of for too long or "
            "lost its connection; this one has changed nothing"
        )


def fail_run(conn: Connection, run_id: str, why: str, finished_at: datetime) -> None:
    """Mark a run as failed and drop the rows it wrote, unless it came to its end after all.

    A run that was marked as failed already keeps what was said of it.
    """
    status = status_of(conn, run_id, lock=True)
    if status == TRAINING:
        values = {"status": FAILED, "message": why, "finished_at": finished_at}
        conn.execute(update(schema.runs).where(_runs.run_id == run_id), values)
    if status in (TRAINING, FAILED):
        drop_nightly(conn, run_id)


def status_of(conn: Connection, run_id: str, *, lock: bool = False) -> str | None:
    """Status of a run, None if there is none; ``lock`` keeps it until the transaction's end."""
    query = select(_runs.status).where(_runs.run_id == run_id)
    status: str | None = conn.execute(query.with_for_update() if lock else query).scalar()
    return status


def training_since(conn: Connection) -> tuple[str, datetime] | None:
    """The newest run that is marked as training and when it began, or None."""
    query = select(_runs.run_id, _runs.started_at).where(_runs.status == TRAINING)
    row = conn.execute(query.order_by(_runs.started_at.desc()).limit(1)).first()
    return None if row is None else (str(row.run_id), row.started_at.astimezone(UTC))
