"""The table of requests that carry an ``Idempotency-Key``."""

from __future__ import annotations

from sqlalchemy import Column, Index, MetaData, SmallInteger, Table, Text

from recommender.store.column_types import UtcInstant


def idempotency_table(metadata: MetaData) -> Table:
    """State the table."""
    return Table(
        "idempotency_keys",
        metadata,
        Column(
            "key_hash",
            Text,
            primary_key=True,
            comment="SHA-256 of the sender and the Idempotency-Key.",
        ),
        Column("fingerprint", Text, nullable=False, comment="SHA-256 of key, path and body."),
        Column("started_at", UtcInstant, nullable=False, comment="When it arrived first (UTC)."),
        Column("status", SmallInteger, comment="HTTP status answered; null while at work."),
        Column("body", Text, comment="JSON answered: counts and ids of runs, never of people."),
        Index(None, "started_at"),
        comment="Requests sent with an Idempotency-Key, for a day.",
    )
