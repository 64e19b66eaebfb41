"""A standard error beside every score, in the nightly picture and in answers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SQLITE, POSTGRESQL = "sqlite", "postgresql"
ITEMS = (
    "JSON list of [rank, action_id, score, p_complete, benefit, five parts, verdict, rule_id, "
    "propensity"
)
MEANING = "Standard error of the log-odds of p_complete; null for runs of older versions."
PROPENSITY = "Probability with which it stands in this list, in (0, 1]."
PROPENSITY_BEFORE = "Probability with which it was shown at this place, in (0, 1]."


def upgrade() -> None:
    """Add the column, and show it at the end of three views."""
    op.add_column(
        "scores",
        sa.Column(
            "standard_error",
            sa.Double(),
            comment="Standard error of the log-odds of p_complete; null in runs of older versions.",
        ),
    )
    dialect = op.get_bind().dialect.name
    for name in VIEWS:
        # PostgreSQL lets a view grow at its end, so that grants and views upon it stay.
        if dialect == SQLITE:
            op.execute(sa.text(f"DROP VIEW {name}"))
        _run(f"CREATE {'' if dialect == SQLITE else 'OR REPLACE '}VIEW {name} AS\n", name, True)
    if dialect == POSTGRESQL:
        _comments(PROPENSITY, f"{ITEMS}, standard_error].")
        for name in VIEWS:
            _comment(f"{name}.standard_error", MEANING)


def downgrade() -> None:
    """Show and keep it no more."""
    dialect = op.get_bind().dialect.name
    for name in VIEWS:
        comments = _comments_of(name) if dialect == POSTGRESQL else []
        op.execute(sa.text(f"DROP VIEW {name}"))
        _run(f"CREATE VIEW {name} AS\n", name, False)
        for column, words in comments:
            _comment(f"{name}.{column}" if column else name, words, column is None)
    if dialect == POSTGRESQL:
        _comments(PROPENSITY_BEFORE, f"{ITEMS}].")
    op.drop_column("scores", "standard_error")


def _run(create: str, view: str, with_error: bool) -> None:
    dialect = op.get_bind().dialect.name
    fields, error = (SQLITE_ITEM, SQLITE_ERROR) if dialect == SQLITE else (PG_ITEM, PG_ERROR)
    error = "s.standard_error" if view == "current_scores" else error
    query = VIEWS[view].format(
        items=",\n".join(f"    {field}" for field in fields),
        error=f",\n    {error}" if with_error else "",
        each="json_each" if dialect == SQLITE else "jsonb_array_elements",
        action_id=(
            "CAST(json_extract(i.value, '$[1]') AS TEXT)" if dialect == SQLITE else "i.value ->> 1"
        ),
    )
    op.get_bind().exec_driver_sql(create + query)


def _comments(propensity: str, items: str) -> None:
    _comment("recommendations.propensity", propensity)
    _comment("served_recommendations.propensity", propensity)
    _comment("requests.items", items)


def _comment(what: str, words: str, view: bool = False) -> None:
    quoted = words.replace("'", "''")
    kind = "VIEW" if view else "COLUMN"
    op.get_bind().exec_driver_sql(f"COMMENT ON {kind} {what} IS '{quoted}'")


def _comments_of(view: str) -> list[tuple[str | None, str]]:
    """Comments of a view and its columns, to be put back when it is made again."""
    found = op.get_bind().exec_driver_sql(
        "SELECT a.attname, col_description(a.attrelid, a.attnum) FROM pg_attribute a "
        f"WHERE a.attrelid = '{view}'::regclass AND a.attnum > 0 "
        "AND a.attname <> 'standard_error' "
        f"UNION ALL SELECT NULL, obj_description('{view}'::regclass)"
    )
    return [(column, words) for column, words in found if words is not None]


PARTS = ("base_part", "profile_part", "biometrics_part", "behaviour_part", "factor_part")
REALS = tuple(enumerate(("score", "p_complete", "benefit", *PARTS), start=2))
SQLITE_ITEM = (
    "CAST(json_extract(i.value, '$[0]') AS INTEGER) AS rank",
    "json_extract(i.value, '$[1]') AS action_id",
    *(f"CAST(json_extract(i.value, '$[{place}]') AS REAL) AS {name}" for place, name in REALS),
    "json_extract(i.value, '$[10]') AS verdict",
    "json_extract(i.value, '$[11]') AS rule_id",
    "CAST(json_extract(i.value, '$[12]') AS REAL) AS propensity",
)
PG_ITEM = (
    "CAST(i.value ->> 0 AS integer) AS rank",
    "i.value ->> 1 AS action_id",
    *(f"CAST(i.value ->> {place} AS double precision) AS {name}" for place, name in REALS),
    "i.value ->> 10 AS verdict",
    "i.value ->> 11 AS rule_id",
    "CAST(i.value ->> 12 AS double precision) AS propensity",
)
SQLITE_ERROR = "CAST(json_extract(i.value, '$[13]') AS REAL) AS standard_error"
PG_ERROR = "CAST(i.value ->> 13 AS double precision) AS standard_error"

VIEWS = {
    "current_scores": """SELECT
    s.user_id,
    s.rank,
    s.action_id,
    a.title,
    a.domain,
    s.score,
    s.p_complete,
    s.benefit,
    s.base_part,
    s.profile_part,
    s.biometrics_part,
    s.behaviour_part,
    s.factor_part,
    s.verdict,
    s.rule_id,
    s.run_id,
    r.as_of AS scored_at{error}
FROM scores s
JOIN actions a ON a.action_id = s.action_id
JOIN runs r ON r.run_id = s.run_id
WHERE s.run_id = (SELECT p.run_id FROM publications p ORDER BY p.publication_id DESC LIMIT 1)""",
    "recommendations": """SELECT
    q.request_id,
    q.user_id,
{items},
    q.run_id{error}
FROM requests q
CROSS JOIN {each}(q.items) i""",
    "served_recommendations": """SELECT
    q.request_id,
    q.user_id,
{items},
    a.title,
    a.domain,
    q.generated_at,
    q.as_of,
    q.channel,
    q.objective,
    q.audience,
    q.run_id{error}
FROM requests q
CROSS JOIN {each}(q.items) i
LEFT JOIN actions a ON a.action_id = {action_id}""",
}
