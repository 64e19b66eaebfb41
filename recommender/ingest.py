"""Records in: read, check, take, and keep what can't be taken with its reason.

Each stretch of a file is one transaction that holds its good rows and its rejected ones,
so that a run that was cut off can be repeated and ends the same. HTTP and files share
every check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from recommender.domain import MetricsList
from recommender.errors import MalformedFileError
from recommender.formats.chunk import Chunk
from recommender.formats.tabular import read_chunks
from recommender.intake.report import IngestReport, Rejection
from recommender.store.access import Asker
from recommender.store.engine import Connection, Engine, writing
from recommender.store.quarantine import last_rejected, rejected_after
from recommender.taking import Session, take_chunk

__all__ = [
    "IngestReport",
    "Rejection",
    "ingest_files",
    "record_actions",
    "record_events",
    "record_observations",
    "record_users",
    "retry_rejected",
]

_RETRY_ROWS = 5_000
_RETRY_ORDER = ("actions", "users", "observations", "events")


def ingest_files(
    engine: Engine,
    kind: str,
    paths: Sequence[str],
    *,
    metrics: MetricsList,
    now: datetime,
    progress: Callable[[int], None] | None = None,
    asker: Asker | None = None,
) -> IngestReport:
    """Take the records of files, one transaction a stretch; memory does not grow with them.

    Parameters
    ----------
    kind
        ``users``, ``actions``, ``events`` or ``observations``.
    paths
        CSV, NDJSON or Parquet by extension; ``-`` is NDJSON on standard input.
    progress
        Told the number of records read so far, after each stretch.
    asker
        Who takes them in, for the access log: an entry a file and person named in it.

    Raises
    ------
    MalformedFileError
        Names line and column, and how many records before were taken: repeating the
        mended file is harmless.
    """
    report = IngestReport()
    for path in paths:
        session = Session(kind, metrics, now, path, asker)
        before = report.read
        try:
            for chunk in read_chunks(path):
                with writing(engine) as conn:
                    outcome = take_chunk(conn, session, chunk)
                report = report.plus(outcome)
                if progress is not None:
                    progress(report.read)
        except MalformedFileError as error:
            raise _with_advice(error, report.read - before) from None
    return report


def record_events(
    target: Engine | Connection,
    records: Sequence[Any],
    *,
    metrics: MetricsList,
    now: datetime,
    source: str,
    asker: Asker | None = None,
    only_user: str | None = None,
) -> IngestReport:
    """Take behaviour records as one transaction; each rejection names its index.

    Parameters
    ----------
    target
        A connection takes part in the caller's transaction, an engine gets its own.
    records
        Values as JSON spells them.
    source
        By which way they came; stands beside what is rejected.
    asker
        Who sends them and why, for the access log: an entry a person named.
    only_user
        The only person whose records may be sent, and replaced; None for anyone.

    Raises
    ------
    NotTheirsError
        Some record names, or is stored as, another than the only person; nothing is taken.
    """
    return _record(target, Session("events", metrics, now, source, asker, only_user), records)


def record_observations(
    target: Engine | Connection,
    records: Sequence[Any],
    *,
    metrics: MetricsList,
    now: datetime,
    source: str,
    asker: Asker | None = None,
    only_user: str | None = None,
) -> IngestReport:
    """Take biometric records, as ``record_events`` does behaviour."""
    return _record(target, Session("observations", metrics, now, source, asker, only_user), records)


def record_users(
    target: Engine | Connection,
    records: Sequence[Any],
    *,
    metrics: MetricsList,
    now: datetime,
    source: str,
    asker: Asker | None = None,
    only_user: str | None = None,
) -> IngestReport:
    """Take profiles, as ``record_events`` does behaviour; absent fields stay as stored."""
    return _record(target, Session("users", metrics, now, source, asker, only_user), records)


def record_actions(
    target: Engine | Connection,
    records: Sequence[Any],
    *,
    metrics: MetricsList,
    now: datetime,
    source: str,
    asker: Asker | None = None,
    only_user: str | None = None,
) -> IngestReport:
    """Take catalogue entries, as ``record_events`` does behaviour; each is a whole entry."""
    return _record(target, Session("actions", metrics, now, source, asker, only_user), records)


def retry_rejected(
    engine: Engine,
    *,
    metrics: MetricsList,
    now: datetime,
    kinds: Sequence[str] | None = None,
    asker: Asker | None = None,
) -> IngestReport:
    """Put every rejected record through again, oldest first.

    What is taken leaves the quarantine; what isn't stays there with the reason of today.
    ``index`` of a rejection is the number of the rejected record.

    Parameters
    ----------
    kinds
        Only these; None for all.
    asker
        Who asks for it, for the access log.
    """
    report = IngestReport()
    for kind in _RETRY_ORDER:
        if kinds is None or kind in kinds:
            for outcome in _retried(engine, Session(kind, metrics, now, "retry-rejected", asker)):
                report = report.plus(outcome)
    return report


def _record(target: Engine | Connection, session: Session, records: Sequence[Any]) -> IngestReport:
    chunk = Chunk(len(records), values=records)
    with _transaction(target) as conn:
        return take_chunk(conn, session, chunk)


@contextmanager
def _transaction(target: Engine | Connection) -> Iterator[Connection]:
    if isinstance(target, Connection):
        yield target
    else:
        with writing(target) as conn:
            yield conn


def _retried(engine: Engine, session: Session) -> Iterator[IngestReport]:
    after = 0
    with writing(engine) as conn:
        up_to = last_rejected(conn)
    while True:
        with writing(engine) as conn:
            held = rejected_after(conn, session.kind, after, up_to, _RETRY_ROWS)
            if not held:
                return
            origin = [record for record, _ in held]
            chunk = Chunk(len(held), values=[value for _, value in held])
            after = origin[-1].rejected_id or up_to
            outcome = take_chunk(conn, session, chunk, origin)
        yield outcome


def _with_advice(error: MalformedFileError, taken: int) -> MalformedFileError:
    advice = f"{taken:,} records before were taken; mend the file and run again"
    reason = f"{error.reason} ({advice})" if taken else error.reason
    return MalformedFileError(error.path, reason, error.line, error.column)
