"""One chunk of records through the checks and into the store, inside one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from recommender import columns
from recommender.catalogue import load_conditions, load_tags
from recommender.domain import MetricsList
from recommender.errors import NotTheirsError
from recommender.formats.chunk import Chunk
from recommender.intake.actions import check_actions, with_retirement
from recommender.intake.checked import KEY_COLUMNS, Checked, Refused
from recommender.intake.events import check_events
from recommender.intake.failures import ReasonCode
from recommender.intake.latest import latest_of_each
from recommender.intake.observations import check_observations
from recommender.intake.report import IngestReport, Rejection
from recommender.intake.users import check_users, merge_profiles
from recommender.store import take
from recommender.store.access import Asker, log_updates
from recommender.store.engine import Connection
from recommender.store.quarantine import RejectedRecord, keep_rejected, release, release_numbers
from recommender.store.versions import keep_versions

_OWNED = ("events", "observations")
"""Kinds of records that are a person's and have ids of their own."""


@dataclass(frozen=True)
class Session:
    """What stays the same for all records of one call.

    Attributes
    ----------
    kind
        ``users``, ``actions``, ``events`` or ``observations``.
    source
        File or path the records come by; stands beside those that are rejected.
    asker
        Who sends them and why, for the access log; nobody in particular if None.
    only_user
        The only person whose records these may be, and may replace; None for anyone.
    noted
        People who have their entry in it already: one a call is enough.
    """

    kind: str
    metrics: MetricsList
    now: datetime
    source: str
    asker: Asker | None = None
    only_user: str | None = None
    noted: set[str] = field(default_factory=set)


def take_chunk(
    conn: Connection,
    session: Session,
    chunk: Chunk,
    origin: Sequence[RejectedRecord] | None = None,
) -> IngestReport:
    """Check a chunk, store what is good and put the rest into quarantine.

    Parameters
    ----------
    origin
        The chunk's records as the quarantine has them, when they come from there.

    Raises
    ------
    MalformedFileError
        The chunk is from a file that lacks a required column.
    NotTheirsError
        A record names another than the only person, or is stored as another's.
    """
    checked = _checked(conn, session, chunk)
    if session.only_user is not None:
        _require_only(session.only_user, checked)
    if origin:
        checked = _without_others(conn, session, chunk, checked)
    keep_owners = session.kind in _OWNED and (bool(origin) or session.only_user is not None)
    if session.kind == "users":
        report, checked = _stored_profiles(conn, session, chunk, checked)
    else:
        report = _stored(conn, session, checked.rows, keep_owners)
    _release(conn, session, checked, origin)
    lasting = _not_taken_later(checked)
    keep_rejected(conn, [_rejected(session, each, origin) for each in lasting], session.now)
    _note_access(conn, session, checked)
    return replace(
        report,
        rejected=tuple(_rejection(session, chunk, each, origin) for each in checked.refused),
        rejected_count=len(checked.refused),
        ignored_columns=checked.ignored,
    )


def _note_access(conn: Connection, session: Session, checked: Checked) -> None:
    """Log whose records were sent, those of rejected ones too: they are kept as well."""
    if session.asker is None or session.kind == "actions":
        return
    named = {each.user_id for each in checked.refused if each.user_id is not None}
    named |= set(pc.unique(checked.rows.column(columns.USER_ID)).to_pylist())
    named -= session.noted
    if named:
        log_updates(conn, session.now, session.asker, session.kind, sorted(named))
        session.noted.update(named)


def _require_only(user_id: str, checked: Checked) -> None:
    """Compare people as they were read; a record that names nobody is not theirs either."""
    named = {each.user_id for each in checked.refused}
    named.update(pc.unique(checked.rows.column(columns.USER_ID)).to_pylist())
    if named - {user_id}:
        raise NotTheirsError("only records of one person may be sent here")


def _checked(conn: Connection, session: Session, chunk: Chunk) -> Checked:
    if session.kind == "events":
        return check_events(chunk, session.source, take.action_ids(conn), session.now)
    if session.kind == "observations":
        return check_observations(chunk, session.source, session.metrics, session.now)
    if session.kind == "users":
        return check_users(chunk, session.source, session.now)
    return check_actions(
        chunk, session.source, session.metrics.names, load_tags(), load_conditions()
    )


def _stored(conn: Connection, session: Session, rows: pa.Table, keep_owners: bool) -> IngestReport:
    created = 0
    if session.kind == "actions":
        stored = take.stored_retirements(conn, rows.column(columns.ACTION_ID))
        rows = with_retirement(rows, stored, session.now)
    elif rows.num_rows:
        created = take.create_users(conn, rows.column(columns.USER_ID), session.now)
    latest = latest_of_each(rows, KEY_COLUMNS[session.kind])
    taken = take.put_rows(conn, session.kind, latest.rows, session.now, same_person=keep_owners)
    if session.kind == "actions":
        ids = latest.rows.column(columns.ACTION_ID).to_pylist()
        keep_versions(conn, ids, session.now, session.source)
    return IngestReport(
        accepted=taken.new,
        duplicates=taken.same + latest.same,
        corrected=taken.corrected + latest.corrected,
        created_users=created,
    )


def _stored_profiles(
    conn: Connection, session: Session, chunk: Chunk, checked: Checked
) -> tuple[IngestReport, Checked]:
    stored = take.stored_users(conn, checked.rows.column(columns.USER_ID))
    merged = merge_profiles(checked.rows, stored)
    take.put_rows(conn, "users", merged.rows, session.now)
    checked = checked.without(chunk, merged.refused, ReasonCode.BAD_ATTRIBUTE)
    return IngestReport(merged.new, merged.same, merged.corrected), checked


def _without_others(conn: Connection, session: Session, chunk: Chunk, checked: Checked) -> Checked:
    """Refuse what would take over another person's record: it has waited, theirs came since."""
    if session.kind not in _OWNED:
        return checked
    stored = take.stored_people(conn, session.kind, checked.rows.column(checked.shape.key))
    # The first of those that wait under one id counts as its person's.
    reasons = {
        number: "its id is that of another person's record"
        for number, (own_id, user_id) in enumerate(checked.owners)
        if stored.setdefault(own_id, user_id or "") != user_id
    }
    return checked.without(chunk, reasons, ReasonCode.OTHER_PERSON)


def _release(
    conn: Connection,
    session: Session,
    checked: Checked,
    origin: Sequence[RejectedRecord] | None,
) -> None:
    """Let go of what the quarantine holds of the records taken, and of these themselves."""
    ids = checked.rows.column(checked.shape.key)
    people = None if session.kind == "actions" else checked.rows.column(columns.USER_ID)
    release(conn, session.kind, ids, people, origin[-1].rejected_id if origin else None)
    if origin:
        release_numbers(conn, [origin[place].rejected_id for place in checked.places.tolist()])


def _not_taken_later(checked: Checked) -> list[Refused]:
    """Refused records but those that a later one of the same id and person made good."""
    if not checked.refused:
        return []
    refused = {(record.record_id, record.user_id) for record in checked.refused}
    last_taken = {
        owner: place
        for owner, place in zip(checked.owners, checked.places.tolist(), strict=True)
        if owner in refused
    }
    return [
        record
        for record in checked.refused
        if record.record_id is None
        or last_taken.get((record.record_id, record.user_id), -1) < record.row
    ]


def _rejected(
    session: Session, refused: Refused, origin: Sequence[RejectedRecord] | None
) -> RejectedRecord:
    before = origin[refused.row] if origin else None
    return RejectedRecord(
        kind=session.kind,
        record=before.record if before else refused.record,
        reason_code=refused.code.value,
        reason=refused.reason,
        record_id=refused.record_id,
        user_id=refused.user_id,
        source=before.source if before else session.source,
        fingerprint=before.fingerprint if before else None,
    )


def _rejection(
    session: Session, chunk: Chunk, refused: Refused, origin: Sequence[RejectedRecord] | None
) -> Rejection:
    number = origin[refused.row].rejected_id if origin else None
    index = chunk.first + refused.row if number is None else number
    return Rejection(index, refused.code.value, refused.reason, session.source)
