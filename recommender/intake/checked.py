"""The outcome of checking a chunk: clean rows for the store, and what was refused and why."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from recommender import columns
from recommender.dataset import IntArray
from recommender.errors import MalformedFileError
from recommender.formats.chunk import Chunk
from recommender.intake.failures import Failures, ReasonCode

_DEEPEST = 32
_NUL = "\x00"
_SHOWN_NUL = "\N{SYMBOL FOR NULL}"
_ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that can't be taken.

    Attributes
    ----------
    row
        Its number within the chunk.
    reason
        Why, in words that hold nothing about a person.
    record
        The record as received, as JSON text that every database can hold.
    record_id, user_id
        Its own id and the person concerned, where they could be read.
    """

    row: int
    code: ReasonCode
    reason: str
    record: str
    record_id: str | None
    user_id: str | None


@dataclass(frozen=True)
class Checked:
    """What checking made of a chunk.

    Attributes
    ----------
    shape
        Columns of its kind of record.
    rows
        Clean columns, one row for each good record, in the order received.
    places
        For each of them the number of its record within the chunk, ascending.
    refused
        The other records, in the order received.
    ignored
        Columns that have no meaning here and are not kept.
    """

    shape: Shape
    rows: pa.Table
    places: IntArray
    refused: tuple[Refused, ...]
    ignored: tuple[str, ...] = ()

    @property
    def owners(self) -> list[tuple[str, str | None]]:
        """Id and person of each good row; actions are nobody's."""
        ids: list[str] = self.rows.column(self.shape.key).to_pylist()
        if columns.USER_ID not in self.rows.column_names:
            return [(own_id, None) for own_id in ids]
        return list(zip(ids, self.rows.column(columns.USER_ID).to_pylist(), strict=True))

    def without(self, chunk: Chunk, reasons: Mapping[int, str], code: ReasonCode) -> Checked:
        """Refuse some of the good rows after all: number of the row -> why."""
        if not reasons:
            return self
        owners = self.owners
        more = [
            Refused(
                row=int(self.places[number]),
                code=code,
                reason=reason,
                record=_record_text(chunk, self.shape, int(self.places[number])),
                record_id=owners[number][0],
                user_id=owners[number][1],
            )
            for number, reason in reasons.items()
        ]
        kept = np.ones(len(self.places), dtype=np.bool_)
        kept[list(reasons)] = False
        return replace(
            self,
            rows=self.rows.filter(pa.array(kept)),
            places=self.places[kept],
            refused=tuple(sorted((*self.refused, *more), key=lambda each: each.row)),
        )


@dataclass(frozen=True)
class Shape:
    """Columns of a kind of record.

    Attributes
    ----------
    kind
        ``users``, ``actions``, ``events`` or ``observations``.
    key
        The column that holds the record's own id.
    required, optional
        Columns with a meaning.
    """

    kind: str
    key: str
    required: tuple[str, ...]
    optional: tuple[str, ...]

    @property
    def known(self) -> frozenset[str]:
        """All columns with a meaning."""
        return frozenset(self.required + self.optional)

    def others(self, chunk: Chunk) -> tuple[str, ...]:
        """Columns of a chunk that this kind gives no meaning."""
        return tuple(name for name in chunk.names if name not in self.known)


def begin(chunk: Chunk, shape: Shape, path: str) -> Failures:
    """Start checking: required columns, and JSON values that are no objects.

    Raises
    ------
    MalformedFileError
        A file with a header lacks a required column.
    """
    missing = [name for name in shape.required if name not in chunk.names]
    if chunk.table is not None and missing:
        line = 1 if chunk.is_text else None
        raise MalformedFileError(path, f"no column {', '.join(missing)} for {shape.kind}", line)
    failures = Failures(chunk.rows)
    if chunk.values is not None and set(map(type, chunk.values)) - {dict}:
        wrong = np.array([not isinstance(value, dict) for value in chunk.values], dtype=np.bool_)
        failures.add(wrong, ReasonCode.NOT_AN_OBJECT, "the record is not a JSON object")
    return failures


def finish(
    chunk: Chunk,
    shape: Shape,
    failures: Failures,
    clean: Mapping[str, pa.Array],
    user_ids: pa.Array | None = None,
    ignored: tuple[str, ...] = (),
) -> Checked:
    """Part good rows from refused records."""
    passed = failures.passed
    rows = pa.table(dict(clean))
    if not passed.all():
        rows = rows.filter(pa.array(passed))
    own_ids = clean[shape.key]
    refused = tuple(
        _refused(chunk, shape, failures, row, own_ids, user_ids) for row in failures.failed_rows()
    )
    return Checked(shape, rows, np.flatnonzero(passed), refused, ignored)


def _refused(
    chunk: Chunk,
    shape: Shape,
    failures: Failures,
    row: int,
    own_ids: pa.Array,
    user_ids: pa.Array | None,
) -> Refused:
    code, reason = failures.why(row)
    return Refused(
        row=row,
        code=code,
        reason=reason,
        record=_record_text(chunk, shape, row),
        record_id=own_ids[row].as_py(),
        user_id=None if user_ids is None else user_ids[row].as_py(),
    )


def _record_text(chunk: Chunk, shape: Shape, row: int) -> str:
    """A record as received; what is no object in a list: SQLite takes a bare number for its own."""
    record = chunk.record(row, shape.known)
    return json_text(storable(record if isinstance(record, dict) else [record]))


def json_text(value: Any) -> str:
    """Canonical JSON: keys sorted, no blanks, so that equal values have equal text."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def strict_json(value: Any) -> str | None:
    """Canonical JSON of a value, or None if some database could not hold it as it is."""
    try:
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # not a JSON type, half a surrogate pair, nested without end
        return None
    return None if _ESCAPED_NUL.search(text) else text.decode()


def storable(value: Any, depth: int = 0) -> Any:
    """Make any value into plain JSON that both databases hold.

    NUL becomes a visible sign, half surrogate pairs a question mark, numbers beyond
    JSON's usual range and nesting beyond 32 levels text.
    """
    if depth > _DEEPEST:
        return "nested too deeply"
    if isinstance(value, str):
        return value.replace(_NUL, _SHOWN_NUL).encode("utf-8", "replace").decode()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float | Decimal):
        return _storable_number(value)
    if isinstance(value, Mapping):
        return {storable(str(key)): storable(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item, depth + 1) for item in value]
    return value.isoformat() if isinstance(value, date | datetime) else storable(str(value))


def _storable_number(value: float | Decimal) -> float | str:
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else str(value)
    number = float(value)
    return number if np.isfinite(number) else str(number)


KEY_COLUMNS = {
    "users": columns.USER_ID,
    "actions": columns.ACTION_ID,
    "events": columns.EVENT_ID,
    "observations": columns.OBSERVATION_ID,
}
"""The column that holds a record's own id, by kind."""
