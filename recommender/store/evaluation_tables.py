"""Tables of saved evaluations; ``schema`` puts them with the others."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Double, Identity, Integer, MetaData, SmallInteger, Table, Text

from recommender.store.column_types import BigId, Json, UtcInstant


def evaluation_tables(metadata: MetaData) -> tuple[Table, ...]:
    """State the tables: ``evaluations`` first, then all whose rows belong to one."""
    return (
        _evaluations(metadata),
        _figures(metadata),
        _impressions(metadata),
        _predictions(metadata),
        _relevant(metadata),
        _lists(metadata),
    )


def _evaluated_key(*following: Column[Any]) -> list[Column[Any]]:
    # No foreign keys: an evaluation writes hundreds of thousands of rows at once, and an erasure
    # meanwhile must not fail it. `evaluations.save` and `write.erase_user` keep the promise.
    return [
        Column(
            "evaluation_id", BigId, primary_key=True, autoincrement=False, comment="Evaluation."
        ),
        Column("user_id", Text, primary_key=True, comment="Person judged."),
        *following,
    ]


def _model() -> Column[str]:
    return Column(
        "model", Text, primary_key=True, comment="Entrant, such as hybrid or popularity_rate."
    )


def _action_id(**options: Any) -> Column[str]:
    return Column("action_id", Text, nullable=False, comment="Action concerned.", **options)


def _scored() -> list[Column[Any]]:
    return [
        Column(
            "score",
            Double,
            nullable=False,
            comment="What the model orders by; any unit of its own.",
        ),
        Column(
            "p_complete",
            Double,
            comment="Probability of completing, where the model gives one.",
        ),
    ]


def _evaluations(metadata: MetaData) -> Table:
    return Table(
        "evaluations",
        metadata,
        Column("evaluation_id", BigId, Identity(), primary_key=True, comment="Grows with time."),
        Column("created_at", UtcInstant, nullable=False, comment="When it was made (UTC)."),
        Column(
            "split_at", UtcInstant, nullable=False, comment="Models saw records up to here (UTC)."
        ),
        Column("end_at", UtcInstant, nullable=False, comment="They were judged up to here (UTC)."),
        Column("seed", Integer, nullable=False, comment="Seed of everything random."),
        Column("users", Integer, nullable=False, comment="People on record."),
        Column("actions", Integer, nullable=False, comment="Actions in the catalogue."),
        Column("judged", Integer, nullable=False, comment="People judged."),
        Column(
            "settings",
            Json,
            nullable=False,
            comment="JSON object: settings chosen for each model before the split.",
        ),
        Column("code_version", Text, nullable=False, comment="Version of the product."),
        comment="One row a saved evaluation; the newest few are kept.",
    )


def _figures(metadata: MetaData) -> Table:
    return Table(
        "evaluation_figures",
        metadata,
        Column(
            "evaluation_id", BigId, primary_key=True, autoincrement=False, comment="Evaluation."
        ),
        _model(),
        Column("figure", Text, primary_key=True, comment="Name of the figure, such as ndcg_at_10."),
        Column(
            "value", Double, nullable=False, comment="The figure; its unit is part of its meaning."
        ),
        Column("low", Double, comment="Lower end of its 95 % interval; null if it has none."),
        Column("high", Double, comment="Upper end of its 95 % interval; null if it has none."),
        Column(
            "hybrid_minus", Double, comment="The hybrid's figure minus this one; null for itself."
        ),
        Column(
            "hybrid_minus_low", Double, comment="Lower end of the paired 95 % interval of that."
        ),
        Column(
            "hybrid_minus_high", Double, comment="Upper end of the paired 95 % interval of that."
        ),
        comment="The leaderboard of each saved evaluation.",
    )


def _impressions(metadata: MetaData) -> Table:
    return Table(
        "evaluation_impressions",
        metadata,
        *_evaluated_key(
            Column(
                "impression", Integer, primary_key=True, comment="Number of the impression, from 0."
            )
        ),
        _action_id(),
        Column("shown_at", UtcInstant, nullable=False, comment="When it was shown (UTC)."),
        Column(
            "propensity", Double, comment="Probability with which it was shown; null if unknown."
        ),
        Column(
            "completed",
            SmallInteger,
            nullable=False,
            comment="1 if completed within 7 days, else 0.",
        ),
        Column(
            "weight",
            Double,
            nullable=False,
            comment="What it counts: less than 1 where a completion may be yet to come.",
        ),
        comment="What was shown after the split, and what became of it.",
        sqlite_with_rowid=False,
    )


def _predictions(metadata: MetaData) -> Table:
    return Table(
        "evaluation_predictions",
        metadata,
        *_evaluated_key(
            Column("impression", Integer, primary_key=True, comment="Impression concerned."),
            _model(),
        ),
        *_scored(),
        comment="What each model made of each impression after the split.",
        sqlite_with_rowid=False,
    )


def _relevant(metadata: MetaData) -> Table:
    return Table(
        "evaluation_relevant",
        metadata,
        *_evaluated_key(_model(), _action_id(primary_key=True)),
        Column(
            "rank",
            Integer,
            nullable=False,
            comment="Its place in the model's list of the whole catalogue, from 1.",
        ),
        comment="What each person completed after the split, and where each model had put it.",
        sqlite_with_rowid=False,
    )


def _lists(metadata: MetaData) -> Table:
    return Table(
        "evaluation_lists",
        metadata,
        *_evaluated_key(
            _model(), Column("rank", SmallInteger, primary_key=True, comment="1 is best; up to 20.")
        ),
        _action_id(),
        *_scored(),
        comment="The first 20 of each model's list of the whole catalogue for each person judged.",
        sqlite_with_rowid=False,
    )
