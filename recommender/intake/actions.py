"""Checks of catalogue entries as operators send them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from recommender import columns
from recommender.catalogue import KNOWN_COLUMNS, RETIRED, action_from_mapping
from recommender.catalogue_check import INTENSITIES, MAX_EFFORT, MINUTES_PER_DAY
from recommender.catalogue_parts import eligibility_document, evidence_document
from recommender.domain import Action
from recommender.errors import CatalogueError
from recommender.formats.chunk import Chunk
from recommender.intake import fields
from recommender.intake.checked import Checked, Shape, begin, finish, json_text, strict_json
from recommender.intake.failures import Failures, ReasonCode

_REQUIRED = (columns.ACTION_ID, columns.TITLE, columns.DOMAIN)
ACTIONS = Shape(
    kind="actions",
    key=columns.ACTION_ID,
    required=_REQUIRED,
    optional=tuple(sorted(KNOWN_COLUMNS - set(_REQUIRED))),
)
RETIRED_AT = "retired_at"

_SCHEMA = pa.schema(
    {
        columns.ACTION_ID: pa.string(),
        columns.TITLE: pa.string(),
        columns.DOMAIN: pa.string(),
        columns.DESCRIPTION: pa.string(),
        columns.CLINICIAN_DESCRIPTION: pa.string(),
        columns.EFFORT: pa.int16(),
        columns.MINUTES: pa.float64(),
        columns.TARGETS: pa.string(),
        columns.TAGS: pa.string(),
        columns.REPEAT_AFTER_DAYS: pa.float64(),
        columns.EVIDENCE: pa.string(),
        columns.INTENSITY: pa.string(),
        columns.TECHNIQUE: pa.string(),
        columns.ELIGIBLE: pa.string(),
        columns.REVIEWED_ON: pa.date32(),
        columns.REVIEW_BY: pa.date32(),
        columns.ATTRIBUTES: pa.string(),
        RETIRED: pa.bool_(),
    }
)


def check_actions(
    chunk: Chunk,
    path: str,
    metrics: Collection[str],
    tags: Collection[str],
    conditions: Collection[str],
) -> Checked:
    """Check catalogue entries one by one: a catalogue is small.

    What would break the engine or a guardrail is refused; evidence and wording are for
    the catalogue check. ``retired`` is null where the record does not say.

    Parameters
    ----------
    metrics, tags, conditions
        The names that ``targets``, ``tags`` and ``eligible`` may hold.

    Raises
    ------
    MalformedFileError
        A file lacks a required column.
    """
    failures = begin(chunk, ACTIONS, path)
    ids = fields.ids(chunk.column(columns.ACTION_ID), columns.ACTION_ID, failures)
    found: list[tuple[ReasonCode, str] | None] = []
    rows = []
    for row, action_id in enumerate(ids.to_pylist()):
        record = chunk.record(row, ACTIONS.known)
        cells, problem = _checked(record, action_id, (metrics, tags, conditions))
        found.append(problem)
        rows.append({**cells, columns.ACTION_ID: action_id})
    _fail(found, failures)
    table = pa.Table.from_pylist(rows, schema=_SCHEMA)
    clean = {name: table.column(name).combine_chunks() for name in _SCHEMA.names}
    return finish(chunk, ACTIONS, failures, clean)


def with_retirement(
    rows: pa.Table, stored: Mapping[str, datetime | None], now: datetime
) -> pa.Table:
    """Turn ``retired`` into the instant of retirement.

    Parameters
    ----------
    rows
        ``Checked.rows`` of ``check_actions``.
    stored
        Since when each known action is retired, None if it is not.
    """
    since = []
    for action_id, retired in zip(
        rows.column(columns.ACTION_ID).to_pylist(), rows.column(RETIRED).to_pylist(), strict=True
    ):
        before = stored.get(action_id)
        since.append(before if retired is None else (before or now) if retired else None)
    instants = pa.array(since, pa.timestamp("us", tz="UTC"))
    return rows.drop_columns([RETIRED]).append_column(RETIRED_AT, instants)


def _checked(
    record: Any, action_id: str | None, known: tuple[Collection[str], ...]
) -> tuple[dict[str, Any], tuple[ReasonCode, str] | None]:
    if action_id is None or not isinstance(record, dict):
        return {}, None  # has failed already
    try:
        action = action_from_mapping({**record, columns.ACTION_ID: action_id})
    except CatalogueError as error:
        return {}, (ReasonCode.BAD_ACTION, str(error))
    problem = next(_problems(action, *known), None)
    if problem is not None:
        return {}, problem
    says_retired = record.get(RETIRED) not in (None, "")
    return _cells(action) | {RETIRED: action.retired if says_retired else None}, None


def _problems(
    action: Action, metrics: Collection[str], tags: Collection[str], conditions: Collection[str]
) -> Iterator[tuple[ReasonCode, str]]:
    for name in action.targets:
        if name not in metrics:
            yield ReasonCode.UNKNOWN_METRIC, f"targets: no metric has the name {name!r}"
    for name in action.tags:
        if name not in tags:
            yield ReasonCode.UNKNOWN_TAG, f"tags: {name!r} is not in the tag vocabulary"
    for name in action.eligible.conditions_any + action.eligible.conditions_none:
        if name not in conditions:
            yield ReasonCode.BAD_ACTION, f"eligible: no condition has the name {name!r}"
    if action.intensity not in (None, *INTENSITIES):
        yield ReasonCode.BAD_ACTION, f"intensity must be one of {', '.join(INTENSITIES)}"
    ranges = {
        columns.EFFORT: (action.effort, 1, MAX_EFFORT),
        columns.MINUTES: (action.minutes, 0, MINUTES_PER_DAY),
        columns.REPEAT_AFTER_DAYS: (action.repeat_after_days, 0, float("inf")),
    }
    for name, (value, low, high) in ranges.items():
        if value is not None and not low <= value <= high:
            yield ReasonCode.OUT_OF_RANGE, f"{name} must be from {low:g} to {high:g}"
    texts = [action.title, action.domain, action.description, action.clinician_description]
    texts += [action.technique or ""]
    if strict_json([texts, _lists(action), action.attributes]) is None:
        yield ReasonCode.BAD_TEXT, "a text or an attribute can't be stored"


def _lists(action: Action) -> list[Any]:
    evidence = [evidence_document(item) for item in action.evidence]
    eligible = eligibility_document(action.eligible)
    return [list(action.targets), list(action.tags), evidence, eligible]


def _cells(action: Action) -> dict[str, Any]:
    targets, tags, evidence, eligible = map(json_text, _lists(action))
    return {
        columns.TITLE: action.title,
        columns.DOMAIN: action.domain,
        columns.DESCRIPTION: action.description,
        columns.CLINICIAN_DESCRIPTION: action.clinician_description,
        columns.EFFORT: action.effort,
        columns.MINUTES: action.minutes,
        columns.TARGETS: targets,
        columns.TAGS: tags,
        columns.REPEAT_AFTER_DAYS: action.repeat_after_days,
        columns.EVIDENCE: evidence,
        columns.INTENSITY: action.intensity,
        columns.TECHNIQUE: action.technique,
        columns.ELIGIBLE: eligible,
        columns.REVIEWED_ON: action.reviewed_on,
        columns.REVIEW_BY: action.review_by,
        columns.ATTRIBUTES: json_text(dict(action.attributes)),
    }


def _fail(found: list[tuple[ReasonCode, str] | None], failures: Failures) -> None:
    for row, problem in enumerate(found):
        if problem is not None:
            code, words = problem
            failures.add(np.arange(failures.rows) == row, code, words)
