"""The log of answers is no longer compressed by PostgreSQL: that took as long as keeping it."""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

COLUMNS = ("items", "verdicts")


def upgrade() -> None:
    """Keep long values beside the table as they are; rows there are stay as they were."""
    _store("EXTERNAL")


def downgrade() -> None:
    """Compress them again."""
    _store("EXTENDED")


def _store(how: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        changes = ", ".join(f"ALTER {column} SET STORAGE {how}" for column in COLUMNS)
        op.execute(f"ALTER TABLE requests {changes}")
