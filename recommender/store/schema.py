"""The tables, stated once: names, types, constraints, and what each column means.

Views over them stand in ``store/views.py``. Every comment reaches the database
(PostgreSQL) or the data dictionary in ``docs/schema.md`` (both), so that an analyst
can read the meaning and unit beside the column.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from recommender.store.access_tables import access_tables
from recommender.store.column_types import BigId, Json, UtcInstant
from recommender.store.evaluation_tables import evaluation_tables
from recommender.store.idempotency_table import idempotency_table
from recommender.store.packed_tables import packed_tables
from recommender.store.run_stages_table import run_stages_table

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _one_of(column: str, *values: str) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def _user_id(**options: Any) -> Column[str]:
    return Column(
        "user_id",
        Text,
        ForeignKey("users.user_id", ondelete="CASCADE"),
        nullable=False,
        comment="Person concerned.",
        **options,
    )


def _run_id(**options: Any) -> Column[str]:
    return Column(
        "run_id",
        Text,
        ForeignKey("runs.run_id", ondelete="CASCADE"),
        nullable=False,
        comment="Training run.",
        **options,
    )


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


users = Table(
    "users",
    metadata,
    Column("user_id", Text, primary_key=True, comment="Id given by the team's own system."),
    Column("birth_date", Date, comment="Date of birth; null if unknown."),
    Column(
        "sex",
        Text,
        nullable=False,
        server_default="unknown",
        comment="female, male, other or unknown.",
    ),
    Column(
        "conditions",
        Json,
        nullable=False,
        server_default=text("'[]'"),
        comment="JSON list of condition names.",
    ),
    Column(
        "attributes",
        Json,
        nullable=False,
        server_default=text("'{}'"),
        comment="JSON object of every further column; each is usable as a feature.",
    ),
    Column("created_at", UtcInstant, nullable=False, comment="When first heard of (UTC)."),
    Column("updated_at", UtcInstant, nullable=False, comment="When last changed (UTC)."),
    _one_of("sex", "female", "male", "other", "unknown"),
    comment="One row a person.",
)

actions = Table(
    "actions",
    metadata,
    Column("action_id", Text, primary_key=True, comment="Id of the action."),
    Column("title", Text, nullable=False, comment="What to do, in the user's words."),
    Column("domain", Text, nullable=False, comment="activity, nutrition, sleep, ..."),
    Column(
        "description", Text, nullable=False, server_default="", comment="Text for audience=user."
    ),
    Column(
        "clinician_description",
        Text,
        nullable=False,
        server_default="",
        comment="Text for audience=clinician: the basis in full.",
    ),
    Column("effort", SmallInteger, comment="1 (hardly any) to 5 (a lot)."),
    Column("minutes", Double, comment="Time it takes, minutes."),
    Column(
        "targets",
        Json,
        nullable=False,
        server_default=text("'[]'"),
        comment="JSON list of metrics it improves.",
    ),
    Column(
        "tags",
        Json,
        nullable=False,
        server_default=text("'[]'"),
        comment="JSON list of tags that guardrail rules look at.",
    ),
    Column("repeat_after_days", Double, comment="Days before it makes sense again once completed."),
    Column(
        "evidence",
        Json,
        nullable=False,
        server_default=text("'[]'"),
        comment="JSON list of {source, grade, url, date, verified}.",
    ),
    Column("intensity", Text, comment="none, light, moderate or vigorous; agrees with tags."),
    Column(
        "technique",
        Text,
        comment="Behaviour-change technique: code and label of the BCT Taxonomy v1.",
    ),
    Column(
        "eligible",
        Json,
        nullable=False,
        server_default=text("'{}'"),
        comment="JSON object of whom it is for: min_age, max_age, sex, conditions_any, "
        "conditions_none, not_done_within_days; the guardrails hold everybody to it.",
    ),
    Column("reviewed_on", Date, comment="When it was last read against its sources."),
    Column("review_by", Date, comment="When it has to be read against them again."),
    Column(
        "attributes",
        Json,
        nullable=False,
        server_default=text("'{}'"),
        comment="JSON object of every further column; each is usable as a feature.",
    ),
    Column("retired_at", UtcInstant, comment="Since when it is no longer recommended (UTC)."),
    Column("updated_at", UtcInstant, nullable=False, comment="When last changed (UTC)."),
    CheckConstraint("effort BETWEEN 1 AND 5", name="effort"),
    CheckConstraint("minutes >= 0", name="minutes"),
    CheckConstraint("repeat_after_days >= 0", name="repeat_after_days"),
    comment="The catalogue: one row a health action.",
)

action_versions = Table(
    "action_versions",
    metadata,
    Column(
        "action_id",
        Text,
        ForeignKey("actions.action_id"),
        primary_key=True,
        comment="Action concerned.",
    ),
    Column("version", Integer, primary_key=True, comment="1 is the first; grows by one."),
    Column(
        "revision",
        Integer,
        nullable=False,
        comment="Number of the change of the catalogue it came with.",
    ),
    Column("valid_from", UtcInstant, nullable=False, comment="Since when it stands (UTC)."),
    Column("content_hash", Text, nullable=False, comment="SHA-256 of content."),
    Column(
        "content",
        Json,
        nullable=False,
        comment="JSON of the whole action as it was: the columns of actions, and retired.",
    ),
    Column("changed_by", Text, nullable=False, comment="File or path that it came by."),
    UniqueConstraint("action_id", "revision"),
    Index(None, "revision"),
    comment="Every version of every action; append-only.",
)

events = Table(
    "events",
    metadata,
    Column(
        "event_id",
        Text,
        primary_key=True,
        comment="Id given by the sender; makes taking it twice harmless.",
    ),
    _user_id(),
    Column(
        "action_id",
        Text,
        ForeignKey("actions.action_id"),
        nullable=False,
        comment="Action concerned.",
    ),
    Column(
        "type",
        Text,
        nullable=False,
        comment="impression, view, accept, complete, dismiss, snooze or rate.",
    ),
    Column("occurred_at", UtcInstant, nullable=False, comment="When it happened (UTC)."),
    Column(
        "propensity", Double, comment="Probability with which the impression was shown, in (0, 1]."
    ),
    Column("request_id", Text, comment="Answer that led to it."),
    Column("value", Double, comment="Rating, 1 to 5."),
    Column("context", Json, comment="Anything the sender adds, JSON."),
    _one_of("type", "impression", "view", "accept", "complete", "dismiss", "snooze", "rate"),
    CheckConstraint("propensity > 0 AND propensity <= 1", name="propensity"),
    CheckConstraint("value BETWEEN 1 AND 5", name="value"),
    Index(None, "user_id", "occurred_at"),
    comment="Behaviour: one row for each thing a person did with an action.",
)

observations = Table(
    "observations",
    metadata,
    Column(
        "observation_id",
        Text,
        primary_key=True,
        comment="Id given by the sender; makes taking it twice harmless.",
    ),
    _user_id(),
    Column("metric", Text, nullable=False, comment="Metric name, such as systolic_bp."),
    Column("value", Double, nullable=False, comment="Value in unit."),
    Column("unit", Text, nullable=False, comment="UCUM unit of value: the metric's own."),
    Column("raw_value", Double, nullable=False, comment="Value as sent, in raw_unit."),
    Column("raw_unit", Text, nullable=False, comment="Unit as sent."),
    Column("observed_at", UtcInstant, nullable=False, comment="When it was measured (UTC)."),
    Column("source", Text, comment="Device or system it came from."),
    Index(None, "user_id", "metric", "observed_at"),
    comment="Biometric records: one row a reading.",
)

rejected_records = Table(
    "rejected_records",
    metadata,
    Column("rejected_id", BigId, Identity(), primary_key=True, comment="Number of the rejection."),
    Column("kind", Text, nullable=False, comment="users, actions, events or observations."),
    Column(
        "record_id",
        Text,
        comment="Id that the record gives itself, where readable; taking that id clears the row.",
    ),
    Column("record", Json, nullable=False, comment="The record as received, JSON."),
    Column("reason_code", Text, nullable=False, comment="Short name of the reason."),
    Column("reason", Text, nullable=False, comment="Why it was rejected, in words."),
    Column(
        "user_id", Text, comment="Person concerned where it could be read; lets erasure reach it."
    ),
    Column("source", Text, comment="File or path it came by."),
    Column(
        "fingerprint",
        Text,
        nullable=False,
        comment="SHA-256 of kind and record; keeps one row a record.",
    ),
    Column("rejected_at", UtcInstant, nullable=False, comment="When it was last rejected (UTC)."),
    _one_of("kind", "users", "actions", "events", "observations"),
    UniqueConstraint("fingerprint"),
    Index(None, "user_id"),
    Index(None, "kind", "record_id"),
    comment="Records that could not be taken, to be retried once the cause is mended.",
)

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
    _one_of("status", "training", "trained", "held_back", "failed"),
    comment="One row a training.",
)

run_metrics = Table(
    "run_metrics",
    metadata,
    _run_id(primary_key=True),
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
    _run_id(),
    Column("published_at", UtcInstant, nullable=False, comment="When it came into force (UTC)."),
    Column("reason", Text, nullable=False, comment="train, publish or rollback."),
    _one_of("reason", "train", "publish", "rollback"),
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
    _one_of("verdict", "allow", "caution"),
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

requests = Table(
    "requests",
    metadata,
    Column("request_id", Text, primary_key=True, comment="Id of the answer."),
    Column("user_id", Text, nullable=False, comment="Person it was for (may be unknown to users)."),
    Column("run_id", Text, nullable=False, comment="Published run that scored it."),
    Column("generated_at", UtcInstant, nullable=False, comment="When it was given (UTC)."),
    Column("as_of", UtcInstant, nullable=False, comment="Records up to here were seen (UTC)."),
    Column("channel", Text, nullable=False, comment="http or cli."),
    Column("objective", Text, nullable=False, comment="benefit or completion."),
    Column("audience", Text, nullable=False, comment="user or clinician."),
    Column("domain", Text, comment="Domain asked for; null for all."),
    Column("item_limit", Integer, nullable=False, comment="How many items were asked for."),
    Column(
        "cold_start", Boolean, nullable=False, comment="True if nothing was known of the person."
    ),
    Column("withheld", Integer, nullable=False, comment="How many actions were withheld."),
    Column(
        "items",
        Json,
        nullable=False,
        comment="JSON list of [rank, action_id, score, p_complete, benefit, "
        "five parts, verdict, rule_id, propensity, standard_error].",
    ),
    Column(
        "verdicts",
        Json,
        nullable=False,
        comment="JSON list of [action_id, verdict, rule_id, rule_version, observation_id, and a "
        "reading that disputes it where one does]; allowed ones left out.",
    ),
    Column("alerts", Json, nullable=False, comment="JSON list of [rule_id, severity]."),
    Column(
        "rules",
        Text,
        comment="Rules in force: hash of the core and own ones, and what is disabled.",
    ),
    Column(
        "catalogue_revision",
        Integer,
        comment="Last change of the catalogue that it had seen; see action_versions.",
    ),
    _one_of("channel", "http", "cli"),
    Index(None, "user_id", "generated_at"),
    comment="Every answer given, one compact row each.",
)

alerts = Table(
    "alerts",
    metadata,
    Column(
        "alert_id", Text, primary_key=True, comment="Id: one for each rule and reading of a person."
    ),
    Column("user_id", Text, nullable=False, comment="Person concerned."),
    Column("rule_id", Text, nullable=False, comment="Rule that raised it."),
    Column(
        "rule_version", Integer, nullable=False, comment="Version of that rule, when last raised."
    ),
    Column("observation_id", Text, comment="Reading that led to it; null if none did."),
    Column("severity", Text, nullable=False, comment="info, warning or critical."),
    Column("first_raised_at", UtcInstant, nullable=False, comment="When first delivered (UTC)."),
    Column("last_raised_at", UtcInstant, nullable=False, comment="When last delivered (UTC)."),
    Column(
        "acknowledged_at", UtcInstant, comment="When it was said to be seen (UTC); null if not."
    ),
    Column(
        "acknowledged_by",
        Text,
        comment="Key that said so; null on loopback without keys and on the command line.",
    ),
    _one_of("severity", "info", "warning", "critical"),
    Index(None, "user_id", "last_raised_at"),
    comment="Alerts delivered with answers: one row for each rule and reading of a person.",
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", Text, primary_key=True, comment="Public id of the key."),
    Column("name", Text, nullable=False, comment="What it is for."),
    Column(
        "key_hash", Text, nullable=False, comment="SHA-256 of the key; the key itself is not kept."
    ),
    Column("scopes", Json, nullable=False, comment="JSON list of read, write, admin."),
    Column("user_id", Text, comment="The only person it may see; null for all."),
    Column("created_at", UtcInstant, nullable=False, comment="When it was made (UTC)."),
    Column("expires_at", UtcInstant, comment="When it ends (UTC); null for never."),
    Column("revoked_at", UtcInstant, comment="When it was revoked (UTC)."),
    Column("last_used_at", UtcInstant, comment="When it was last used (UTC), to the minute."),
    UniqueConstraint("key_hash"),
    comment="Keys of the HTTP interface.",
)

access_log, installation = access_tables(metadata)
evaluations, *EVALUATION_PARTS = evaluation_tables(metadata)
idempotency_keys = idempotency_table(metadata)
run_stages = run_stages_table(metadata)
packed_records, packed_names, record_changes = packed_tables(metadata)
