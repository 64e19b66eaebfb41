"""Tables of saved evaluations: what was judged, what each model said, what it came to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")
JSON = sa.JSON().with_variant(JSONB(), "postgresql")
BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TABLES = (
    "evaluations",
    "evaluation_figures",
    "evaluation_impressions",
    "evaluation_predictions",
    "evaluation_relevant",
    "evaluation_lists",
)


def upgrade() -> None:
    """Create them."""
    _create_evaluations()
    _create_figures()
    _create_impressions()
    _create_predictions()
    _create_relevant()
    _create_lists()


def downgrade() -> None:
    """Drop them again."""
    for table in reversed(TABLES):
        op.drop_table(table)


def _key() -> list[sa.Column]:
    return [
        sa.Column("evaluation_id", BIG_ID, autoincrement=False, nullable=False, comment="Evaluation."),
        sa.Column("user_id", sa.Text(), nullable=False, comment="Person judged."),
    ]


def _model() -> sa.Column:
    return sa.Column(
        "model",
        sa.Text(),
        nullable=False,
        comment="Entrant, such as hybrid or popularity_rate.",
    )


def _action_id() -> sa.Column:
    return sa.Column("action_id", sa.Text(), nullable=False, comment="Action concerned.")


def _scored() -> list[sa.Column]:
    return [
        sa.Column(
            "score",
            sa.Double(),
            nullable=False,
            comment="What the model orders by; any unit of its own.",
        ),
        sa.Column(
            "p_complete",
            sa.Double(),
            nullable=True,
            comment="Probability of completing, where the model gives one.",
        ),
    ]


def _create_evaluations() -> None:
    op.create_table(
        "evaluations",
        sa.Column(
            "evaluation_id", BIG_ID, sa.Identity(), nullable=False, comment="Grows with time."
        ),
        sa.Column("created_at", INSTANT, nullable=False, comment="When it was made (UTC)."),
        sa.Column(
            "split_at", INSTANT, nullable=False, comment="Models saw records up to here (UTC)."
        ),
        sa.Column("end_at", INSTANT, nullable=False, comment="They were judged up to here (UTC)."),
        sa.Column("seed", sa.Integer(), nullable=False, comment="Seed of everything random."),
        sa.Column("users", sa.Integer(), nullable=False, comment="People on record."),
        sa.Column("actions", sa.Integer(), nullable=False, comment="Actions in the catalogue."),
        sa.Column("judged", sa.Integer(), nullable=False, comment="People judged."),
        sa.Column(
            "settings",
            JSON,
            nullable=False,
            comment="JSON object: settings chosen for each model before the split.",
        ),
        sa.Column("code_version", sa.Text(), nullable=False, comment="Version of the product."),
        sa.PrimaryKeyConstraint("evaluation_id", name=op.f("pk_evaluations")),
        comment="One row a saved evaluation; the newest few are kept.",
    )


def _create_figures() -> None:
    op.create_table(
        "evaluation_figures",
        sa.Column("evaluation_id", BIG_ID, autoincrement=False, nullable=False, comment="Evaluation."),
        _model(),
        sa.Column(
            "figure",
            sa.Text(),
            nullable=False,
            comment="Name of the figure, such as ndcg_at_10.",
        ),
        sa.Column(
            "value",
            sa.Double(),
            nullable=False,
            comment="The figure; its unit is part of its meaning.",
        ),
        sa.Column("low", sa.Double(), comment="Lower end of its 95 % interval; null if it has none."),
        sa.Column("high", sa.Double(), comment="Upper end of its 95 % interval; null if it has none."),
        sa.Column(
            "hybrid_minus",
            sa.Double(),
            comment="The hybrid's figure minus this one; null for itself.",
        ),
        sa.Column(
            "hybrid_minus_low",
            sa.Double(),
            comment="Lower end of the paired 95 % interval of that.",
        ),
        sa.Column(
            "hybrid_minus_high",
            sa.Double(),
            comment="Upper end of the paired 95 % interval of that.",
        ),
        sa.PrimaryKeyConstraint(
            "evaluation_id", "model", "figure", name=op.f("pk_evaluation_figures")
        ),
        comment="The leaderboard of each saved evaluation.",
    )


def _create_impressions() -> None:
    op.create_table(
        "evaluation_impressions",
        *_key(),
        sa.Column(
            "impression", sa.Integer(), nullable=False, comment="Number of the impression, from 0."
        ),
        _action_id(),
        sa.Column("shown_at", INSTANT, nullable=False, comment="When it was shown (UTC)."),
        sa.Column(
            "propensity",
            sa.Double(),
            comment="Probability with which it was shown; null if unknown.",
        ),
        sa.Column(
            "completed",
            sa.SmallInteger(),
            nullable=False,
            comment="1 if completed within 7 days, else 0.",
        ),
        sa.Column(
            "weight",
            sa.Double(),
            nullable=False,
            comment="What it counts: less than 1 where a completion may be yet to come.",
        ),
        sa.PrimaryKeyConstraint(
            "evaluation_id", "user_id", "impression", name=op.f("pk_evaluation_impressions")
        ),
        comment="What was shown after the split, and what became of it.",
        sqlite_with_rowid=False,
    )


def _create_predictions() -> None:
    op.create_table(
        "evaluation_predictions",
        *_key(),
        sa.Column("impression", sa.Integer(), nullable=False, comment="Impression concerned."),
        _model(),
        *_scored(),
        sa.PrimaryKeyConstraint(
            "evaluation_id",
            "user_id",
            "impression",
            "model",
            name=op.f("pk_evaluation_predictions"),
        ),
        comment="What each model made of each impression after the split.",
        sqlite_with_rowid=False,
    )


def _create_relevant() -> None:
    op.create_table(
        "evaluation_relevant",
        *_key(),
        _model(),
        _action_id(),
        sa.Column(
            "rank",
            sa.Integer(),
            nullable=False,
            comment="Its place in the model's list of the whole catalogue, from 1.",
        ),
        sa.PrimaryKeyConstraint(
            "evaluation_id", "user_id", "model", "action_id", name=op.f("pk_evaluation_relevant")
        ),
        comment="What each person completed after the split, and where each model had put it.",
        sqlite_with_rowid=False,
    )


def _create_lists() -> None:
    op.create_table(
        "evaluation_lists",
        *_key(),
        _model(),
        sa.Column("rank", sa.SmallInteger(), nullable=False, comment="1 is best; up to 20."),
        _action_id(),
        *_scored(),
        sa.PrimaryKeyConstraint(
            "evaluation_id", "user_id", "model", "rank", name=op.f("pk_evaluation_lists")
        ),
        comment="The first 20 of each model's list of the whole catalogue for each person judged.",
        sqlite_with_rowid=False,
    )
