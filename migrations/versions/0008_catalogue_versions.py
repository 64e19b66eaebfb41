"""What actions say of whom they are for, and every version of every action."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")
JSON = sa.JSON().with_variant(JSONB(), "postgresql")
VIEW = "served_recommendations"
ADDED = ("intensity", "technique", "eligible", "reviewed_on", "review_by")
MOVED = ("intensity", "technique")


def upgrade() -> None:
    """Add the columns, keep every action as its first version, tell what was shown by version."""
    _add_columns()
    _move_attributes()
    _create_versions()
    _keep_first_versions()
    op.add_column(
        "requests",
        sa.Column(
            "catalogue_revision",
            sa.Integer(),
            nullable=True,
            comment="Last change of the catalogue that it had seen; see action_versions.",
        ),
    )
    _replace_view(NEW, MEANING)


def downgrade() -> None:
    """Take them away again; texts that were attributes go back there."""
    _replace_view(OLD, {name: words for name, words in MEANING.items() if name != "action_version"})
    op.drop_column("requests", "catalogue_revision")
    op.drop_table("action_versions")
    _move_back()
    for name in ADDED:
        op.drop_column("actions", name)
    _comment_evidence("JSON list of {source, grade, url, date}.")


def _add_columns() -> None:
    columns = (
        sa.Column(
            "intensity",
            sa.Text(),
            nullable=True,
            comment="none, light, moderate or vigorous; agrees with tags.",
        ),
        sa.Column(
            "technique",
            sa.Text(),
            nullable=True,
            comment="Behaviour-change technique: code and label of the BCT Taxonomy v1.",
        ),
        sa.Column(
            "eligible",
            JSON,
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="JSON object of whom it is for: min_age, max_age, sex, conditions_any, "
            "conditions_none, not_done_within_days; the guardrails hold everybody to it.",
        ),
        sa.Column(
            "reviewed_on",
            sa.Date(),
            nullable=True,
            comment="When it was last read against its sources.",
        ),
        sa.Column(
            "review_by",
            sa.Date(),
            nullable=True,
            comment="When it has to be read against them again.",
        ),
    )
    for column in columns:
        op.add_column("actions", column)
    _comment_evidence("JSON list of {source, grade, url, date, verified}.")


def _comment_evidence(words: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.text(f"COMMENT ON COLUMN actions.evidence IS '{words}'"))


def _move_attributes() -> None:
    """Texts that stood among the attributes under what are now columns' names."""
    for name in MOVED:
        if op.get_bind().dialect.name == "postgresql":
            op.execute(
                sa.text(
                    f"UPDATE actions SET {name} = attributes ->> '{name}',"
                    f" attributes = attributes - '{name}'"
                    f" WHERE jsonb_typeof(attributes -> '{name}') = 'string'"
                )
            )
        else:
            op.execute(
                sa.text(
                    f"UPDATE actions SET {name} = json_extract(attributes, '$.{name}'),"
                    f" attributes = json_remove(attributes, '$.{name}')"
                    f" WHERE json_type(attributes, '$.{name}') = 'text'"
                )
            )


def _move_back() -> None:
    for name in MOVED:
        if op.get_bind().dialect.name == "postgresql":
            changed = f"attributes || jsonb_build_object('{name}', {name})"
        else:
            changed = f"json_set(attributes, '$.{name}', {name})"
        op.execute(
            sa.text(f"UPDATE actions SET attributes = {changed} WHERE {name} IS NOT NULL")
        )


def _create_versions() -> None:
    op.create_table(
        "action_versions",
        sa.Column("action_id", sa.Text(), nullable=False, comment="Action concerned."),
        sa.Column(
            "version", sa.Integer(), nullable=False, comment="1 is the first; grows by one."
        ),
        sa.Column(
            "revision",
            sa.Integer(),
            nullable=False,
            comment="Number of the change of the catalogue it came with.",
        ),
        sa.Column(
            "valid_from", INSTANT, nullable=False, comment="Since when it stands (UTC)."
        ),
        sa.Column("content_hash", sa.Text(), nullable=False, comment="SHA-256 of content."),
        sa.Column(
            "content",
            JSON,
            nullable=False,
            comment="JSON of the whole action as it was: the columns of actions, and retired.",
        ),
        sa.Column(
            "changed_by", sa.Text(), nullable=False, comment="File or path that it came by."
        ),
        sa.ForeignKeyConstraint(
            ["action_id"],
            ["actions.action_id"],
            name=op.f("fk_action_versions_action_id_actions"),
        ),
        sa.PrimaryKeyConstraint("action_id", "version", name=op.f("pk_action_versions")),
        sa.UniqueConstraint(
            "action_id", "revision", name=op.f("uq_action_versions_action_id_revision")
        ),
        comment="Every version of every action; append-only.",
    )
    op.create_index(
        op.f("ix_action_versions_revision"), "action_versions", ["revision"], unique=False
    )


def _keep_first_versions() -> None:
    bind = op.get_bind()
    actions = sa.table(
        "actions",
        *(sa.column(name) for name in ("action_id", "title", "domain", "description")),
        *(sa.column(name) for name in ("clinician_description", "effort", "minutes")),
        *(sa.column(name, JSON) for name in ("targets", "tags", "evidence")),
        sa.column("repeat_after_days"),
        sa.column("intensity"),
        sa.column("technique"),
        sa.column("eligible", JSON),
        sa.column("reviewed_on", sa.Date()),
        sa.column("review_by", sa.Date()),
        sa.column("attributes", JSON),
        sa.column("retired_at"),
        sa.column("updated_at"),
    )
    rows = bind.execute(sa.select(actions).order_by(actions.c.action_id)).mappings().all()
    if rows:
        versions = sa.table(
            "action_versions",
            *(sa.column(name) for name in ("action_id", "version", "revision", "valid_from")),
            sa.column("content_hash"),
            sa.column("content", JSON),
            sa.column("changed_by"),
        )
        bind.execute(sa.insert(versions), [_first_version(row) for row in rows])


def _first_version(row: Any) -> dict[str, Any]:
    content = {str(name): row[name] for name in row if name not in ("retired_at", "updated_at")}
    content = orjson.loads(orjson.dumps(content | {"retired": row["retired_at"] is not None}))
    digest = hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return {
        "action_id": row["action_id"],
        "version": 1,
        "revision": 1,
        "valid_from": row["updated_at"],
        "content_hash": digest,
        "content": content,
        "changed_by": "upgrade",
    }


def _replace_view(queries: dict[str, str], meaning: dict[str, str]) -> None:
    dialect = op.get_bind().dialect.name
    op.execute(sa.text(f"DROP VIEW {VIEW}"))
    op.execute(sa.text(f"CREATE VIEW {VIEW} AS\n{queries[dialect]}"))
    if dialect == "postgresql":
        op.execute(sa.text(f"COMMENT ON VIEW {VIEW} IS {_quoted(COMMENT)}"))
        for column, words in meaning.items():
            op.execute(sa.text(f"COMMENT ON COLUMN {VIEW}.{column} IS {_quoted(words)}"))


def _quoted(words: str) -> str:
    return "'" + words.replace("'", "''") + "'"


COMMENT = "What was really shown, when, to whom and how."
MEANING = {
    "request_id": "Answer it was part of.",
    "user_id": "Person concerned.",
    "rank": "1 is best.",
    "action_id": "Action concerned.",
    "score": "What the list is ordered by, 0 to 1.",
    "p_complete": "Probability of completing within 7 days if shown now; its log-odds are the sum of the five parts.",
    "benefit": "How much the readings call for it, 0 to 1.",
    "base_part": "Log-odds share of the action's base rate.",
    "profile_part": "Log-odds share of age, sex, conditions and attributes.",
    "biometrics_part": "Log-odds share of readings.",
    "behaviour_part": "Log-odds share of what the person did lately.",
    "factor_part": "Log-odds share of matrix factorisation.",
    "verdict": "allow or caution.",
    "rule_id": "Rule behind a caution.",
    "propensity": "Probability with which it stands in this list, in (0, 1].",
    "title": "What to do, in the user's words.",
    "domain": "Domain of the action.",
    "generated_at": "When it was given (UTC).",
    "as_of": "Records up to here were seen (UTC).",
    "channel": "http or cli.",
    "objective": "benefit or completion.",
    "audience": "user or clinician.",
    "run_id": "Published run that scored it.",
    "standard_error": "Standard error of the log-odds of p_complete; null for runs of older versions.",
    "action_version": "Version of the action that was shown; title and domain are its.",
}
NEW = {
    "sqlite": """SELECT
    q.request_id,
    q.user_id,
    CAST(json_extract(i.value, '$[0]') AS INTEGER) AS rank,
    json_extract(i.value, '$[1]') AS action_id,
    CAST(json_extract(i.value, '$[2]') AS REAL) AS score,
    CAST(json_extract(i.value, '$[3]') AS REAL) AS p_complete,
    CAST(json_extract(i.value, '$[4]') AS REAL) AS benefit,
    CAST(json_extract(i.value, '$[5]') AS REAL) AS base_part,
    CAST(json_extract(i.value, '$[6]') AS REAL) AS profile_part,
    CAST(json_extract(i.value, '$[7]') AS REAL) AS biometrics_part,
    CAST(json_extract(i.value, '$[8]') AS REAL) AS behaviour_part,
    CAST(json_extract(i.value, '$[9]') AS REAL) AS factor_part,
    json_extract(i.value, '$[10]') AS verdict,
    json_extract(i.value, '$[11]') AS rule_id,
    CAST(json_extract(i.value, '$[12]') AS REAL) AS propensity,
    COALESCE(json_extract(v.content, '$.title'), a.title) AS title,
    COALESCE(json_extract(v.content, '$.domain'), a.domain) AS domain,
    q.generated_at,
    q.as_of,
    q.channel,
    q.objective,
    q.audience,
    q.run_id,
    CAST(json_extract(i.value, '$[13]') AS REAL) AS standard_error,
    v.version AS action_version
FROM requests q
CROSS JOIN json_each(q.items) i
LEFT JOIN actions a ON a.action_id = CAST(json_extract(i.value, '$[1]') AS TEXT)
LEFT JOIN action_versions v ON v.action_id = CAST(json_extract(i.value, '$[1]') AS TEXT) AND v.version = COALESCE((
    SELECT max(w.version) FROM action_versions w
    WHERE w.action_id = CAST(json_extract(i.value, '$[1]') AS TEXT) AND (
        w.revision <= q.catalogue_revision
        OR (q.catalogue_revision IS NULL AND w.valid_from <= q.generated_at)
    )
), 1)""",
    "postgresql": """SELECT
    q.request_id,
    q.user_id,
    CAST(i.value ->> 0 AS integer) AS rank,
    i.value ->> 1 AS action_id,
    CAST(i.value ->> 2 AS double precision) AS score,
    CAST(i.value ->> 3 AS double precision) AS p_complete,
    CAST(i.value ->> 4 AS double precision) AS benefit,
    CAST(i.value ->> 5 AS double precision) AS base_part,
    CAST(i.value ->> 6 AS double precision) AS profile_part,
    CAST(i.value ->> 7 AS double precision) AS biometrics_part,
    CAST(i.value ->> 8 AS double precision) AS behaviour_part,
    CAST(i.value ->> 9 AS double precision) AS factor_part,
    i.value ->> 10 AS verdict,
    i.value ->> 11 AS rule_id,
    CAST(i.value ->> 12 AS double precision) AS propensity,
    COALESCE(v.content ->> 'title', a.title) AS title,
    COALESCE(v.content ->> 'domain', a.domain) AS domain,
    q.generated_at,
    q.as_of,
    q.channel,
    q.objective,
    q.audience,
    q.run_id,
    CAST(i.value ->> 13 AS double precision) AS standard_error,
    v.version AS action_version
FROM requests q
CROSS JOIN jsonb_array_elements(q.items) i
LEFT JOIN actions a ON a.action_id = i.value ->> 1
LEFT JOIN action_versions v ON v.action_id = i.value ->> 1 AND v.version = COALESCE((
    SELECT max(w.version) FROM action_versions w
    WHERE w.action_id = i.value ->> 1 AND (
        w.revision <= q.catalogue_revision
        OR (q.catalogue_revision IS NULL AND w.valid_from <= q.generated_at)
    )
), 1)""",
}
OLD = {
    "sqlite": """SELECT
    q.request_id,
    q.user_id,
    CAST(json_extract(i.value, '$[0]') AS INTEGER) AS rank,
    json_extract(i.value, '$[1]') AS action_id,
    CAST(json_extract(i.value, '$[2]') AS REAL) AS score,
    CAST(json_extract(i.value, '$[3]') AS REAL) AS p_complete,
    CAST(json_extract(i.value, '$[4]') AS REAL) AS benefit,
    CAST(json_extract(i.value, '$[5]') AS REAL) AS base_part,
    CAST(json_extract(i.value, '$[6]') AS REAL) AS profile_part,
    CAST(json_extract(i.value, '$[7]') AS REAL) AS biometrics_part,
    CAST(json_extract(i.value, '$[8]') AS REAL) AS behaviour_part,
    CAST(json_extract(i.value, '$[9]') AS REAL) AS factor_part,
    json_extract(i.value, '$[10]') AS verdict,
    json_extract(i.value, '$[11]') AS rule_id,
    CAST(json_extract(i.value, '$[12]') AS REAL) AS propensity,
    a.title,
    a.domain,
    q.generated_at,
    q.as_of,
    q.channel,
    q.objective,
    q.audience,
    q.run_id,
    CAST(json_extract(i.value, '$[13]') AS REAL) AS standard_error
FROM requests q
CROSS JOIN json_each(q.items) i
LEFT JOIN actions a ON a.action_id = CAST(json_extract(i.value, '$[1]') AS TEXT)""",
    "postgresql": """SELECT
    q.request_id,
    q.user_id,
    CAST(i.value ->> 0 AS integer) AS rank,
    i.value ->> 1 AS action_id,
    CAST(i.value ->> 2 AS double precision) AS score,
    CAST(i.value ->> 3 AS double precision) AS p_complete,
    CAST(i.value ->> 4 AS double precision) AS benefit,
    CAST(i.value ->> 5 AS double precision) AS base_part,
    CAST(i.value ->> 6 AS double precision) AS profile_part,
    CAST(i.value ->> 7 AS double precision) AS biometrics_part,
    CAST(i.value ->> 8 AS double precision) AS behaviour_part,
    CAST(i.value ->> 9 AS double precision) AS factor_part,
    i.value ->> 10 AS verdict,
    i.value ->> 11 AS rule_id,
    CAST(i.value ->> 12 AS double precision) AS propensity,
    a.title,
    a.domain,
    q.generated_at,
    q.as_of,
    q.channel,
    q.objective,
    q.audience,
    q.run_id,
    CAST(i.value ->> 13 AS double precision) AS standard_error
FROM requests q
CROSS JOIN jsonb_array_elements(q.items) i
LEFT JOIN actions a ON a.action_id = i.value ->> 1""",
}
