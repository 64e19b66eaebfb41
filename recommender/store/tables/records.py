"""What is taken in: people, actions, behaviour, readings, and what was rejected."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from recommender.store.column_types import BigId, Json, UtcInstant
from recommender.store.tables.base import metadata, one_of, user_id

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
    one_of("sex", "female", "male", "other", "unknown"),
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
    user_id(),
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
    one_of("type", "impression", "view", "accept", "complete", "dismiss", "snooze", "rate"),
    CheckConstraint("propensity > 0 AND propensity <= 1", name="propensity"),
    CheckConstraint("value BETWEEN 1 AND 5", name="value"),
    # The whole of what an answer reads of a person, so that it need not visit the table.
    Index(
        "ix_events_record",
        "user_id",
        "occurred_at",
        "action_id",
        "type",
        "request_id",
        "propensity",
        "value",
    ),
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
    user_id(),
    Column("metric", Text, nullable=False, comment="Metric name, such as systolic_bp."),
    Column("value", Double, nullable=False, comment="Value in unit."),
    Column("unit", Text, nullable=False, comment="UCUM unit of value: the metric's own."),
    Column("raw_value", Double, nullable=False, comment="Value as sent, in raw_unit."),
    Column("raw_unit", Text, nullable=False, comment="Unit as sent."),
    Column("observed_at", UtcInstant, nullable=False, comment="When it was measured (UTC)."),
    Column("source", Text, comment="Device or system it came from."),
    Index("ix_observations_record", "user_id", "metric", "observed_at", "value", "observation_id"),
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
    one_of("kind", "users", "actions", "events", "observations"),
    UniqueConstraint("fingerprint"),
    Index(None, "user_id"),
    Index(None, "kind", "record_id"),
    comment="Records that could not be taken, to be retried once the cause is mended.",
)
