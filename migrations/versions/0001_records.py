"""Tables of records: people, actions, behaviour, readings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")
JSON = sa.JSON().with_variant(JSONB(), "postgresql")
BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TABLES = (
    "users",
    "actions",
    "events",
    "observations",
    "rejected_records",
)


def upgrade() -> None:
    """Create them."""
    _create_users()
    _create_actions()
    _create_events()
    _create_observations()
    _create_rejected_records()


def downgrade() -> None:
    """Drop them again."""
    for table in reversed(TABLES):
        op.drop_table(table)


def _create_users() -> None:
    op.create_table(
        "users",
        sa.Column(
            "user_id", sa.Text(), nullable=False, comment="Id given by the team's own system."
        ),
        sa.Column(
            "birth_date", sa.Date(), nullable=True, comment="Date of birth; null if unknown."
        ),
        sa.Column(
            "sex",
            sa.Text(),
            server_default="unknown",
            nullable=False,
            comment="female, male, other or unknown.",
        ),
        sa.Column(
            "conditions",
            JSON,
            server_default=sa.text("'[]'"),
            nullable=False,
            comment="JSON list of condition names.",
        ),
        sa.Column(
            "attributes",
            JSON,
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="JSON object of every further column; each is usable as a feature.",
        ),
        sa.Column("created_at", INSTANT, nullable=False, comment="When first heard of (UTC)."),
        sa.Column("updated_at", INSTANT, nullable=False, comment="When last changed (UTC)."),
        sa.CheckConstraint(
            "sex IN ('female', 'male', 'other', 'unknown')", name=op.f("ck_users_sex")
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_users")),
        comment="One row a person.",
    )


def _create_actions() -> None:
    op.create_table(
        "actions",
        sa.Column("action_id", sa.Text(), nullable=False, comment="Id of the action."),
        sa.Column("title", sa.Text(), nullable=False, comment="What to do, in the user's words."),
        sa.Column("domain", sa.Text(), nullable=False, comment="activity, nutrition, sleep, ..."),
        sa.Column(
            "description",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="Text for audience=user.",
        ),
        sa.Column(
            "clinician_description",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="Text for audience=clinician: the basis in full.",
        ),
        sa.Column(
            "effort", sa.SmallInteger(), nullable=True, comment="1 (hardly any) to 5 (a lot)."
        ),
        sa.Column("minutes", sa.Double(), nullable=True, comment="Time it takes, minutes."),
        sa.Column(
            "targets",
            JSON,
            server_default=sa.text("'[]'"),
            nullable=False,
            comment="JSON list of metrics it improves.",
        ),
        sa.Column(
            "tags",
            JSON,
            server_default=sa.text("'[]'"),
            nullable=False,
            comment="JSON list of tags that guardrail rules look at.",
        ),
        sa.Column(
            "repeat_after_days",
            sa.Double(),
            nullable=True,
            comment="Days before it makes sense again once completed.",
        ),
        sa.Column(
            "evidence",
            JSON,
            server_default=sa.text("'[]'"),
            nullable=False,
            comment="JSON list of {source, grade, url, date}.",
        ),
        sa.Column(
            "attributes",
            JSON,
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="JSON object of every further column; each is usable as a feature.",
        ),
        sa.Column(
            "retired_at",
            INSTANT,
            nullable=True,
            comment="Since when it is no longer recommended (UTC).",
        ),
        sa.Column("updated_at", INSTANT, nullable=False, comment="When last changed (UTC)."),
        sa.CheckConstraint("effort BETWEEN 1 AND 5", name=op.f("ck_actions_effort")),
        sa.CheckConstraint("minutes >= 0", name=op.f("ck_actions_minutes")),
        sa.CheckConstraint("repeat_after_days >= 0", name=op.f("ck_actions_repeat_after_days")),
        sa.PrimaryKeyConstraint("action_id", name=op.f("pk_actions")),
        comment="The catalogue: one row a health action.",
    )


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column(
            "event_id",
            sa.Text(),
            nullable=False,
            comment="Id given by the sender; makes taking it twice harmless.",
        ),
        sa.Column("user_id", sa.Text(), nullable=False, comment="Person concerned."),
        sa.Column("action_id", sa.Text(), nullable=False, comment="Action concerned."),
        sa.Column(
            "type",
            sa.Text(),
            nullable=False,
            comment="impression, view, accept, complete, dismiss, snooze or rate.",
        ),
        sa.Column("occurred_at", INSTANT, nullable=False, comment="When it happened (UTC)."),
        sa.Column(
            "propensity",
            sa.Double(),
            nullable=True,
            comment="Probability with which the impression was shown, in (0, 1].",
        ),
        sa.Column("request_id", sa.Text(), nullable=True, comment="Answer that led to it."),
        sa.Column("value", sa.Double(), nullable=True, comment="Rating, 1 to 5."),
        sa.Column("context", JSON, nullable=True, comment="Anything the sender adds, JSON."),
        sa.CheckConstraint(
            "type IN ('impression', 'view', 'accept', 'complete', 'dismiss', 'snooze', 'rate')",
            name=op.f("ck_events_type"),
        ),
        sa.CheckConstraint("propensity > 0 AND propensity <= 1", name=op.f("ck_events_propensity")),
        sa.CheckConstraint("value BETWEEN 1 AND 5", name=op.f("ck_events_value")),
        sa.ForeignKeyConstraint(
            ["action_id"], ["actions.action_id"], name=op.f("fk_events_action_id_actions")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_events_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_events")),
        comment="Behaviour: one row for each thing a person did with an action.",
    )
    op.create_index(
        op.f("ix_events_user_id_occurred_at"), "events", ["user_id", "occurred_at"], unique=False
    )


def _create_observations() -> None:
    op.create_table(
        "observations",
        sa.Column(
            "observation_id",
            sa.Text(),
            nullable=False,
            comment="Id given by the sender; makes taking it twice harmless.",
        ),
        sa.Column("user_id", sa.Text(), nullable=False, comment="Person concerned."),
        sa.Column("metric", sa.Text(), nullable=False, comment="Metric name, such as systolic_bp."),
        sa.Column("value", sa.Double(), nullable=False, comment="Value in unit."),
        sa.Column(
            "unit", sa.Text(), nullable=False, comment="UCUM unit of value: the metric's own."
        ),
        sa.Column("raw_value", sa.Double(), nullable=False, comment="Value as sent, in raw_unit."),
        sa.Column("raw_unit", sa.Text(), nullable=False, comment="Unit as sent."),
        sa.Column("observed_at", INSTANT, nullable=False, comment="When it was measured (UTC)."),
        sa.Column("source", sa.Text(), nullable=True, comment="Device or system it came from."),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.user_id"],
            name=op.f("fk_observations_user_id_users"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("observation_id", name=op.f("pk_observations")),
        comment="Biometric records: one row a reading.",
    )
    op.create_index(
        op.f("ix_observations_user_id_metric_observed_at"),
        "observations",
        ["user_id", "metric", "observed_at"],
        unique=False,
    )


def _create_rejected_records() -> None:
    op.create_table(
        "rejected_records",
        sa.Column(
            "rejected_id",
            BIG_ID,
            sa.Identity(always=False),
            nullable=False,
            comment="Number of the rejection.",
        ),
        sa.Column(
            "kind", sa.Text(), nullable=False, comment="users, actions, events or observations."
        ),
        sa.Column(
            "record_id",
            sa.Text(),
            nullable=True,
            comment="Id that the record gives itself, where readable; taking that id clears the row.",
        ),
        sa.Column("record", JSON, nullable=False, comment="The record as received, JSON."),
        sa.Column("reason_code", sa.Text(), nullable=False, comment="Short name of the reason."),
        sa.Column("reason", sa.Text(), nullable=False, comment="Why it was rejected, in words."),
        sa.Column(
            "user_id",
            sa.Text(),
            nullable=True,
            comment="Person concerned where it could be read; lets erasure reach it.",
        ),
        sa.Column("source", sa.Text(), nullable=True, comment="File or path it came by."),
        sa.Column(
            "fingerprint",
            sa.Text(),
            nullable=False,
            comment="SHA-256 of kind and record; keeps one row a record.",
        ),
        sa.Column(
            "rejected_at", INSTANT, nullable=False, comment="When it was last rejected (UTC)."
        ),
        sa.CheckConstraint(
            "kind IN ('users', 'actions', 'events', 'observations')",
            name=op.f("ck_rejected_records_kind"),
        ),
        sa.PrimaryKeyConstraint("rejected_id", name=op.f("pk_rejected_records")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_rejected_records_fingerprint")),
        comment="Records that could not be taken, to be retried once the cause is mended.",
    )
    op.create_index(
        op.f("ix_rejected_records_kind_record_id"),
        "rejected_records",
        ["kind", "record_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_rejected_records_user_id"), "rejected_records", ["user_id"], unique=False
    )
