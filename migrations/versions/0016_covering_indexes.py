"""Indexes that hold a person's whole record: an answer reads them and no table."""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# They may be built beforehand without holding up writers: see docs/storage.md.
NEW = {
    "ix_events_record": (
        "events (user_id, occurred_at, action_id, type, request_id, propensity, value)"
    ),
    "ix_observations_record": (
        "observations (user_id, metric, observed_at, value, observation_id)"
    ),
}
OLD = {
    "ix_events_user_id_occurred_at": "events (user_id, occurred_at)",
    "ix_observations_user_id_metric_observed_at": "observations (user_id, metric, observed_at)",
}


def upgrade() -> None:
    """Put the new ones in the place of those that they begin with."""
    _replace(OLD, NEW)


def downgrade() -> None:
    """Put the short ones back."""
    _replace(NEW, OLD)


def _replace(old: dict[str, str], new: dict[str, str]) -> None:
    for name, columns in new.items():
        op.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {columns}")
    for name in old:
        op.execute(f"DROP INDEX IF EXISTS {name}")
