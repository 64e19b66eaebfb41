"""What was answered, who was alerted, and who may ask."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text, UniqueConstraint, text

from recommender.store.column_types import Json, UtcInstant
from recommender.store.tables.base import metadata, one_of

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
        comment="JSON list of [verdict, rule_id, rule_version, list of action_id, observation_id "
        "if any, and a reading that disputes it where one does]; in answers of older versions of "
        "[action_id, verdict, rule_id, rule_version, observation_id, and so on].",
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
    one_of("channel", "http", "cli"),
    Index(None, "user_id", "generated_at"),
    comment="Every answer given, one compact row each.",
)


_ACKNOWLEDGED = text("acknowledged_at IS NOT NULL")

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
    one_of("severity", "info", "warning", "critical"),
    Index(None, "user_id", "last_raised_at"),
    Index(
        "ix_alerts_acknowledged",
        "user_id",
        postgresql_where=_ACKNOWLEDGED,
        sqlite_where=_ACKNOWLEDGED,
    ),
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
