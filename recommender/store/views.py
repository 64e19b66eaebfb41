"""The views that analysts read, with the meaning of each column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from recommender.columns import PART_COLUMNS
from recommender.store import history_view
from recommender.store.view_queries import (
    CURRENT,
    LATEST_POSTGRESQL,
    LATEST_SQLITE,
    RECOMMENDATIONS,
    SERVED,
    VERDICTS,
    WITHHELD,
    both,
)


@dataclass(frozen=True)
class View:
    """A view.

    Attributes
    ----------
    columns
        Name -> meaning, in order.
    sqlite, postgresql
        Its query.
    """

    name: str
    comment: str
    columns: Mapping[str, str]
    sqlite: str
    postgresql: str

    def query(self, dialect: str) -> str:
        """Return the query for a database (``sqlite`` or ``postgresql``)."""
        return self.sqlite if dialect == "sqlite" else self.postgresql


def create_statements(dialect: str) -> Iterator[str]:
    """Yield the statements that create every view, with comments where a database keeps them."""
    for view in VIEWS:
        yield f"CREATE VIEW {view.name} AS\n{view.query(dialect)}"
        if dialect == "postgresql":
            yield f"COMMENT ON VIEW {view.name} IS {_quoted(view.comment)}"
            for column, meaning in view.columns.items():
                yield f"COMMENT ON COLUMN {view.name}.{column} IS {_quoted(meaning)}"


def _quoted(words: str) -> str:
    return "'" + words.replace("'", "''") + "'"


_SHARE = {
    "base_part": "Log-odds share of the action's base rate.",
    "profile_part": "Log-odds share of age, sex, conditions and attributes.",
    "biometrics_part": "Log-odds share of readings.",
    "behaviour_part": "Log-odds share of what the person did lately.",
    "factor_part": "Log-odds share of matrix factorisation.",
}
_TITLE = {"title": "What to do, in the user's words.", "domain": "Domain of the action."}
_SCORE = {
    "score": "What the list is ordered by, 0 to 1.",
    "p_complete": "Probability of completing within 7 days if shown now; "
    "its log-odds are the sum of the five parts.",
    "benefit": "How much the readings call for it, 0 to 1.",
    **{column: _SHARE[column] for column in PART_COLUMNS},
}
_PERSON = {"user_id": "Person concerned."}
_ACTION = {"action_id": "Action concerned."}
_RANK = {"rank": "1 is best."}
_DECISION = {
    "rule_id": "Rule that decided.",
    "rule_version": "Version of that rule.",
    "observation_id": "Reading that it looked at; null if none.",
}

_ERROR = {
    "standard_error": "Standard error of the log-odds of p_complete; "
    "null for runs of older versions."
}
_ITEM = {
    **_PERSON,
    **_RANK,
    **_ACTION,
    **_SCORE,
    "verdict": "allow or caution.",
    "rule_id": "Rule behind a caution.",
    "propensity": "Probability with which it stands in this list, in (0, 1].",
    "run_id": "Published run that scored it.",
}
_REQUEST = {"request_id": "Answer it was part of."}

VIEWS = (
    View(
        "current_scores",
        "Nightly picture of the published run: the best actions of every person.",
        {
            **_PERSON,
            **_RANK,
            **_ACTION,
            **_TITLE,
            **_SCORE,
            "verdict": "allow or caution.",
            "rule_id": "Rule behind a caution.",
            "run_id": "Published run.",
            "scored_at": "Records up to here were used (UTC).",
            **_ERROR,
        },
        CURRENT,
        CURRENT,
    ),
    View(
        "recommendations",
        "Items of every answer: one row each.",
        {**_REQUEST, **_ITEM, **_ERROR},
        **both(RECOMMENDATIONS),
    ),
    View(
        "served_recommendations",
        "What was really shown, when, to whom and how.",
        {
            **_REQUEST,
            **{name: words for name, words in _ITEM.items() if name != "run_id"},
            **_TITLE,
            "generated_at": "When it was given (UTC).",
            "as_of": "Records up to here were seen (UTC).",
            "channel": "http or cli.",
            "objective": "benefit or completion.",
            "audience": "user or clinician.",
            "run_id": "Published run that scored it.",
            **_ERROR,
            "action_version": "Version of the action that was shown; title and domain are its.",
        },
        **both(SERVED),
    ),
    View(
        "verdicts",
        "What the guardrails decided in every answer; allowed actions are left out.",
        {
            **_REQUEST,
            **_PERSON,
            **_ACTION,
            "verdict": "caution or withhold.",
            **_DECISION,
            "run_id": "Published run that scored it.",
            "decided_at": "When it was decided (UTC).",
        },
        **both(VERDICTS),
    ),
    View(
        "withheld_actions",
        "What was withheld from whom, by which rule: in answers and in the nightly picture.",
        {
            **_PERSON,
            **_ACTION,
            **_TITLE,
            **_DECISION,
            "request_id": "Answer it was withheld from; null for the nightly picture.",
            "run_id": "Published run that scored it.",
            "decided_at": "When it was decided (UTC).",
        },
        **both(WITHHELD),
    ),
    View(
        "latest_observations",
        "The newest reading of every metric of every person.",
        {
            **_PERSON,
            "metric": "Metric name, such as systolic_bp.",
            "value": "Value in unit.",
            "unit": "UCUM unit of value: the metric's own.",
            "observed_at": "When it was measured (UTC).",
            "source": "Device or system it came from.",
            "observation_id": "Reading.",
        },
        LATEST_SQLITE,
        LATEST_POSTGRESQL,
    ),
    View(
        "run_history",
        history_view.COMMENT,
        history_view.COLUMNS,
        history_view.query("sqlite"),
        history_view.query("postgresql"),
    ),
)
"""Every view, in the order in which they can be created."""
