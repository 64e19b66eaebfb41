"""The views that analysts read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create them, with comments where the database keeps comments on views."""
    dialect = op.get_bind().dialect.name
    for name, comment, columns, sqlite, postgresql in VIEWS:
        op.execute(
            sa.text(f"CREATE VIEW {name} AS\n{sqlite if dialect == 'sqlite' else postgresql}")
        )
        if dialect == "postgresql":
            _comment(name, comment, columns)


def downgrade() -> None:
    """Drop them again."""
    for name, *_ in reversed(VIEWS):
        op.execute(sa.text(f"DROP VIEW {name}"))


def _comment(view: str, comment: str, columns: dict[str, str]) -> None:
    op.execute(sa.text(f"COMMENT ON VIEW {view} IS {_quoted(comment)}"))
    for column, meaning in columns.items():
        op.execute(sa.text(f"COMMENT ON COLUMN {view}.{column} IS {_quoted(meaning)}"))


def _quoted(words: str) -> str:
    return "'" + words.replace("'", "''") + "'"


VIEWS = (
    (
        "current_scores",
        "Nightly picture of the published run: the best actions of every person.",
        {
            "user_id": "Person concerned.",
            "rank": "1 is best.",
            "action_id": "Action concerned.",
            "title": "What to do, in the user's words.",
            "domain": "Domain of the action.",
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
            "run_id": "Published run.",
            "scored_at": "Records up to here were used (UTC).",
        },
        """SELECT
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
    r.as_of AS scored_at
FROM scores s
JOIN actions a ON a.action_id = s.action_id
JOIN runs r ON r.run_id = s.run_id
WHERE s.run_id = (SELECT p.run_id FROM publications p ORDER BY p.publication_id DESC LIMIT 1)""",
        """SELECT
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
    r.as_of AS scored_at
FROM scores s
JOIN actions a ON a.action_id = s.action_id
JOIN runs r ON r.run_id = s.run_id
WHERE s.run_id = (SELECT p.run_id FROM publications p ORDER BY p.publication_id DESC LIMIT 1)""",
    ),
    (
        "recommendations",
        "Items of every answer: one row each.",
        {
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
            "propensity": "Probability with which it was shown at this place, in (0, 1].",
            "run_id": "Published run that scored it.",
        },
        """SELECT
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
    q.run_id
FROM requests q
CROSS JOIN json_each(q.items) i""",
        """SELECT
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
    q.run_id
FROM requests q
CROSS JOIN jsonb_array_elements(q.items) i""",
    ),
    (
        "served_recommendations",
        "What was really shown, when, to whom and how.",
        {
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
            "propensity": "Probability with which it was shown at this place, in (0, 1].",
            "title": "What to do, in the user's words.",
            "domain": "Domain of the action.",
            "generated_at": "When it was given (UTC).",
            "as_of": "Records up to here were seen (UTC).",
            "channel": "http or cli.",
            "objective": "benefit or completion.",
            "audience": "user or clinician.",
            "run_id": "Published run that scored it.",
        },
        """SELECT
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
    q.run_id
FROM requests q
CROSS JOIN json_each(q.items) i
LEFT JOIN actions a ON a.action_id = CAST(json_extract(i.value, '$[1]') AS TEXT)""",
        """SELECT
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
    q.run_id
FROM requests q
CROSS JOIN jsonb_array_elements(q.items) i
LEFT JOIN actions a ON a.action_id = i.value ->> 1""",
    ),
    (
        "verdicts",
        "What the guardrails decided in every answer; allowed actions are left out.",
        {
            "request_id": "Answer it was part of.",
            "user_id": "Person concerned.",
            "action_id": "Action concerned.",
            "verdict": "caution or withhold.",
            "rule_id": "Rule that decided.",
            "rule_version": "Version of that rule.",
            "observation_id": "Reading that it looked at; null if none.",
            "run_id": "Published run that scored it.",
            "decided_at": "When it was decided (UTC).",
        },
        """SELECT
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
        """SELECT
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
    ),
    (
        "withheld_actions",
        "What was withheld from whom, by which rule: in answers and in the nightly picture.",
        {
            "user_id": "Person concerned.",
            "action_id": "Action concerned.",
            "title": "What to do, in the user's words.",
            "domain": "Domain of the action.",
            "rule_id": "Rule that decided.",
            "rule_version": "Version of that rule.",
            "observation_id": "Reading that it looked at; null if none.",
            "request_id": "Answer it was withheld from; null for the nightly picture.",
            "run_id": "Published run that scored it.",
            "decided_at": "When it was decided (UTC).",
        },
        """SELECT
    v.user_id,
    v.action_id,
    a.title,
    a.domain,
    v.rule_id,
    v.rule_version,
    v.observation_id,
    v.request_id,
    v.run_id,
    v.decided_at
FROM verdicts v
LEFT JOIN actions a ON a.action_id = v.action_id
WHERE v.verdict = 'withhold'
UNION ALL
SELECT
    n.user_id,
    CAST(json_extract(i.value, '$[0]') AS TEXT),
    a.title,
    a.domain,
    CAST(json_extract(i.value, '$[1]') AS TEXT),
    CAST(json_extract(i.value, '$[2]') AS TEXT),
    CAST(json_extract(i.value, '$[3]') AS TEXT),
    NULL,
    n.run_id,
    r.as_of
FROM nightly_withheld n
JOIN runs r ON r.run_id = n.run_id
CROSS JOIN json_each(n.withheld) i
LEFT JOIN actions a ON a.action_id = CAST(json_extract(i.value, '$[0]') AS TEXT)
WHERE n.run_id = (SELECT p.run_id FROM publications p ORDER BY p.publication_id DESC LIMIT 1)""",
        """SELECT
    v.user_id,
    v.action_id,
    a.title,
    a.domain,
    v.rule_id,
    v.rule_version,
    v.observation_id,
    v.request_id,
    v.run_id,
    v.decided_at
FROM verdicts v
LEFT JOIN actions a ON a.action_id = v.action_id
WHERE v.verdict = 'withhold'
UNION ALL
SELECT
    n.user_id,
    i.value ->> 0,
    a.title,
    a.domain,
    i.value ->> 1,
    i.value ->> 2,
    i.value ->> 3,
    NULL,
    n.run_id,
    r.as_of
FROM nightly_withheld n
JOIN runs r ON r.run_id = n.run_id
CROSS JOIN jsonb_array_elements(n.withheld) i
LEFT JOIN actions a ON a.action_id = i.value ->> 0
WHERE n.run_id = (SELECT p.run_id FROM publications p ORDER BY p.publication_id DESC LIMIT 1)""",
    ),
    (
        "latest_observations",
        "The newest reading of every metric of every person.",
        {
            "user_id": "Person concerned.",
            "metric": "Metric name, such as systolic_bp.",
            "value": "Value in unit.",
            "unit": "UCUM unit of value: the metric's own.",
            "observed_at": "When it was measured (UTC).",
            "source": "Device or system it came from.",
            "observation_id": "Reading.",
        },
        """SELECT user_id, metric, value, unit, observed_at, source, observation_id
FROM (
    SELECT
        o.*,
        row_number() OVER (
            PARTITION BY o.user_id, o.metric
            ORDER BY o.observed_at DESC, o.value DESC,
                o.observation_id DESC
        ) AS place
    FROM observations o
)
WHERE place = 1""",
        """SELECT DISTINCT ON (user_id, metric)
    user_id,
    metric,
    value,
    unit,
    observed_at,
    source,
    observation_id
FROM observations
ORDER BY user_id, metric, observed_at DESC, value DESC, observation_id COLLATE "C" DESC""",
    ),
)
