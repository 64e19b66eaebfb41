"""Verdicts of an answer are kept rule by rule; the view reads both forms."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

GROUPED_WORDS = (
    "JSON list of [verdict, rule_id, rule_version, list of action_id, observation_id if any, "
    "and a reading that disputes it where one does]; in answers of older versions of "
    "[action_id, verdict, rule_id, rule_version, observation_id, and so on]."
)
WORDS = (
    "JSON list of [action_id, verdict, rule_id, rule_version, observation_id, and a reading "
    "that disputes it where one does]; allowed ones left out."
)


def upgrade() -> None:
    """Let the view read either form; no row is touched."""
    _show(GROUPED, GROUPED_WORDS)


def downgrade() -> None:
    """Write what is grouped action by action again, for the view that knows nothing else."""
    op.get_bind().exec_driver_sql(UNGROUP[op.get_bind().dialect.name])
    _show(SINGLE, WORDS)


def _show(queries: dict[str, str], words: str) -> None:
    connection = op.get_bind()
    dialect = connection.dialect.name
    create = "CREATE OR REPLACE VIEW"
    if dialect == "sqlite":
        op.execute(sa.text("DROP VIEW verdicts"))
        create = "CREATE VIEW"
    connection.exec_driver_sql(f"{create} verdicts AS\n{queries[dialect]}")
    if dialect == "postgresql":
        connection.exec_driver_sql(f"COMMENT ON COLUMN requests.verdicts IS '{words}'")


GROUPED = {
    "sqlite": """SELECT
    q.request_id,
    q.user_id,
    CAST(a.value AS TEXT) AS action_id,
    CASE WHEN json_type(i.value, '$[3]') = 'array' THEN CAST(json_extract(i.value, '$[0]') AS TEXT) ELSE CAST(json_extract(i.value, '$[1]') AS TEXT) END AS verdict,
    CASE WHEN json_type(i.value, '$[3]') = 'array' THEN CAST(json_extract(i.value, '$[1]') AS TEXT) ELSE CAST(json_extract(i.value, '$[2]') AS TEXT) END AS rule_id,
    CASE WHEN json_type(i.value, '$[3]') = 'array' THEN CAST(json_extract(i.value, '$[2]') AS TEXT) ELSE CAST(json_extract(i.value, '$[3]') AS TEXT) END AS rule_version,
    CAST(json_extract(i.value, '$[4]') AS TEXT) AS observation_id,
    q.run_id,
    q.generated_at AS decided_at
FROM requests q
CROSS JOIN json_each(q.verdicts) i
CROSS JOIN json_each(i.value, CASE WHEN json_type(i.value, '$[3]') = 'array' THEN '$[3]' ELSE '$[0]' END) a""",  # noqa: E501
    "postgresql": """SELECT
    q.request_id,
    q.user_id,
    CAST(a.value AS TEXT) AS action_id,
    CASE WHEN jsonb_typeof(i.value -> 3) = 'array' THEN i.value ->> 0 ELSE i.value ->> 1 END AS verdict,
    CASE WHEN jsonb_typeof(i.value -> 3) = 'array' THEN i.value ->> 1 ELSE i.value ->> 2 END AS rule_id,
    CASE WHEN jsonb_typeof(i.value -> 3) = 'array' THEN i.value ->> 2 ELSE i.value ->> 3 END AS rule_version,
    i.value ->> 4 AS observation_id,
    q.run_id,
    q.generated_at AS decided_at
FROM requests q
CROSS JOIN jsonb_array_elements(q.verdicts) i
CROSS JOIN jsonb_array_elements_text(CASE WHEN jsonb_typeof(i.value -> 3) = 'array' THEN i.value -> 3 ELSE jsonb_build_array(i.value -> 0) END) a""",  # noqa: E501
}
SINGLE = {
    "sqlite": """SELECT
    q.request_id,
    q.user_id,
    CAST(json_extract(i.value, '$[0]') AS TEXT) AS action_id,
    CAST(json_extract(i.value, '$[1]') AS TEXT) AS verdict,
    CAST(json_extract(i.value, '$[2]') AS TEXT) AS rule_id,
    CAST(json_extract(i.value, '$[3]') AS TEXT) AS rule_version,
    CAST(json_extract(i.value, '$[4]') AS TEXT) AS observation_id,
    q.run_id,
    q.generated_at AS decided_at
FROM requests q
CROSS JOIN json_each(q.verdicts) i""",
    "postgresql": """SELECT
    q.request_id,
    q.user_id,
    i.value ->> 0 AS action_id,
    i.value ->> 1 AS verdict,
    i.value ->> 2 AS rule_id,
    i.value ->> 3 AS rule_version,
    i.value ->> 4 AS observation_id,
    q.run_id,
    q.generated_at AS decided_at
FROM requests q
CROSS JOIN jsonb_array_elements(q.verdicts) i""",
}
# All entries of a row are of one form.
UNGROUP = {
    "sqlite": """UPDATE requests SET verdicts = (
    SELECT json_group_array(json(CASE WHEN json_extract(i.value, '$[5]') IS NULL
        THEN json_array(a.value, json_extract(i.value, '$[0]'), json_extract(i.value, '$[1]'),
            json_extract(i.value, '$[2]'), json_extract(i.value, '$[4]'))
        ELSE json_array(a.value, json_extract(i.value, '$[0]'), json_extract(i.value, '$[1]'),
            json_extract(i.value, '$[2]'), json_extract(i.value, '$[4]'),
            json_extract(i.value, '$[5]')) END))
    FROM json_each(requests.verdicts) i CROSS JOIN json_each(i.value, '$[3]') a
) WHERE json_type(verdicts, '$[0][3]') = 'array'""",
    "postgresql": """UPDATE requests SET verdicts = (
    SELECT jsonb_agg(jsonb_build_array(
            a.value, i.value -> 0, i.value -> 1, i.value -> 2, i.value -> 4
        ) || CASE WHEN i.value ->> 5 IS NULL THEN '[]' ELSE jsonb_build_array(i.value -> 5) END)
    FROM jsonb_array_elements(requests.verdicts) i
    CROSS JOIN jsonb_array_elements(i.value -> 3) a
) WHERE jsonb_typeof(verdicts -> 0 -> 3) = 'array'""",
}
