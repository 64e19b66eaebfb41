"""Names of columns that more than one module uses, written once."""

from __future__ import annotations

USER_ID = "user_id"
ACTION_ID = "action_id"
EVENT_ID = "event_id"
OBSERVATION_ID = "observation_id"
REQUEST_ID = "request_id"
RUN_ID = "run_id"
RULE_ID = "rule_id"

BIRTH_DATE = "birth_date"
SEX = "sex"
CONDITIONS = "conditions"
ATTRIBUTES = "attributes"

TITLE = "title"
DOMAIN = "domain"
DESCRIPTION = "description"
CLINICIAN_DESCRIPTION = "clinician_description"
EFFORT = "effort"
MINUTES = "minutes"
TARGETS = "targets"
TAGS = "tags"
REPEAT_AFTER_DAYS = "repeat_after_days"
EVIDENCE = "evidence"
INTENSITY = "intensity"
TECHNIQUE = "technique"
ELIGIBLE = "eligible"
REVIEWED_ON = "reviewed_on"
REVIEW_BY = "review_by"

TYPE = "type"
OCCURRED_AT = "occurred_at"
PROPENSITY = "propensity"
VALUE = "value"
CONTEXT = "context"

METRIC = "metric"
UNIT = "unit"
RAW_VALUE = "raw_value"
RAW_UNIT = "raw_unit"
OBSERVED_AT = "observed_at"
SOURCE = "source"

RANK = "rank"
SCORE = "score"
P_COMPLETE = "p_complete"
BENEFIT = "benefit"
VERDICT = "verdict"

PARTS = ("base", "profile", "biometrics", "behaviour", "factor")
"""Terms of a score, in the order of every parts array; they add up to its log-odds."""

PART_COLUMNS = tuple(f"{part}_part" for part in PARTS)
