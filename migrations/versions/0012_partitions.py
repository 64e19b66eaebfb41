"""The nightly picture of each run as a table of its own (PostgreSQL).

Rows of runs that are kept move; readers go on until the last moment, when the new table takes the
old one's name, its grants and its place in every view. SQLite keeps one table: it has no partitions.
"""

from __future__ import annotations

import hashlib
import re

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

KEYS = {"scores": "run_id, user_id, rank", "nightly_withheld": "run_id, user_id"}
KEPT = (
    "SELECT run_id FROM runs WHERE artifact IS NOT NULL OR run_id = "
    "(SELECT run_id FROM publications ORDER BY publication_id DESC LIMIT 1) ORDER BY run_id"
)
MARK = "ck_of_run"
USUAL_ID = re.compile(r"\d{8}T\d{6}-[0-9a-f]{6}")


def upgrade() -> None:
    """Partition both tables by run."""
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in KEYS:
        _do(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")
        kept = _rows(KEPT)
        columns = ", ".join(_columns(table))
        like = f"LIKE {table} INCLUDING ALL EXCLUDING INDEXES"
        _do(f"CREATE TABLE {table}_new ({like}) PARTITION BY LIST (run_id)")
        _do(f"CREATE INDEX ON {table}_new (user_id)")
        for (run_id,) in kept:
            name, of_run = _name_of(table, run_id), f"run_id = {_quoted(run_id)}"
            if _rows(f"SELECT 1 FROM {table} WHERE {of_run} LIMIT 1"):
                _do(f"CREATE TABLE {name} ({like}, CONSTRAINT {MARK} CHECK ({of_run}))")
                _do(f"COMMENT ON TABLE {name} IS {_quoted(f'Run {run_id}')}")
                _do(
                    f"INSERT INTO {name} ({columns}) SELECT {columns} FROM {table} "
                    f"WHERE {of_run} ORDER BY {KEYS[table]}"
                )
                _do(f"CREATE INDEX ON {name} (user_id)")
                _do(f"ANALYZE {name}")
                _do(
                    f"ALTER TABLE {table}_new ATTACH PARTITION {name} "
                    f"FOR VALUES IN ({_quoted(run_id)})"
                )
        _put_in_place(table)
        _do(f"ALTER INDEX {table}_new_user_id_idx RENAME TO ix_{table}_user_id")


def downgrade() -> None:
    """Make each one table again."""
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, key in KEYS.items():
        columns = ", ".join(_columns(table))
        _do(f"CREATE TABLE {table}_new (LIKE {table} INCLUDING ALL EXCLUDING INDEXES)")
        _do(f"INSERT INTO {table}_new ({columns}) SELECT {columns} FROM {table} ORDER BY {key}")
        _put_in_place(table)
        _do(f"ALTER TABLE {table} ADD CONSTRAINT pk_{table} PRIMARY KEY ({key})")
    waiting = f"SELECT conrelid::regclass::text FROM pg_constraint WHERE conname = '{MARK}'"
    for (name,) in _rows(waiting):
        _do(f"DROP TABLE {name}")


def _put_in_place(table: str) -> None:
    """Give the new table the old one's name, comment, grants and views, and drop the old one."""
    views, grants, comment = _views(table), _grants(table), _comment(table)
    _do(f"ALTER TABLE {table} RENAME TO {table}_old")
    _do(f"ALTER TABLE {table}_new RENAME TO {table}")
    _do(f"COMMENT ON TABLE {table} IS {_quoted(comment)}")
    for statement in [*grants, *views]:
        _do(statement)
    _do(f"DROP TABLE {table}_old")


def _views(table: str) -> list[str]:
    """Statements that make the views upon a table anew: those of others as well as our own."""
    found = _rows(
        "SELECT DISTINCT v.oid::regclass::text, pg_get_viewdef(v.oid), v.reloptions "
        "FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class v ON v.oid = r.ev_class "
        f"WHERE d.refobjid = '{table}'::regclass AND d.classid = 'pg_rewrite'::regclass "
        "AND v.relkind = 'v' ORDER BY 1"
    )
    return [
        f"CREATE OR REPLACE VIEW {name} "
        f"{'WITH (' + ', '.join(options) + ') ' if options else ''}AS {query}"
        for name, query, options in found
    ]


def _grants(table: str) -> list[str]:
    found = _rows(
        "SELECT privilege_type, CASE grantee WHEN 0 THEN 'PUBLIC' "
        "ELSE quote_ident(pg_get_userbyid(grantee)) END, is_grantable "
        "FROM pg_class c, aclexplode(c.relacl) "
        f"WHERE c.oid = '{table}'::regclass AND grantee <> relowner ORDER BY 2, 1"
    )
    return [
        f"GRANT {kind} ON {table} TO {role}{' WITH GRANT OPTION' if passes_on else ''}"
        for kind, role, passes_on in found
    ]


def _columns(table: str) -> list[str]:
    return [
        name
        for (name,) in _rows(
            f"SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = '{table}'::regclass "
            "AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        )
    ]


def _comment(table: str) -> str:
    return str(_rows(f"SELECT obj_description('{table}'::regclass, 'pg_class')")[0][0])


def _name_of(table: str, run_id: str) -> str:
    plain = re.sub(r"[^a-z0-9]", "_", run_id.lower())[:30]
    if not USUAL_ID.fullmatch(run_id):
        plain += "_" + hashlib.sha256(run_id.encode()).hexdigest()[:8]
    return f"{table}_{plain}"


def _rows(query: str) -> list[sa.Row]:
    return list(op.get_bind().exec_driver_sql(query.replace("%", "%%")))


def _do(statement: str) -> None:
    op.get_bind().exec_driver_sql(statement.replace("%", "%%"))


def _quoted(words: str) -> str:
    return "'" + words.replace("'", "''") + "'"
