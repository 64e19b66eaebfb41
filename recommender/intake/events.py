"""Checks of behaviour records."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from recommender import columns
from recommender.dataset import BoolArray
from recommender.domain import EVENT_CODES, EventType
from recommender.formats.chunk import Chunk, Column, typed_cell
from recommender.intake import fields
from recommender.intake.checked import Checked, Shape, begin, finish, strict_json
from recommender.intake.failures import Failures, ReasonCode

EVENTS = Shape(
    kind="events",
    key=columns.EVENT_ID,
    required=(
        columns.EVENT_ID,
        columns.USER_ID,
        columns.ACTION_ID,
        columns.TYPE,
        columns.OCCURRED_AT,
    ),
    optional=(columns.PROPENSITY, columns.REQUEST_ID, columns.VALUE, columns.CONTEXT),
)
_LOWEST_RATING, _HIGHEST_RATING = 1.0, 5.0


def check_events(chunk: Chunk, path: str, actions: Sequence[str], now: datetime) -> Checked:
    """Check behaviour records.

    Columns without a meaning of their own become part of ``context``.

    Parameters
    ----------
    actions
        Ids of all actions of the catalogue.
    now
        Events more than five minutes later are in the future.

    Raises
    ------
    MalformedFileError
        A file lacks a required column.
    """
    failures = begin(chunk, EVENTS, path)
    clean = {
        columns.EVENT_ID: fields.ids(chunk.column(columns.EVENT_ID), columns.EVENT_ID, failures),
        columns.USER_ID: fields.ids(chunk.column(columns.USER_ID), columns.USER_ID, failures),
        columns.ACTION_ID: _action(chunk, actions, failures),
        columns.TYPE: _type(chunk, failures),
        columns.OCCURRED_AT: _occurred_at(chunk, now, failures),
        columns.PROPENSITY: _propensity(chunk, failures),
        columns.REQUEST_ID: fields.ids(
            chunk.column(columns.REQUEST_ID), columns.REQUEST_ID, failures, required=False
        ),
    }
    clean[columns.VALUE] = _rating(chunk, clean[columns.TYPE], failures)
    clean[columns.CONTEXT] = _context(chunk, failures)
    return finish(chunk, EVENTS, failures, clean, user_ids=clean[columns.USER_ID])


def _action(chunk: Chunk, actions: Sequence[str], failures: Failures) -> pa.Array:
    given = fields.ids(chunk.column(columns.ACTION_ID), columns.ACTION_ID, failures)
    known = pc.is_in(given, value_set=pa.array(actions, pa.string()))
    failures.add(
        fields.mask_of(pc.invert(known)),
        ReasonCode.UNKNOWN_ACTION,
        lambda row: f"the catalogue has no action {given[row].as_py()!r}",
    )
    return given


def _type(chunk: Chunk, failures: Failures) -> pa.Array:
    given = fields.texts(chunk.column(columns.TYPE), columns.TYPE, failures)
    fields.require(given, columns.TYPE, failures)
    known = pc.is_in(given, value_set=pa.array(list(EVENT_CODES), pa.string()))
    failures.add(
        fields.mask_of(pc.invert(known)),
        ReasonCode.UNKNOWN_TYPE,
        f"type must be one of {', '.join(EVENT_CODES)}",
    )
    return given


def _occurred_at(chunk: Chunk, now: datetime, failures: Failures) -> pa.Array:
    at = fields.instants(chunk.column(columns.OCCURRED_AT), columns.OCCURRED_AT, now, failures)
    fields.require(at, columns.OCCURRED_AT, failures)
    return at


def _propensity(chunk: Chunk, failures: Failures) -> pa.Array:
    given = fields.numbers(chunk.column(columns.PROPENSITY), columns.PROPENSITY, failures)
    fits = pc.and_(pc.greater(given, 0.0), pc.less_equal(given, 1.0))
    failures.add(
        fields.mask_of(pc.invert(fits)),
        ReasonCode.OUT_OF_RANGE,
        "propensity must be above 0 and at most 1",
    )
    return given


def _rating(chunk: Chunk, types: pa.Array, failures: Failures) -> pa.Array:
    given = fields.numbers(chunk.column(columns.VALUE), columns.VALUE, failures)
    fits = pc.and_(pc.greater_equal(given, _LOWEST_RATING), pc.less_equal(given, _HIGHEST_RATING))
    failures.add(
        fields.mask_of(pc.invert(fits)), ReasonCode.OUT_OF_RANGE, "value must be from 1 to 5"
    )
    lacking = pc.and_(pc.equal(types, EventType.RATE.value), given.is_null())
    failures.add(
        fields.mask_of(lacking), ReasonCode.MISSING_FIELD, "value is missing, which rate needs"
    )
    return given


def _context(chunk: Chunk, failures: Failures) -> pa.Array:
    column = chunk.column(columns.CONTEXT)
    others = EVENTS.others(chunk)
    if column is None and not others:
        return pa.nulls(failures.rows, pa.string())
    given, wrong = _context_text(column, failures.rows)
    failures.add(wrong, ReasonCode.BAD_CONTEXT, "context must be a JSON object or list")
    return _with_others(chunk, others, given, failures) if others else given


def _context_text(column: Column | None, rows: int) -> tuple[pa.Array, BoolArray]:
    """Canonical JSON text, and where there is none; each distinct text is parsed once."""
    if column is None:
        return pa.nulls(rows, pa.string()), np.zeros(rows, dtype=np.bool_)
    if isinstance(column, pa.Array) and fields.is_text(column.type):
        encoded = column.cast(pa.string()).dictionary_encode()
        distinct = [_canonical(text) for text in encoded.dictionary.to_pylist()]
        values = pa.array(distinct, pa.string()).take(encoded.indices)
        blank = pc.equal(pc.utf8_trim_whitespace(column.cast(pa.string())), "")
        wrong = pc.and_(column.is_valid(), pc.and_(values.is_null(), pc.invert(blank)))
        return values, fields.mask_of(wrong)
    items = column if isinstance(column, list) else column.to_pylist()
    texts = [None if item is None else _json_of(item) for item in items]
    wrong = [
        item not in (None, "") and text is None for item, text in zip(items, texts, strict=True)
    ]
    return pa.array(texts, pa.string()), np.array(wrong, dtype=np.bool_)


def _canonical(text: str) -> str | None:
    try:
        return _object_or_list(orjson.loads(text))
    except orjson.JSONDecodeError:
        return None


def _json_of(item: Any) -> str | None:
    """JSON text is taken for what it says, as it would be in a CSV cell."""
    return _canonical(item) if isinstance(item, str) else _object_or_list(item)


def _object_or_list(value: Any) -> str | None:
    # SQLite would take a bare JSON number for a number of its own.
    return strict_json(value) if isinstance(value, dict | list) else None


def _with_others(
    chunk: Chunk, others: Sequence[str], given: pa.Array, failures: Failures
) -> pa.Array:
    """Add further columns to the context, record by record: they are rare and of any type."""
    extras = [_values(chunk, name) for name in others]
    texts: list[str | None] = []
    for context, *cells in zip(given.to_pylist(), *extras, strict=True):
        added = {n: c for n, c in zip(others, cells, strict=True) if c is not None}
        texts.append(_merged(context, added) if added else context)
    merged = pa.array(texts, pa.string())
    lost = pc.and_(merged.is_null(), given.is_valid())
    wrong = fields.mask_of(lost) | _unmergeable(texts, extras)
    failures.add(
        wrong, ReasonCode.BAD_CONTEXT, "further columns can't be added to context under their names"
    )
    return merged


def _unmergeable(texts: Sequence[str | None], extras: Sequence[Sequence[Any]]) -> BoolArray:
    some = [any(cell is not None for cell in cells) for cells in zip(*extras, strict=True)]
    lost = [text is None and given for text, given in zip(texts, some, strict=True)]
    return np.array(lost, dtype=np.bool_)


def _values(chunk: Chunk, name: str) -> list[Any]:
    column = chunk.column(name)
    assert column is not None
    values: list[Any] = column if isinstance(column, list) else column.to_pylist()
    return [typed_cell(value) for value in values] if chunk.is_text else values


def _merged(context: str | None, added: dict[str, Any]) -> str | None:
    held = {} if context is None else orjson.loads(context)
    if not isinstance(held, dict) or set(held) & set(added):
        return None
    return strict_json(held | added)
