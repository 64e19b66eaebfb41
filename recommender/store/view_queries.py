"""Queries of the views; what the databases write differently stands in the templates' braces."""

from __future__ import annotations

from recommender.columns import PART_COLUMNS

# Places in an entry of requests.items: [rank, action_id, score, p_complete, benefit,
# five parts, verdict, rule_id, propensity, standard_error].
_ITEM_REALS = {"score": 2, "p_complete": 3, "benefit": 4} | {
    column: place for place, column in enumerate(PART_COLUMNS, start=5)
}
_ITEM_SQLITE = ",\n".join(
    [
        "    CAST(json_extract(i.value, '$[0]') AS INTEGER) AS rank",
        "    json_extract(i.value, '$[1]') AS action_id",
        *(
            f"    CAST(json_extract(i.value, '$[{place}]') AS REAL) AS {name}"
            for name, place in _ITEM_REALS.items()
        ),
        "    json_extract(i.value, '$[10]') AS verdict",
        "    json_extract(i.value, '$[11]') AS rule_id",
        "    CAST(json_extract(i.value, '$[12]') AS REAL) AS propensity",
    ]
)
_ITEM_POSTGRESQL = ",\n".join(
    [
        "    CAST(i.value ->> 0 AS integer) AS rank",
        "    i.value ->> 1 AS action_id",
        *(
            f"    CAST(i.value ->> {place} AS double precision) AS {name}"
            for name, place in _ITEM_REALS.items()
        ),
        "    i.value ->> 10 AS verdict",
        "    i.value ->> 11 AS rule_id",
        "    CAST(i.value ->> 12 AS double precision) AS propensity",
    ]
)
_ERROR_SQLITE = "CAST(json_extract(i.value, '$[13]') AS REAL) AS standard_error"
_ERROR_POSTGRESQL = "CAST(i.value ->> 13 AS double precision) AS standard_error"
_PUBLISHED = "(SELECT p.run_id FROM publications p ORDER BY p.publication_id DESC LIMIT 1)"

CURRENT = f"""\
SELECT
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
    r.as_of AS scored_at,
    s.standard_error
FROM scores s
JOIN actions a ON a.action_id = s.action_id
JOIN runs r ON r.run_id = s.run_id
WHERE s.run_id = {_PUBLISHED}"""

RECOMMENDATIONS = """\
SELECT
    q.request_id,
    q.user_id,
{items},
    q.run_id,
    {standard_error}
FROM requests q
CROSS JOIN {each}(q.items) i"""

# What was shown is told as it was: by the version that the answer had seen, or, of answers older
# than the versions, by the one of that time.
SERVED = """\
SELECT
    q.request_id,
    q.user_id,
{items},
    COALESCE({shown_title}, a.title) AS title,
    COALESCE({shown_domain}, a.domain) AS domain,
    q.generated_at,
    q.as_of,
    q.channel,
    q.objective,
    q.audience,
    q.run_id,
    {standard_error},
    v.version AS action_version
FROM requests q
CROSS JOIN {each}(q.items) i
LEFT JOIN actions a ON a.action_id = {action_id}
LEFT JOIN action_versions v ON v.action_id = {action_id} AND v.version = COALESCE((
    SELECT max(w.version) FROM action_versions w
    WHERE w.action_id = {action_id} AND (
        w.revision <= q.catalogue_revision
        OR (q.catalogue_revision IS NULL AND w.valid_from <= q.generated_at)
    )
), 1)"""

# An entry of requests.verdicts is [verdict, rule_id, rule_version, [action_id, ...],
# observation_id, rival], of answers of older versions [action_id, verdict, rule_id, rule_version,
# observation_id, rival].
VERDICTS = """\
SELECT
    q.request_id,
    q.user_id,
    CAST(a.value AS TEXT) AS action_id,
    CASE WHEN {grouped} THEN {0} ELSE {1} END AS verdict,
    CASE WHEN {grouped} THEN {1} ELSE {2} END AS rule_id,
    CASE WHEN {grouped} THEN {2} ELSE {3} END AS rule_version,
    {4} AS observation_id,
    q.run_id,
    q.generated_at AS decided_at
FROM requests q
CROSS JOIN {each}(q.verdicts) i
CROSS JOIN {decided_about} a"""

WITHHELD = """\
SELECT
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
    {0},
    a.title,
    a.domain,
    {1},
    {2},
    {3},
    NULL,
    n.run_id,
    r.as_of
FROM nightly_withheld n
JOIN runs r ON r.run_id = n.run_id
CROSS JOIN {each}(n.withheld) i
LEFT JOIN actions a ON a.action_id = {0}
WHERE n.run_id = {published}"""

LATEST_SQLITE = """\
SELECT user_id, metric, value, unit, observed_at, source, observation_id
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
WHERE place = 1"""

LATEST_POSTGRESQL = """\
SELECT DISTINCT ON (user_id, metric)
    user_id,
    metric,
    value,
    unit,
    observed_at,
    source,
    observation_id
FROM observations
ORDER BY user_id, metric, observed_at DESC, value DESC, observation_id COLLATE "C" DESC"""


_GROUPED_SQLITE = "json_type(i.value, '$[3]') = 'array'"
_GROUPED_POSTGRESQL = "jsonb_typeof(i.value -> 3) = 'array'"


def both(template: str) -> dict[str, str]:
    """Write a query for each database: name of its dialect -> SQL."""
    sqlite = [f"CAST(json_extract(i.value, '$[{place}]') AS TEXT)" for place in range(5)]
    postgresql = [f"i.value ->> {place}" for place in range(5)]
    return {
        "sqlite": template.format(
            *sqlite,
            items=_ITEM_SQLITE,
            standard_error=_ERROR_SQLITE,
            each="json_each",
            action_id=sqlite[1],
            shown_title="json_extract(v.content, '$.title')",
            shown_domain="json_extract(v.content, '$.domain')",
            published=_PUBLISHED,
            grouped=_GROUPED_SQLITE,
            decided_about=f"json_each(i.value, CASE WHEN {_GROUPED_SQLITE} THEN '$[3]'"
            " ELSE '$[0]' END)",
        ),
        "postgresql": template.format(
            *postgresql,
            items=_ITEM_POSTGRESQL,
            standard_error=_ERROR_POSTGRESQL,
            each="jsonb_array_elements",
            action_id=postgresql[1],
            shown_title="v.content ->> 'title'",
            shown_domain="v.content ->> 'domain'",
            published=_PUBLISHED,
            grouped=_GROUPED_POSTGRESQL,
            decided_about=f"jsonb_array_elements_text(CASE WHEN {_GROUPED_POSTGRESQL}"
            " THEN i.value -> 3 ELSE jsonb_build_array(i.value -> 0) END)",
        ),
    }
