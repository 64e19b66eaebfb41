"""Tables of trainings and what they scored."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")
JSON = sa.JSON().with_variant(JSONB(), "postgresql")
BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TABLES = (
    "runs",
    "run_metrics",
    "publications",
    "scores",
    "nightly_withheld",
)


def upgrade() -> None:
    """Create them."""
    _create_runs()
    _create_run_metrics()
    _create_publications()
    _create_scores()
    _create_nightly_withheld()


def downgrade() -> None:
    """Drop them again."""
    for table in reversed(TABLES):
        op.drop_table(table)


def _create_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", sa.Text(), nullable=False, comment="Id of the run; sorts by time."),
        sa.Column(
            "status", sa.Text(), nullable=False, comment="training, trained, held_back or failed."
        ),
        sa.Column("as_of", INSTANT, nullable=False, comment="Records up to here were used (UTC)."),
        sa.Column("started_at", INSTANT, nullable=False, comment="When training began (UTC)."),
        sa.Column("finished_at", INSTANT, nullable=True, comment="When it ended (UTC)."),
        sa.Column("seed", sa.Integer(), nullable=False, comment="Seed of everything random."),
        sa.Column("code_version", sa.Text(), nullable=False, comment="Version of the product."),
        sa.Column(
            "message",
            sa.Text(),
            nullable=True,
            comment="Why it was held back or failed, or its summary.",
        ),
        sa.Column(
            "manifest",
            JSON,
            nullable=True,
            comment="JSON: versions, hash, data window, feature names, settings.",
        ),
        sa.Column(
            "artifact",
            sa.LargeBinary(),
            nullable=True,
            comment="Arrays of the model, NumPy npz without pickles.",
        ),
        sa.CheckConstraint(
            "status IN ('training', 'trained', 'held_back', 'failed')", name=op.f("ck_runs_status")
        ),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_runs")),
        comment="One row a training.",
    )


def _create_run_metrics() -> None:
    op.create_table(
        "run_metrics",
        sa.Column("run_id", sa.Text(), nullable=False, comment="Training run."),
        sa.Column(
            "name",
            sa.Text(),
            nullable=False,
            comment="Name of the figure, such as hybrid_ndcg_at_10.",
        ),
        sa.Column(
            "segment",
            sa.Text(),
            server_default="all",
            nullable=False,
            comment="Group of people it is for.",
        ),
        sa.Column(
            "value",
            sa.Double(),
            nullable=False,
            comment="The figure; its unit is part of its name.",
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.run_id"], name=op.f("fk_run_metrics_run_id_runs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "name", "segment", name=op.f("pk_run_metrics")),
        comment="Figures of each run.",
    )


def _create_publications() -> None:
    op.create_table(
        "publications",
        sa.Column(
            "publication_id",
            BIG_ID,
            sa.Identity(always=False),
            nullable=False,
            comment="Grows; the highest is in force.",
        ),
        sa.Column("run_id", sa.Text(), nullable=False, comment="Training run."),
        sa.Column(
            "published_at", INSTANT, nullable=False, comment="When it came into force (UTC)."
        ),
        sa.Column("reason", sa.Text(), nullable=False, comment="train, publish or rollback."),
        sa.CheckConstraint(
            "reason IN ('train', 'publish', 'rollback')", name=op.f("ck_publications_reason")
        ),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["runs.run_id"],
            name=op.f("fk_publications_run_id_runs"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("publication_id", name=op.f("pk_publications")),
        comment="Which run was put in force when; append-only.",
    )


def _create_scores() -> None:
    op.create_table(
        "scores",
        sa.Column("run_id", sa.Text(), nullable=False, comment="Training run."),
        sa.Column("user_id", sa.Text(), nullable=False, comment="Person concerned."),
        sa.Column(
            "rank",
            sa.SmallInteger(),
            nullable=False,
            comment="1 is best; by score, before variety.",
        ),
        sa.Column("action_id", sa.Text(), nullable=False, comment="Action scored."),
        sa.Column(
            "score", sa.Double(), nullable=False, comment="What the list is ordered by, 0 to 1."
        ),
        sa.Column(
            "p_complete",
            sa.Double(),
            nullable=False,
            comment="Probability of completing within 7 days if shown now.",
        ),
        sa.Column(
            "benefit",
            sa.Double(),
            nullable=False,
            comment="How much the readings call for it, 0 to 1.",
        ),
        sa.Column(
            "base_part",
            sa.Double(),
            nullable=False,
            comment="Log-odds share of the action's base rate.",
        ),
        sa.Column(
            "profile_part",
            sa.Double(),
            nullable=False,
            comment="Log-odds share of age, sex, conditions and attributes.",
        ),
        sa.Column(
            "biometrics_part", sa.Double(), nullable=False, comment="Log-odds share of readings."
        ),
        sa.Column(
            "behaviour_part",
            sa.Double(),
            nullable=False,
            comment="Log-odds share of what the person did lately.",
        ),
        sa.Column(
            "factor_part",
            sa.Double(),
            nullable=False,
            comment="Log-odds share of matrix factorisation.",
        ),
        sa.Column(
            "verdict",
            sa.Text(),
            nullable=False,
            comment="allow or caution; withheld ones are in nightly_withheld.",
        ),
        sa.Column("rule_id", sa.Text(), nullable=True, comment="Rule behind a caution."),
        sa.CheckConstraint("verdict IN ('allow', 'caution')", name=op.f("ck_scores_verdict")),
        sa.PrimaryKeyConstraint("run_id", "user_id", "rank", name=op.f("pk_scores")),
        comment="Nightly picture: the best actions of every person in every kept run.",
    )


def _create_nightly_withheld() -> None:
    op.create_table(
        "nightly_withheld",
        sa.Column("run_id", sa.Text(), nullable=False, comment="Training run."),
        sa.Column("user_id", sa.Text(), nullable=False, comment="Person concerned."),
        sa.Column(
            "withheld",
            JSON,
            nullable=False,
            comment="JSON list of [action_id, rule_id, rule_version, observation_id].",
        ),
        sa.PrimaryKeyConstraint("run_id", "user_id", name=op.f("pk_nightly_withheld")),
        comment="What the guardrails withheld from each person in the nightly picture.",
    )
