"""Alerts as a table, and which rules were in force for an answer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")


def upgrade() -> None:
    """Create the table, add the column."""
    _create_alerts()
    _say_what_verdicts_hold(
        "JSON list of [action_id, verdict, rule_id, rule_version, observation_id, and a "
        "reading that disputes it where one does]; allowed ones left out."
    )
    op.add_column(
        "requests",
        sa.Column(
            "rules",
            sa.Text(),
            nullable=True,
            comment="Rules in force: hash of the core and own ones, and what is disabled.",
        ),
    )


def downgrade() -> None:
    """Drop both again."""
    _say_what_verdicts_hold(
        "JSON list of [action_id, verdict, rule_id, rule_version, observation_id]; "
        "allowed ones left out."
    )
    op.drop_column("requests", "rules")
    op.drop_table("alerts")


def _say_what_verdicts_hold(words: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.text(f"COMMENT ON COLUMN requests.verdicts IS '{words}'"))


def _create_alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column(
            "alert_id",
            sa.Text(),
            nullable=False,
            comment="Id: one for each rule and reading of a person.",
        ),
        sa.Column("user_id", sa.Text(), nullable=False, comment="Person concerned."),
        sa.Column("rule_id", sa.Text(), nullable=False, comment="Rule that raised it."),
        sa.Column(
            "rule_version",
            sa.Integer(),
            nullable=False,
            comment="Version of that rule, when last raised.",
        ),
        sa.Column(
            "observation_id",
            sa.Text(),
            nullable=True,
            comment="Reading that led to it; null if none did.",
        ),
        sa.Column("severity", sa.Text(), nullable=False, comment="info, warning or critical."),
        sa.Column(
            "first_raised_at", INSTANT, nullable=False, comment="When first delivered (UTC)."
        ),
        sa.Column("last_raised_at", INSTANT, nullable=False, comment="When last delivered (UTC)."),
        sa.Column(
            "acknowledged_at",
            INSTANT,
            nullable=True,
            comment="When it was said to be seen (UTC); null if not.",
        ),
        sa.Column(
            "acknowledged_by",
            sa.Text(),
            nullable=True,
            comment="Key that said so; null on loopback without keys and on the command line.",
        ),
        sa.CheckConstraint(
            "severity IN ('info', 'warning', 'critical')", name=op.f("ck_alerts_severity")
        ),
        sa.PrimaryKeyConstraint("alert_id", name=op.f("pk_alerts")),
        comment="Alerts delivered with answers: one row for each rule and reading of a person.",
    )
    op.create_index(
        op.f("ix_alerts_user_id_last_raised_at"),
        "alerts",
        ["user_id", "last_raised_at"],
        unique=False,
    )
