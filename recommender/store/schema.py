"""The tables, stated once: names, types, constraints, and what each column means.

Views over them stand in ``store/views.py``. Every comment reaches the database
(PostgreSQL) or the data dictionary in ``docs/schema.md`` (both), so that an analyst
can read the meaning and unit beside the column.
"""

from __future__ import annotations

from recommender.store.access_tables import access_tables
from recommender.store.evaluation_tables import evaluation_tables
from recommender.store.idempotency_table import idempotency_table
from recommender.store.packed_tables import packed_tables
from recommender.store.run_stages_table import run_stages_table
from recommender.store.tables.base import metadata
from recommender.store.tables.records import (
    action_versions,
    actions,
    events,
    observations,
    rejected_records,
    users,
)
from recommender.store.tables.runs import (
    nightly_withheld,
    publications,
    run_metrics,
    runs,
    scores,
)
from recommender.store.tables.serving import alerts, api_keys, requests

access_log, installation = access_tables(metadata)
evaluations, *EVALUATION_PARTS = evaluation_tables(metadata)
idempotency_keys = idempotency_table(metadata)
run_stages = run_stages_table(metadata)
packed_records, packed_names, record_changes = packed_tables(metadata)

__all__ = [
    "EVALUATION_PARTS",
    "access_log",
    "action_versions",
    "actions",
    "alerts",
    "api_keys",
    "evaluations",
    "events",
    "idempotency_keys",
    "installation",
    "metadata",
    "nightly_withheld",
    "observations",
    "packed_names",
    "packed_records",
    "publications",
    "record_changes",
    "rejected_records",
    "requests",
    "run_metrics",
    "run_stages",
    "runs",
    "scores",
    "users",
]
