"""That a key was ever made is kept for good, whatever becomes of the key."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

TRIGGER = "api_keys_made"
FUNCTION = "note_key_made"
NOTE = "UPDATE installation SET key_made = true WHERE NOT key_made"


def upgrade() -> None:
    """Add the mark and who sets it, then set it where a key is, or is known to have been."""
    op.add_column(
        "installation",
        sa.Column(
            "key_made",
            sa.Boolean(),
            nullable=False,
            server_default=sa.false(),
            comment="True from the first key on, even when it is gone: nobody is answered "
            "without one.",
        ),
    )
    # A trigger, since the version before makes keys as well while an upgrade is under way.
    if op.get_bind().dialect.name == "postgresql":
        op.get_bind().exec_driver_sql(
            f"CREATE FUNCTION {FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"{NOTE}; RETURN NULL; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {TRIGGER} AFTER INSERT ON api_keys "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {FUNCTION}()"
        )
    else:
        op.execute(f"CREATE TRIGGER {TRIGGER} AFTER INSERT ON api_keys BEGIN {NOTE}; END")
    # Keys that went with their person left their ids where they were used.
    op.execute(
        f"{NOTE} AND (EXISTS (SELECT 1 FROM api_keys) "
        "OR EXISTS (SELECT 1 FROM access_log WHERE key_id IS NOT NULL))"
    )


def downgrade() -> None:
    """Forget it."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"DROP TRIGGER {TRIGGER} ON api_keys")
        op.execute(f"DROP FUNCTION {FUNCTION}()")
    else:
        op.execute(f"DROP TRIGGER {TRIGGER}")
    op.drop_column("installation", "key_made")
