"""Packed records, and triggers that mark whose record changed, whoever changes it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BYTE_ORDER = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MARKED = ("users", "events", "observations")

# Statement by statement in PostgreSQL: one mark a person, however many rows. Marks have nothing
# unique, so that two writers never wait for each other over them.
FUNCTIONS = {
    "mark_added": "INSERT INTO record_changes (user_id) SELECT DISTINCT user_id FROM added;",
    "mark_changed": "INSERT INTO record_changes (user_id)"
    " SELECT user_id FROM added UNION SELECT user_id FROM gone;",
    # Who is being deleted leaves no mark.
    "mark_removed": "INSERT INTO record_changes (user_id)"
    " SELECT DISTINCT user_id FROM gone JOIN users USING (user_id);",
    "mark_everybody": "INSERT INTO record_changes (user_id) SELECT user_id FROM users;",
    "forget_packed": "DELETE FROM packed_records USING gone"
    " WHERE packed_records.user_id = gone.user_id;"
    " DELETE FROM record_changes USING gone WHERE record_changes.user_id = gone.user_id;",
    "forget_all_packed": "DELETE FROM packed_records; DELETE FROM record_changes;",
}
ADDED, GONE = "NEW TABLE AS added", "OLD TABLE AS gone"
# What the statement does -> its tables, and the function for users and for records.
TRIGGERS = {
    "INSERT": (f"REFERENCING {ADDED}", "mark_added", "mark_added"),
    "UPDATE": (f"REFERENCING {GONE} {ADDED}", "mark_changed", "mark_changed"),
    "DELETE": (f"REFERENCING {GONE}", "forget_packed", "mark_removed"),
    "TRUNCATE": ("", "forget_all_packed", "mark_everybody"),
}
FORGET = (
    "DELETE FROM packed_records WHERE user_id = OLD.user_id;"
    " DELETE FROM record_changes WHERE user_id = OLD.user_id;"
)


def upgrade() -> None:
    """Create the tables and triggers; everybody there is marked."""
    _create_packed_records()
    _create_packed_names()
    _create_record_changes()
    if op.get_bind().dialect.name == "postgresql":
        # People with up to about 140 records stay whole in their page, uncompressed.
        op.execute("ALTER TABLE packed_records SET (toast_tuple_target = 8160)")
        for column in ("events", "observations"):
            op.execute(f"ALTER TABLE packed_records ALTER COLUMN {column} SET STORAGE EXTERNAL")
        _mark_in_postgresql()
        op.execute("INSERT INTO record_changes (user_id) SELECT user_id FROM users")
    else:
        _mark_in_sqlite()
        op.execute("INSERT INTO record_changes (user_id, change_id) SELECT user_id, 0 FROM users")


def downgrade() -> None:
    """Drop them again."""
    if op.get_bind().dialect.name == "postgresql":
        for table in MARKED:
            for deed in TRIGGERS:
                op.execute(f"DROP TRIGGER {table}_{deed.lower()}_marks ON {table}")
        for name in FUNCTIONS:
            op.execute(f"DROP FUNCTION {name}()")
    else:
        for table in MARKED:
            for deed in ("insert", "update", "delete"):
                op.execute(f"DROP TRIGGER {table}_{deed}_marks")
    for table in ("record_changes", "packed_names", "packed_records"):
        op.drop_table(table)


def _create_packed_records() -> None:
    op.create_table(
        "packed_records",
        sa.Column("user_id", BYTE_ORDER, nullable=False, comment="Person concerned."),
        sa.Column("born_days", sa.Double(), comment="Birth date in days since 1970; null if unknown."),
        sa.Column("sex", sa.Text(), nullable=False, comment="As in users."),
        sa.Column("conditions", sa.Text(), nullable=False, comment="JSON text, as in users."),
        sa.Column("attributes", sa.Text(), nullable=False, comment="JSON text, as in users."),
        sa.Column(
            "events",
            sa.LargeBinary(),
            nullable=False,
            comment="All events, 37 bytes each, little-endian: seconds since 1970, request, "
            "propensity, value (8 bytes each), code of the action (4), code of the type (1).",
        ),
        sa.Column(
            "observations",
            sa.LargeBinary(),
            nullable=False,
            comment="All observations, 20 bytes each, little-endian: seconds since 1970, value "
            "(8 bytes each), code of the metric (4).",
        ),
        sa.Column("packed_at", INSTANT, nullable=False, comment="When it was packed (UTC)."),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_packed_records")),
        comment="Copy of each person's whole record in the form that training reads.",
    )


def _create_packed_names() -> None:
    op.create_table(
        "packed_names",
        sa.Column("kind", sa.Text(), nullable=False, comment="actions or metrics."),
        sa.Column(
            "code",
            sa.Integer(),
            nullable=False,
            autoincrement=False,
            comment="Number in packed_records; never reused.",
        ),
        sa.Column("name", sa.Text(), nullable=False, comment="Action or metric."),
        sa.PrimaryKeyConstraint("kind", "code", name=op.f("pk_packed_names")),
        sa.UniqueConstraint("kind", "name", name=op.f("uq_packed_names_kind_name")),
        comment="What the codes in packed_records stand for.",
    )


def _create_record_changes() -> None:
    op.create_table(
        "record_changes",
        sa.Column("user_id", sa.Text(), nullable=False, comment="Person concerned."),
        sa.Column(
            "change_id",
            BIG,
            sa.Identity(),
            nullable=False,
            comment="Tells apart changes of one person; 0 in SQLite, which needs one row only.",
        ),
        sa.PrimaryKeyConstraint("user_id", "change_id", name=op.f("pk_record_changes")),
        comment="People whose profile, events or observations changed since they were packed.",
    )


def _mark_in_postgresql() -> None:
    for name, body in FUNCTIONS.items():
        op.get_bind().exec_driver_sql(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN {body} RETURN NULL; END $$"
        )
    for table in MARKED:
        for deed, (tables, of_users, of_records) in TRIGGERS.items():
            function = of_users if table == "users" else of_records
            op.execute(
                f"CREATE TRIGGER {table}_{deed.lower()}_marks AFTER {deed} ON {table}"
                f" {tables} FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
            )
            # Even for loads that check no keys (session_replication_role = replica).
            op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_{deed.lower()}_marks")


def _mark_in_sqlite() -> None:
    # Only row by row here, but with a single writer: one mark a person is enough.
    for table in MARKED:
        _sqlite_trigger(table, "insert", _mark("NEW"))
        _sqlite_trigger(table, "update", f"{_mark('OLD')} {_mark('NEW')}")
        gone = "EXISTS (SELECT 1 FROM users WHERE user_id = OLD.user_id)"
        _sqlite_trigger(table, "delete", FORGET if table == "users" else _mark("OLD", gone))


def _mark(row: str, only_if: str = "1") -> str:
    return (
        f"INSERT INTO record_changes (user_id, change_id) SELECT {row}.user_id, 0"
        f" WHERE {only_if} AND NOT EXISTS"
        f" (SELECT 1 FROM record_changes WHERE user_id = {row}.user_id);"
    )


def _sqlite_trigger(table: str, deed: str, body: str) -> None:
    op.get_bind().exec_driver_sql(
        f"CREATE TRIGGER {table}_{deed}_marks AFTER {deed.upper()} ON {table} BEGIN {body} END"
    )
