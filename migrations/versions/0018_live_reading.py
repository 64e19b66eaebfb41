"""What a live answer reads: acknowledged alerts by person, and rows that are vacuumed in time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

INDEX = "ix_alerts_acknowledged"
SETTING = "autovacuum_vacuum_insert_scale_factor"
SHARES = {"users": "0.02", "events": "0.02", "observations": "0.02", "requests": "0.05"}
"""Table -> share of new rows after which PostgreSQL notes which pages everybody may see."""


def upgrade() -> None:
    """Add the index; settings that the operator made stay."""
    op.execute(
        f"CREATE INDEX IF NOT EXISTS {INDEX} ON alerts (user_id) WHERE acknowledged_at IS NOT NULL"
    )
    for table, options in _options().items():
        if not any(option.startswith(f"{SETTING}=") for option in options):
            op.execute(f"ALTER TABLE {table} SET ({SETTING} = {SHARES[table]})")


def downgrade() -> None:
    """Drop the index, and the settings that are as they were made here."""
    op.execute(f"DROP INDEX IF EXISTS {INDEX}")
    for table, options in _options().items():
        if f"{SETTING}={SHARES[table]}" in options:
            op.execute(f"ALTER TABLE {table} RESET ({SETTING})")


def _options() -> dict[str, list[str]]:
    """What is set for each table; of no table in SQLite, which has no such settings."""
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return {}
    found = sa.text("SELECT reloptions FROM pg_class WHERE oid = to_regclass(:name)")
    return {
        table: connection.execute(found, {"name": table}).scalar_one() or [] for table in SHARES
    }
