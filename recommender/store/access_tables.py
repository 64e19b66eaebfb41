"""Tables of who looked at whom; ``schema`` puts them with the others."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Identity,
    Index,
    MetaData,
    SmallInteger,
    Table,
    Text,
    false,
)

from recommender.store.column_types import BigId, UtcInstant


def access_tables(metadata: MetaData) -> tuple[Table, Table]:
    """State ``access_log`` and ``installation``."""
    return _access_log(metadata), _installation(metadata)


def _access_log(metadata: MetaData) -> Table:
    return Table(
        "access_log",
        metadata,
        Column("access_id", BigId, Identity(), primary_key=True, comment="Number of the entry."),
        Column("at", UtcInstant, nullable=False, comment="When (UTC)."),
        Column(
            "key_id",
            Text,
            comment="Key used; null on loopback without keys, with a token and on the command "
            "line.",
        ),
        Column("operation", Text, nullable=False, comment="read, update, export or erase."),
        Column("user_id", Text, nullable=False, comment="Person concerned."),
        Column("channel", Text, nullable=False, comment="http or cli."),
        Column(
            "what",
            Text,
            comment="What was read or changed: profile, recommendations, rank, users, events, "
            "observations or everything; null in entries of older versions.",
        ),
        Column(
            "caller",
            Text,
            comment="Subject of the token used, self where it is bound to this person, or account "
            "on the command line; null for keys.",
        ),
        Column("purpose", Text, comment="Why, in the caller's words; null if not said."),
        CheckConstraint("operation IN ('read', 'update', 'export', 'erase')", name="operation"),
        Index(None, "user_id", "at"),
        comment="Who read or changed whose data; append-only but for erasure and retention.",
    )


def _installation(metadata: MetaData) -> Table:
    return Table(
        "installation",
        metadata,
        Column(
            "installation_id",
            SmallInteger,
            primary_key=True,
            autoincrement=False,
            comment="Always 1.",
        ),
        Column(
            "secret",
            Text,
            nullable=False,
            comment="Key under which receipts of erasures are made; not for analysts.",
        ),
        Column(
            "forgetting",
            Boolean,
            nullable=False,
            server_default=false(),
            comment="True only inside a transaction that erases or purges: lets it delete from "
            "access_log.",
        ),
        Column("created_at", UtcInstant, nullable=False, comment="When it was set up (UTC)."),
        Column(
            "key_made",
            Boolean,
            nullable=False,
            server_default=false(),
            comment="True from the first key on, even when it is gone: nobody is answered "
            "without one.",
        ),
        CheckConstraint("installation_id = 1", name="installation_id"),
        comment="What belongs to this installation; one row.",
    )
