"""Cells of a catalogue record, typed (JSON, Parquet) or text (CSV), as plain values.

Each reader takes the record, cleaned by ``plain``, and the name of a field. Where the cell has
another shape it raises a CatalogueError whose text begins with that name.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import date, datetime
from numbers import Real
from typing import Any

from recommender.errors import CatalogueError

_TRUE = ("true", "1", "1.0")
_FALSE = ("false", "0", "0.0", "none")


def plain(value: Any) -> Any:
    """A cell without the reader's own types; None for NaN and blank text."""
    if hasattr(value, "tolist"):  # numpy scalars and arrays, as Parquet readers hand them over
        value = value.tolist()
    if isinstance(value, str):
        return value.strip() or None
    return None if isinstance(value, float) and math.isnan(value) else value


def required(record: Mapping[str, Any], field: str) -> str:
    """Text that may not be missing."""
    found = text(record, field)
    if not found:
        raise CatalogueError(f"{field}: missing")
    return found


def text(record: Mapping[str, Any], field: str) -> str:
    """Text, empty if absent."""
    value = record.get(field)
    if value is None:
        return ""
    # Readers that guess types turn ids such as 17 into numbers.
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise CatalogueError(f"{field}: must be text")
    return value


def number(record: Mapping[str, Any], field: str) -> float | None:
    """A finite number, or None if absent."""
    value = record.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (str, Real)):
        raise CatalogueError(f"{field}: must be a number")
    try:
        found = float(value)
    except (ValueError, OverflowError):
        raise CatalogueError(f"{field}: must be a number") from None
    if not math.isfinite(found):
        raise CatalogueError(f"{field}: must be finite")
    return found


def whole(record: Mapping[str, Any], field: str) -> int | None:
    """A whole number, or None if absent."""
    found = number(record, field)
    if found is None:
        return None
    if found != int(found):
        raise CatalogueError(f"{field}: must be a whole number")
    return int(found)


def flag(record: Mapping[str, Any], field: str) -> bool:
    """True or false; false if absent."""
    word = str(record.get(field)).lower()
    if word not in _TRUE + _FALSE:
        raise CatalogueError(f"{field}: must be true or false")
    return word in _TRUE


def names(record: Mapping[str, Any], field: str) -> tuple[str, ...]:
    """A list of names, in CSV joined by ``;``; each once."""
    value = record.get(field)
    if value is None:
        return ()
    items = value.split(";") if isinstance(value, str) else value
    if not isinstance(items, (list, tuple)) or not all(isinstance(item, str) for item in items):
        raise CatalogueError(f"{field}: must be a list of names")
    return tuple(dict.fromkeys(item.strip() for item in items if item.strip()))


def day(record: Mapping[str, Any], field: str) -> date | None:
    """A day, as text ``2026-11-23``; None if absent."""
    value = record.get(field)
    if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise CatalogueError(f"{field}: must be a day such as 2026-11-23") from None


def from_json(record: Mapping[str, Any], field: str) -> Any:
    """A nested value; in CSV it is JSON text."""
    value = record.get(field)
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError as error:
        raise CatalogueError(f"{field}: not JSON: {error.msg}") from error
