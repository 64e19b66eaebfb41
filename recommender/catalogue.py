"""The catalogue: records of any format -> actions, and the closed vocabularies.

Here only the shape of a record is decided; ``catalogue_check`` says what its content breaks.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping
from functools import cache
from numbers import Real
from pathlib import Path
from typing import Any

from recommender import columns
from recommender.catalogue_check import check_actions, repeated_ids
from recommender.domain import Action, Catalogue, Evidence
from recommender.errors import CatalogueError, MalformedFileError
from recommender.resources import data_path

__all__ = [
    "action_from_mapping",
    "check_actions",
    "load_catalogue",
    "load_conditions",
    "load_tags",
]

RETIRED = "retired"

KNOWN_COLUMNS = frozenset(
    {
        columns.ACTION_ID,
        columns.TITLE,
        columns.DOMAIN,
        columns.DESCRIPTION,
        columns.CLINICIAN_DESCRIPTION,
        columns.EFFORT,
        columns.MINUTES,
        columns.TARGETS,
        columns.TAGS,
        columns.REPEAT_AFTER_DAYS,
        columns.EVIDENCE,
        RETIRED,
    }
)
"""Columns with a meaning of their own; any other one is an attribute."""

_TRUE = ("true", "1", "1.0")
_FALSE = ("false", "0", "0.0", "none")


def load_tags(path: Path | None = None) -> dict[str, str]:
    """Return the closed tag vocabulary: tag -> what it says of an action.

    Parameters
    ----------
    path
        A vocabulary file; None reads the shipped ``data/tags.toml``.

    Raises
    ------
    CatalogueError
        If an entry lacks its name or meaning, or a name comes twice.
    MalformedFileError
        If the file can't be read as TOML.
    """
    return _vocabulary(path or data_path("tags.toml"), "tag")


def load_conditions(path: Path | None = None) -> dict[str, str]:
    """Return the closed condition vocabulary, as ``load_tags`` does for tags."""
    return _vocabulary(path or data_path("conditions.toml"), "condition")


@cache
def condition_names() -> dict[str, str]:
    """Every spelling that is understood -> the condition's name in the vocabulary.

    Raises
    ------
    CatalogueError
        If a spelling could mean two conditions.
    """
    path = data_path("conditions.toml")
    found = {name: name for name in load_conditions(path)}
    for entry in _read_toml(path)["condition"]:
        for alias in entry.get("aliases", []):
            if found.setdefault(alias, entry["name"]) != entry["name"]:
                raise CatalogueError(f"{path.name}: {alias!r} could mean two conditions")
    return found


def _vocabulary(path: Path, key: str) -> dict[str, str]:
    entries: dict[str, str] = {}
    for place, entry in enumerate(_read_toml(path).get(key, []), start=1):
        name, meaning = entry.get("name"), entry.get("meaning")
        if not (isinstance(name, str) and isinstance(meaning, str) and name and meaning):
            raise CatalogueError(f"{path.name}: {key} {place} needs a name and a meaning")
        if name in entries:
            raise CatalogueError(f"{path.name}: {key} {name!r} is listed twice")
        entries[name] = meaning
    return entries


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise MalformedFileError(str(path), str(error)) from error


def load_catalogue(path: Path | None = None) -> Catalogue:
    """Read a catalogue file (NDJSON, one action a line), sorted by ``action_id``.

    Parameters
    ----------
    path
        The file; None reads the shipped ``data/actions.ndjson``.

    Raises
    ------
    MalformedFileError
        If it can't be read, or a line is not a JSON object; names line and column.
    CatalogueError
        If an action is malformed or its id comes twice; names the line or the id.
    """
    source = path or data_path("actions.ndjson")
    actions = [_action_on_line(source, line, text) for line, text in _lines(source)]
    twice = repeated_ids(actions)
    if twice:
        raise CatalogueError(f"{source.name}: more than one action is called {', '.join(twice)}")
    return Catalogue(tuple(sorted(actions, key=lambda action: action.action_id)))


def _lines(path: Path) -> list[tuple[int, str]]:
    try:
        # Not splitlines(): JSON text may hold U+2028 and its like unescaped.
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise MalformedFileError(str(path), str(error)) from error
    return [(number, text) for number, text in enumerate(lines, start=1) if text.strip()]


def _action_on_line(path: Path, line: int, text: str) -> Action:
    try:
        record = json.loads(text)
    except json.JSONDecodeError as error:
        raise MalformedFileError(str(path), error.msg, line, error.colno) from error
    if not isinstance(record, dict):
        raise MalformedFileError(str(path), "an action must be a JSON object", line, 1)
    try:
        return action_from_mapping(record)
    except CatalogueError as error:
        raise CatalogueError(f"{path.name}, line {line}: {error}") from error


def action_from_mapping(mapping: Mapping[str, Any]) -> Action:
    """Build an action from one record of any format.

    Cells may be typed (JSON, Parquet) or text (CSV: lists joined by ``;``, ``evidence``
    as JSON). None, NaN and blank text are absent; unknown columns become attributes.

    Raises
    ------
    CatalogueError
        If a field is missing or has the wrong shape; the text begins with its name.
    """
    record = {key: _plain(value) for key, value in mapping.items()}
    return Action(
        action_id=_required(record, columns.ACTION_ID),
        title=_required(record, columns.TITLE),
        domain=_required(record, columns.DOMAIN),
        description=_text(record, columns.DESCRIPTION),
        clinician_description=_text(record, columns.CLINICIAN_DESCRIPTION),
        effort=_whole(record, columns.EFFORT),
        minutes=_number(record, columns.MINUTES),
        targets=_names(record, columns.TARGETS),
        tags=_names(record, columns.TAGS),
        repeat_after_days=_number(record, columns.REPEAT_AFTER_DAYS),
        evidence=_evidence(record),
        attributes={
            key: value
            for key, value in record.items()
            if key not in KNOWN_COLUMNS and value is not None
        },
        retired=_flag(record, RETIRED),
    )


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # numpy scalars and arrays, as Parquet readers hand them over
        value = value.tolist()
    if isinstance(value, str):
        return value.strip() or None
    return None if isinstance(value, float) and math.isnan(value) else value


def _required(record: Mapping[str, Any], field: str) -> str:
    text = _text(record, field)
    if not text:
        raise CatalogueError(f"{field}: missing")
    return text


def _text(record: Mapping[str, Any], field: str) -> str:
    value = record.get(field)
    if value is None:
        return ""
    # Readers that guess types turn ids such as 17 into numbers.
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise CatalogueError(f"{field}: must be text")
    return value


def _number(record: Mapping[str, Any], field: str) -> float | None:
    value = record.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (str, Real)):
        raise CatalogueError(f"{field}: must be a number")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise CatalogueError(f"{field}: must be a number") from None
    if not math.isfinite(number):
        raise CatalogueError(f"{field}: must be finite")
    return number


def _whole(record: Mapping[str, Any], field: str) -> int | None:
    number = _number(record, field)
    if number is None:
        return None
    if number != int(number):
        raise CatalogueError(f"{field}: must be a whole number")
    return int(number)


def _flag(record: Mapping[str, Any], field: str) -> bool:
    value = record.get(field)
    word = str(value).lower()
    if word not in _TRUE + _FALSE:
        raise CatalogueError(f"{field}: must be true or false")
    return word in _TRUE


def _names(record: Mapping[str, Any], field: str) -> tuple[str, ...]:
    value = record.get(field)
    if value is None:
        return ()
    items = value.split(";") if isinstance(value, str) else value
    if not isinstance(items, (list, tuple)) or not all(isinstance(item, str) for item in items):
        raise CatalogueError(f"{field}: must be a list of names")
    return tuple(dict.fromkeys(item.strip() for item in items if item.strip()))


def _evidence(record: Mapping[str, Any]) -> tuple[Evidence, ...]:
    value = record.get(columns.EVIDENCE)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError as error:
            raise CatalogueError(f"{columns.EVIDENCE}: not JSON: {error.msg}") from error
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, dict) for item in value):
        raise CatalogueError(f"{columns.EVIDENCE}: must be a list of objects")
    return tuple(_evidence_item(item) for item in value)


def _evidence_item(item: Mapping[str, Any]) -> Evidence:
    unknown = sorted(set(item) - set(Evidence.__slots__))
    if unknown:
        raise CatalogueError(f"{columns.EVIDENCE}: unknown field {', '.join(unknown)}")
    fields = {key: _plain(value) for key, value in item.items()}
    try:
        return Evidence(
            source=_required(fields, "source"),
            grade=_required(fields, "grade"),
            url=_text(fields, "url") or None,
            date=_text(fields, "date") or None,
        )
    except CatalogueError as error:
        raise CatalogueError(f"{columns.EVIDENCE}: {error}") from error
