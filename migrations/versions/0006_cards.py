"""Model cards."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    """Add the column."""
    op.add_column(
        "runs",
        sa.Column(
            "card",
            JSON,
            nullable=True,
            comment="JSON: model card: use and limits, data, figures, groups of people, drift, gate.",
        ),
    )


def downgrade() -> None:
    """Drop it again."""
    op.drop_column("runs", "card")
