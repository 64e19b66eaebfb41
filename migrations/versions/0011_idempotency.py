"""Table of requests that carry an Idempotency-Key."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")


def upgrade() -> None:
    """Create it."""
    op.create_table(
        "idempotency_keys",
        sa.Column(
            "key_hash",
            sa.Text(),
            nullable=False,
            comment="SHA-256 of the sender and the Idempotency-Key.",
        ),
        sa.Column(
            "fingerprint", sa.Text(), nullable=False, comment="SHA-256 of key, path and body."
        ),
        sa.Column("started_at", INSTANT, nullable=False, comment="When it arrived first (UTC)."),
        sa.Column("status", sa.SmallInteger(), comment="HTTP status answered; null while at work."),
        sa.Column(
            "body", sa.Text(), comment="JSON answered: counts and ids of runs, never of people."
        ),
        sa.PrimaryKeyConstraint("key_hash", name="pk_idempotency_keys"),
        comment="Requests sent with an Idempotency-Key, for a day.",
    )
    op.create_index("ix_idempotency_keys_started_at", "idempotency_keys", ["started_at"])


def downgrade() -> None:
    """Drop it again."""
    op.drop_table("idempotency_keys")
