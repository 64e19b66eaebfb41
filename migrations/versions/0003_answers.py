"""Tables of answers, keys and who looked at whom."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")
JSON = sa.JSON().with_variant(JSONB(), "postgresql")
BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TABLES = (
    "requests",
    "api_keys",
    "access_log",
)


def upgrade() -> None:
    """Create them."""
    _create_requests()
    _create_api_keys()
    _create_access_log()


def downgrade() -> None:
    """Drop them again."""
    for table in reversed(TABLES):
        op.drop_table(table)


def _create_requests() -> None:
    op.create_table(
        "requests",
        sa.Column("request_id", sa.Text(), nullable=False, comment="Id of the answer."),
        sa.Column(
            "user_id",
            sa.Text(),
            nullable=False,
            comment="Person it was for (may be unknown to users).",
        ),
        sa.Column("run_id", sa.Text(), nullable=False, comment="Published run that scored it."),
        sa.Column("generated_at", INSTANT, nullable=False, comment="When it was given (UTC)."),
        sa.Column("as_of", INSTANT, nullable=False, comment="Records up to here were seen (UTC)."),
        sa.Column("channel", sa.Text(), nullable=False, comment="http or cli."),
        sa.Column("objective", sa.Text(), nullable=False, comment="benefit or completion."),
        sa.Column("audience", sa.Text(), nullable=False, comment="user or clinician."),
        sa.Column("domain", sa.Text(), nullable=True, comment="Domain asked for; null for all."),
        sa.Column(
            "item_limit", sa.Integer(), nullable=False, comment="How many items were asked for."
        ),
        sa.Column(
            "cold_start",
            sa.Boolean(),
            nullable=False,
            comment="True if nothing was known of the person.",
        ),
        sa.Column(
            "withheld", sa.Integer(), nullable=False, comment="How many actions were withheld."
        ),
        sa.Column(
            "items",
            JSON,
            nullable=False,
            comment="JSON list of [rank, action_id, score, p_complete, benefit, five parts, verdict, rule_id, propensity].",
        ),
        sa.Column(
            "verdicts",
            JSON,
            nullable=False,
            comment="JSON list of [action_id, verdict, rule_id, rule_version, observation_id]; allowed ones left out.",
        ),
        sa.Column("alerts", JSON, nullable=False, comment="JSON list of [rule_id, severity]."),
        sa.CheckConstraint("channel IN ('http', 'cli')", name=op.f("ck_requests_channel")),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_requests")),
        comment="Every answer given, one compact row each.",
    )
    op.create_index(
        op.f("ix_requests_user_id_generated_at"),
        "requests",
        ["user_id", "generated_at"],
        unique=False,
    )


def _create_api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.Text(), nullable=False, comment="Public id of the key."),
        sa.Column("name", sa.Text(), nullable=False, comment="What it is for."),
        sa.Column(
            "key_hash",
            sa.Text(),
            nullable=False,
            comment="SHA-256 of the key; the key itself is not kept.",
        ),
        sa.Column("scopes", JSON, nullable=False, comment="JSON list of read, write, admin."),
        sa.Column(
            "user_id", sa.Text(), nullable=True, comment="The only person it may see; null for all."
        ),
        sa.Column("created_at", INSTANT, nullable=False, comment="When it was made (UTC)."),
        sa.Column(
            "expires_at", INSTANT, nullable=True, comment="When it ends (UTC); null for never."
        ),
        sa.Column("revoked_at", INSTANT, nullable=True, comment="When it was revoked (UTC)."),
        sa.Column(
            "last_used_at",
            INSTANT,
            nullable=True,
            comment="When it was last used (UTC), to the minute.",
        ),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_api_keys_key_hash")),
        comment="Keys of the HTTP interface.",
    )


def _create_access_log() -> None:
    op.create_table(
        "access_log",
        sa.Column(
            "access_id",
            BIG_ID,
            sa.Identity(always=False),
            nullable=False,
            comment="Number of the entry.",
        ),
        sa.Column("at", INSTANT, nullable=False, comment="When (UTC)."),
        sa.Column(
            "key_id",
            sa.Text(),
            nullable=True,
            comment="Key used; null on loopback without keys and on the command line.",
        ),
        sa.Column("operation", sa.Text(), nullable=False, comment="read, update, export or erase."),
        sa.Column("user_id", sa.Text(), nullable=False, comment="Person concerned."),
        sa.Column("channel", sa.Text(), nullable=False, comment="http or cli."),
        sa.CheckConstraint(
            "operation IN ('read', 'update', 'export', 'erase')",
            name=op.f("ck_access_log_operation"),
        ),
        sa.PrimaryKeyConstraint("access_id", name=op.f("pk_access_log")),
        comment="Who read or changed whose data; append-only.",
    )
    op.create_index(op.f("ix_access_log_user_id_at"), "access_log", ["user_id", "at"], unique=False)
