"""Checks of single fields, a whole column at a time.

Each takes a column as it was read (Arrow values or Python values from JSON; None if
absent), reports the records that fail and returns clean Arrow values, null where absent
or failed. White space around a text is not part of it, and an empty text is an absent one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recommender.dataset import BoolArray
from recommender.formats.chunk import Column
from recommender.intake.failures import Failures, ReasonCode

LONGEST_TEXT = 200
CLOCK_TOLERANCE = timedelta(minutes=5)
EARLIEST_YEAR = 1900

_CONTROL = r"[\x00-\x1f\x7f-\x{9f}]"
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_INSTANT = r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?"
_OFFSET = r"([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$"
_TOO_FINE = r"(\.\d{6})\d+"
_DATE = r"^\d{4}-\d\d-\d\d$"
_EXACT_WHOLE = 2.0**53


def texts(column: Column | None, name: str, failures: Failures) -> pa.Array:
    """Short texts: at most 200 characters, none of them a control character."""
    values, wrong = _text_of(column, failures.rows, _as_text)
    failures.add(wrong, ReasonCode.BAD_TEXT, f"{name} must be text")
    return _without_unfit(values, name, ReasonCode.BAD_TEXT, failures)


def ids(column: Column | None, name: str, failures: Failures, *, required: bool = True) -> pa.Array:
    """Ids: short texts; whole numbers become their decimal digits."""
    values, wrong = _text_of(column, failures.rows, _as_id)
    failures.add(wrong, ReasonCode.BAD_ID, f"{name} must be text or a whole number")
    values = _without_unfit(values, name, ReasonCode.BAD_ID, failures)
    if required:
        require(values, name, failures)
    return values


def read_ids(values: Sequence[Any]) -> list[str | None]:
    """Ids as taking the values would read them; None for what is absent or no id."""
    return list(ids(list(values), "id", Failures(len(values)), required=False).to_pylist())


@lru_cache(maxsize=1000)
def is_kept_as_it_is(text: str) -> bool:
    """Whether an id is stored letter by letter: not trimmed, not refused."""
    return read_ids([text]) == [text]


def require(values: pa.Array, name: str, failures: Failures) -> None:
    """Fail the records in which a field is absent."""
    failures.add(mask_of(values.is_null()), ReasonCode.MISSING_FIELD, f"{name} is missing")


def numbers(column: Column | None, name: str, failures: Failures) -> pa.Array:
    """Finite numbers, also written as text."""
    if isinstance(column, list) and set(map(type, column)) <= {int, float, type(None)}:
        column = _from_python(column, pa.float64()) or column
    if isinstance(column, pa.Array) and _is_numeric(column.type):
        values, wrong = column.cast(pa.float64(), safe=False), no_rows(failures)
    else:
        text, wrong = _text_of(column, failures.rows, _as_number_text)
        shaped = pc.match_substring_regex(text, _NUMBER)
        wrong = wrong | mask_of(pc.invert(shaped))
        values = pc.if_else(shaped, text, pa.scalar(None, pa.string())).cast(pa.float64())
    wrong = wrong | mask_of(pc.invert(pc.is_finite(values)))
    failures.add(wrong, ReasonCode.BAD_NUMBER, f"{name} must be a number")
    return _blanked(values, wrong)


def instants(column: Column | None, name: str, now: datetime, failures: Failures) -> pa.Array:
    """Instants in RFC 3339 with their offset, as UTC microseconds; not in the future."""
    if isinstance(column, pa.Array) and pa.types.is_timestamp(column.type):
        values = _arrow_instants(column, name, failures)
    else:
        text, wrong = _text_of(column, failures.rows, _as_instant_text)
        failures.add(
            wrong, ReasonCode.BAD_TIME, f"{name} must be a time such as 2026-01-31T08:00:00Z"
        )
        values = _parsed_instants(text, name, failures)
    earliest = pa.scalar(datetime(EARLIEST_YEAR, 1, 1, tzinfo=UTC), values.type)
    latest = pa.scalar(now.astimezone(UTC) + CLOCK_TOLERANCE, values.type)
    future, ancient = mask_of(pc.greater(values, latest)), mask_of(pc.less(values, earliest))
    failures.add(future, ReasonCode.IN_FUTURE, f"{name} is in the future")
    failures.add(ancient, ReasonCode.TOO_LONG_AGO, f"{name} is before {EARLIEST_YEAR}")
    return values


def dates(column: Column | None, name: str, now: datetime, failures: Failures) -> pa.Array:
    """Calendar days as YYYY-MM-DD, from 1900 to today (UTC)."""
    if isinstance(column, pa.Array) and pa.types.is_date(column.type):
        column = column.cast(pa.date32()).cast(pa.string())
    text, wrong = _text_of(column, failures.rows, _as_date_text)
    shaped = pc.match_substring_regex(text, _DATE)
    values = _cast_where_valid(text, shaped, pa.date32(), _is_date)
    wrong = wrong | mask_of(pc.and_(text.is_valid(), values.is_null()))
    failures.add(wrong, ReasonCode.BAD_DATE, f"{name} must be a date such as 1980-01-31")
    today = pa.scalar(now.astimezone(UTC).date(), pa.date32())
    earliest = pa.scalar(datetime(EARLIEST_YEAR, 1, 1, tzinfo=UTC).date(), pa.date32())
    future, ancient = mask_of(pc.greater(values, today)), mask_of(pc.less(values, earliest))
    failures.add(future, ReasonCode.IN_FUTURE, f"{name} is in the future")
    failures.add(ancient, ReasonCode.TOO_LONG_AGO, f"{name} is before {EARLIEST_YEAR}")
    return values


def mask_of(condition: pa.Array) -> BoolArray:
    """Boolean Arrow values as NumPy; null counts as False."""
    if isinstance(condition, pa.ChunkedArray):
        condition = condition.combine_chunks()
    mask: BoolArray = pc.fill_null(condition, False).to_numpy(zero_copy_only=False)
    return mask


def no_rows(failures: Failures) -> BoolArray:
    """All False, one a record."""
    return np.zeros(failures.rows, dtype=np.bool_)


def _without_unfit(values: pa.Array, name: str, code: ReasonCode, failures: Failures) -> pa.Array:
    too_long = pc.greater(pc.utf8_length(values), LONGEST_TEXT)
    control = pc.match_substring_regex(values, _CONTROL)
    unfit = mask_of(pc.or_(too_long, control))
    failures.add(unfit, code, f"{name} has over {LONGEST_TEXT} or has control characters")
    return _blanked(values, unfit)


def _blanked(values: pa.Array, wrong: BoolArray) -> pa.Array:
    return (
        pc.if_else(pa.array(wrong), pa.scalar(None, values.type), values) if wrong.any() else values
    )


def _text_of(
    column: Column | None, rows: int, convert: Callable[[Any], str | None]
) -> tuple[pa.Array, BoolArray]:
    """Trimmed text, null where empty; and where the value is of a type that has none."""
    fine = np.zeros(rows, dtype=np.bool_)
    if column is None:
        return pa.nulls(rows, pa.string()), fine
    if isinstance(column, list):
        values, fine = _python_text(column, convert)
    elif is_text(column.type) or (convert is _as_id and pa.types.is_integer(column.type)):
        values = column.cast(pa.string())
    else:
        values, fine = _python_text(column.to_pylist(), convert)
    trimmed = pc.utf8_trim_whitespace(values)
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed), fine


def _python_text(
    column: Sequence[Any], convert: Callable[[Any], str | None]
) -> tuple[pa.Array, BoolArray]:
    if set(map(type, column)) <= {str, type(None)}:
        values = _from_python(column, pa.string())
        if values is not None:
            return values, np.zeros(len(column), dtype=np.bool_)
    converted = [None if value is None else convert(value) for value in column]
    wrong = [
        value is not None and text is None for value, text in zip(column, converted, strict=True)
    ]
    return pa.array(converted, pa.string()), np.array(wrong, dtype=np.bool_)


def _from_python(column: Sequence[Any], kind: pa.DataType) -> pa.Array | None:
    try:
        return pa.array(column, kind)
    except (pa.ArrowException, UnicodeEncodeError, OverflowError):
        return None


def _as_text(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can spell
        return None
    return value


def _as_id(value: Any) -> str | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT_WHOLE:
        return str(int(value))
    return str(value) if isinstance(value, int) else _as_text(value)


def _as_number_text(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _as_text(value)
    return repr(float(value)) if abs(value) <= sys.float_info.max else None


def _as_instant_text(value: Any) -> str | None:
    return value.isoformat() if isinstance(value, datetime) else _as_text(value)


def _as_date_text(value: Any) -> str | None:
    if isinstance(value, datetime):
        is_midnight = value.time() == datetime.min.time()
        return value.date().isoformat() if is_midnight else None
    return value.isoformat() if hasattr(value, "isoformat") else _as_text(value)


def is_text(kind: pa.DataType) -> bool:
    """Tell whether values of this Arrow type are text, or all null."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_null(kind)
    )


def _is_numeric(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


def _arrow_instants(column: pa.Array, name: str, failures: Failures) -> pa.Array:
    if column.type.tz is None:
        failures.add(
            mask_of(column.is_valid()), ReasonCode.NO_OFFSET, f"{name} has no offset from UTC"
        )
        return pa.nulls(len(column), pa.timestamp("us", tz="UTC"))
    return column.cast(pa.timestamp("us", tz="UTC"), safe=False)


def _parsed_instants(text: pa.Array, name: str, failures: Failures) -> pa.Array:
    given = text.is_valid()
    shaped = pc.match_substring_regex(text, _INSTANT + _OFFSET)
    naive = pc.match_substring_regex(text, _INSTANT + "$")
    failures.add(mask_of(naive), ReasonCode.NO_OFFSET, f"{name} has no offset from UTC")
    text = pc.ascii_upper(text)
    if pc.any(pc.match_substring_regex(text, _TOO_FINE)).as_py():
        text = pc.replace_substring_regex(text, _TOO_FINE, r"\1")
    values = _cast_where_valid(text, shaped, pa.timestamp("us", tz="UTC"), _is_instant)
    wrong = mask_of(pc.and_(given, values.is_null()))
    failures.add(wrong, ReasonCode.BAD_TIME, f"{name} must be a time such as 2026-01-31T08:00:00Z")
    return values


def _cast_where_valid(
    text: pa.Array, shaped: pa.Array, kind: pa.DataType, is_valid: Callable[[str], bool]
) -> pa.Array:
    """Cast what has the right shape; look one by one only if something still isn't valid."""
    null = pa.scalar(None, pa.string())
    candidates = pc.if_else(shaped, text, null)
    try:
        return candidates.cast(kind)
    except pa.ArrowInvalid:
        kept = [value if value and is_valid(value) else None for value in candidates.to_pylist()]
        return pa.array(kept, pa.string()).cast(kind)


def _is_instant(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_date(text: str) -> bool:
    try:
        datetime.strptime(text, "%Y-%m-%d")
    except ValueError:
        return False
    return True
