"""Tables of the packed records: what training reads, kept in step with what comes in."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Double,
    Identity,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

from recommender.store.column_types import BigId, UtcInstant

_BYTE_ORDER = Text().with_variant(Text(collation="C"), "postgresql")
"""Text in the order of its UTF-8 bytes, which is that of ``Users.ids``; SQLite's own order."""


def packed_tables(metadata: MetaData) -> tuple[Table, Table, Table]:
    """State the packed records, the names behind their codes, and the marks of what changed.

    No foreign keys: triggers (migration 0014) drop a person's row and marks with the person.
    """
    return _packed_records(metadata), _packed_names(metadata), _record_changes(metadata)


def _packed_records(metadata: MetaData) -> Table:
    return Table(
        "packed_records",
        metadata,
        Column("user_id", _BYTE_ORDER, primary_key=True, comment="Person concerned."),
        Column("born_days", Double, comment="Birth date in days since 1970; null if unknown."),
        Column("sex", Text, nullable=False, comment="As in users."),
        Column("conditions", Text, nullable=False, comment="JSON text, as in users."),
        Column("attributes", Text, nullable=False, comment="JSON text, as in users."),
        Column(
            "events",
            LargeBinary,
            nullable=False,
            comment="All events, 37 bytes each, little-endian: seconds since 1970, request, "
            "propensity, value (8 bytes each), code of the action (4), code of the type (1).",
        ),
        Column(
            "observations",
            LargeBinary,
            nullable=False,
            comment="All observations, 20 bytes each, little-endian: seconds since 1970, value "
            "(8 bytes each), code of the metric (4).",
        ),
        Column("packed_at", UtcInstant, nullable=False, comment="When it was packed (UTC)."),
        comment="Copy of each person's whole record in the form that training reads.",
    )


def _packed_names(metadata: MetaData) -> Table:
    return Table(
        "packed_names",
        metadata,
        Column("kind", Text, primary_key=True, comment="actions or metrics."),
        Column(
            "code", Integer, primary_key=True, comment="Number in packed_records; never reused."
        ),
        Column("name", Text, nullable=False, comment="Action or metric."),
        UniqueConstraint("kind", "name"),
        comment="What the codes in packed_records stand for.",
    )


def _record_changes(metadata: MetaData) -> Table:
    return Table(
        "record_changes",
        metadata,
        Column("user_id", Text, primary_key=True, comment="Person concerned."),
        Column(
            "change_id",
            BigId,
            Identity(),
            primary_key=True,
            comment="Tells apart changes of one person; 0 in SQLite, which needs one row only.",
        ),
        comment="People whose profile, events or observations changed since they were packed.",
    )
