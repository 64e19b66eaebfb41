"""Trainings: what they came to, which is in force, and the nightly picture."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
)

from recommender.store.column_types import BigId, Json, UtcInstant
from recommender.store.tables.base import metadata, one_of, run_id


def _scored_key() -> list[Column[Any]]:
    # Plain columns: foreign keys would check every one of a night's millions of rows again,
    # and would fail the night if a person were erased meanwhile. `runs.publish` and
    # `write.erase_user` keep the promise instead.
    return [
        Column("run_id", Text, primary_key=True, comment="Training run."),
        Column("user_id", Text, primary_key=True, comment="Person concerned."),
    ]


def _parts() -> list[Column[Any]]:
    meaning = {
        "base_part": "Log-odds share of the action's base rate.",
        "profile_part": "Log-odds share of age, sex, conditions and attributes.",
        "biometrics_part": "Log-odds share of readings.",
        "behaviour_part": "Log-odds share of what the person did lately.",
        "factor_part": "Log-odds share of matrix factorisation.",
    }
    return [
        Column(name, Double, nullable=False, comment=comment) for name, comment in meaning.items()
    ]


runs = Table(
    "runs",
    metadata,
    Column("run_id", Text, primary_key=True, comment="Id of the run; sorts by time."),
    Column("status", Text, nullable=False, comment="training, trained, held_back or failed."),
    Column("as_of", UtcInstant, nullable=False, comment="Records up to here were used (UTC)."),
    Column("started_at", UtcInstant, nullable=False, comment="When training began (UTC)."),
    Column("finished_at", UtcInstant, comment="When it ended (UTC)."),
    Column("seed", Integer, nullable=False, comment="Seed of everything random."),
    Column("code_version", Text, nullable=False, comment="Version of the product."),
    Column("message", Text, comment="Why it was held back or failed, or its summary."),
    Column("manifest", Json, comment="JSON: versions, hash, data window, feature names, settings."),
    Column("artifact", LargeBinary, comment="Arrays of the model, NumPy npz without pickles."),
    Column(
        "card",
        Json,
        comment="JSON: model card: use and limits, data, figures, groups of people, drift, gate.",
    ),
    one_of("status", "training", "trained", "held_back", "failed"),
    comment="One row a training.",
)


run_metrics = Table(
    "run_metrics",
    metadata,
    run_id(primary_key=True),
    Column(
        "name", Text, primary_key=True, comment="Name of the figure, such as hybrid_ndcg_at_10."
    ),
    Column(
        "segment",
        Text,
        primary_key=True,
        server_default="all",
        comment="Group of people it is for.",
    ),
    Column("value", Double, nullable=False, comment="The figure; its unit is part of its name."),
    comment="Figures of each run.",
)


publications = Table(
    "publications",
    metadata,
    Column(
        "publication_id",
        BigId,
        Identity(),
        primary_key=True,
        comment="Grows; the highest is in force.",
    ),
    run_id(),
    Column("published_at", UtcInstant, nullable=False, comment="When it came into force (UTC)."),
    Column("reason", Text, nullable=False, comment="train, publish or rollback."),
    one_of("reason", "train", "publish", "rollback"),
    comment="Which run was put in force when; append-only.",
)


scores = Table(
    "scores",
    metadata,
    *_scored_key(),
    Column("rank", SmallInteger, primary_key=True, comment="1 is best; by score, before variety."),
    Column("action_id", Text, nullable=False, comment="Action scored."),
    Column("score", Double, nullable=False, comment="What the list is ordered by, 0 to 1."),
    Column(
        "p_complete",
        Double,
        nullable=False,
        comment="Probability of completing within 7 days if shown now.",
    ),
    Column("benefit", Double, nullable=False, comment="How much the readings call for it, 0 to 1."),
    *_parts(),
    Column(
        "verdict",
        Text,
        nullable=False,
        comment="allow or caution; withheld ones are in nightly_withheld.",
    ),
    Column("rule_id", Text, comment="Rule behind a caution."),
    Column(
        "standard_error",
        Double,
        comment="Standard error of the log-odds of p_complete; null in runs of older versions.",
    ),
    one_of("verdict", "allow", "caution"),
    Index(None, "user_id").ddl_if(dialect="postgresql"),
    comment="Nightly picture: the best actions of every person in every kept run.",
    postgresql_partition_by="LIST (run_id)",
)


nightly_withheld = Table(
    "nightly_withheld",
    metadata,
    *_scored_key(),
    Column(
        "withheld",
        Json,
        nullable=False,
        comment="JSON list of [action_id, rule_id, rule_version, observation_id].",
    ),
    Index(None, "user_id").ddl_if(dialect="postgresql"),
    comment="What the guardrails withheld from each person in the nightly picture.",
    postgresql_partition_by="LIST (run_id)",
)
