"""Who looked at whom and why: more columns, append-only, and receipts nobody can guess from."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")
PREFIX = "erased:"
REFUSAL = "access_log is append-only"
TRIGGERS = {"sqlite": ("update", "delete"), "postgresql": ("change", "truncate")}
WORDS = {
    "table": (
        "Who read or changed whose data; append-only.",
        "Who read or changed whose data; append-only but for erasure and retention.",
    ),
    "key_id": (
        "Key used; null on loopback without keys and on the command line.",
        "Key used; null on loopback without keys, with a token and on the command line.",
    ),
}


def upgrade() -> None:
    """Add the columns and the installation's secret, re-key receipts, close the log."""
    for column in _columns():
        op.add_column("access_log", column)
    _comment(1)
    secret = _create_installation()
    _re_key(secret)
    _close()


def downgrade() -> None:
    """Open the log again; receipts stay as they are."""
    if op.get_bind().dialect.name == "postgresql":
        for name in TRIGGERS["postgresql"]:
            op.execute(f"DROP TRIGGER access_log_{name} ON access_log")
        op.execute("DROP FUNCTION refuse_to_forget()")
    else:
        for name in TRIGGERS["sqlite"]:
            op.execute(f"DROP TRIGGER access_log_{name}")
    op.drop_table("installation")
    _comment(0)
    for column in reversed(_columns()):
        op.drop_column("access_log", column.name)


def _comment(version: int) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"COMMENT ON TABLE access_log IS '{WORDS['table'][version]}'")
        op.execute(f"COMMENT ON COLUMN access_log.key_id IS '{WORDS['key_id'][version]}'")


def _columns() -> list[sa.Column]:
    return [
        sa.Column(
            "what",
            sa.Text(),
            comment="What was read or changed: profile, recommendations, rank, users, events, "
            "observations or everything; null in entries of older versions.",
        ),
        sa.Column(
            "caller",
            sa.Text(),
            comment="Subject of the token used, self where it is bound to this person, or account "
            "on the command line; null for keys.",
        ),
        sa.Column("purpose", sa.Text(), comment="Why, in the caller's words; null if not said."),
    ]


def _create_installation() -> str:
    table = op.create_table(
        "installation",
        sa.Column(
            "installation_id",
            sa.SmallInteger(),
            nullable=False,
            autoincrement=False,
            comment="Always 1.",
        ),
        sa.Column(
            "secret",
            sa.Text(),
            nullable=False,
            comment="Key under which receipts of erasures are made; not for analysts.",
        ),
        sa.Column(
            "forgetting",
            sa.Boolean(),
            nullable=False,
            server_default=sa.false(),
            comment="True only inside a transaction that erases or purges: lets it delete from "
            "access_log.",
        ),
        sa.Column("created_at", INSTANT, nullable=False, comment="When it was set up (UTC)."),
        sa.CheckConstraint("installation_id = 1", name=op.f("ck_installation_installation_id")),
        sa.PrimaryKeyConstraint("installation_id", name=op.f("pk_installation")),
        comment="What belongs to this installation; one row.",
    )
    secret, now = secrets.token_hex(32), datetime.now(UTC)
    sqlite = op.get_bind().dialect.name == "sqlite"
    op.get_bind().execute(
        table.insert(),
        {
            "installation_id": 1,
            "secret": secret,
            "created_at": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if sqlite else now,
        },
    )
    return secret


def _re_key(secret: str) -> None:
    """Receipts were the plain SHA-256 of the id: whoever has a list of ids could try them."""
    conn = op.get_bind()
    log = sa.table("access_log", sa.column("access_id"), sa.column("user_id"), sa.column("operation"))
    rows = conn.execute(
        sa.select(log.c.access_id, log.c.user_id).where(log.c.operation == "erase")
    ).all()
    for number, name in rows:
        plain = name.removeprefix(PREFIX)
        keyed = hmac.new(secret.encode(), plain.encode(), hashlib.sha256).hexdigest()
        conn.execute(
            sa.update(log).where(log.c.access_id == number).values(user_id=PREFIX + keyed)
        )


def _close() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.get_bind().exec_driver_sql(
            "CREATE FUNCTION refuse_to_forget() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF TG_OP = 'DELETE' AND (SELECT forgetting FROM installation) THEN RETURN NULL; "
            f"END IF; RAISE EXCEPTION '{REFUSAL}'; END $$"
        )
        # Once a statement, not once a row: a purge deletes thousands.
        op.execute(
            "CREATE TRIGGER access_log_change BEFORE UPDATE OR DELETE ON access_log "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_forget()"
        )
        op.execute(
            "CREATE TRIGGER access_log_truncate BEFORE TRUNCATE ON access_log "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_forget()"
        )
        return
    op.execute(
        "CREATE TRIGGER access_log_update BEFORE UPDATE ON access_log "
        f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
    )
    op.execute(
        "CREATE TRIGGER access_log_delete BEFORE DELETE ON access_log "
        "WHEN NOT (SELECT forgetting FROM installation) "
        f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
    )
