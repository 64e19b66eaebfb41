"""The catalogue: records of any format -> actions, and the closed vocabularies.

Here only the shape of a record is decided; ``catalogue_check`` says what its content breaks.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from recommender import catalogue_cells as cells
from recommender import columns
from recommender.catalogue_check import check_actions, repeated_ids
from recommender.catalogue_parts import eligibility_of, evidence_of
from recommender.domain import Action, Catalogue
from recommender.errors import CatalogueError, MalformedFileError
from recommender.resources import data_path

__all__ = [
    "action_from_mapping",
    "check_actions",
    "load_catalogue",
    "load_conditions",
    "load_tags",
    "load_techniques",
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
        columns.INTENSITY,
        columns.TECHNIQUE,
        columns.ELIGIBLE,
        columns.REVIEWED_ON,
        columns.REVIEW_BY,
        RETIRED,
    }
)
"""Columns with a meaning of their own; any other one is an attribute."""


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


def load_techniques(path: Path | None = None) -> dict[str, str]:
    """Return the closed vocabulary of behaviour-change techniques, as ``load_tags`` does."""
    return _vocabulary(path or data_path("techniques.toml"), "technique")


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
    record = {key: cells.plain(value) for key, value in mapping.items()}
    return Action(
        action_id=cells.required(record, columns.ACTION_ID),
        title=cells.required(record, columns.TITLE),
        domain=cells.required(record, columns.DOMAIN),
        description=cells.text(record, columns.DESCRIPTION),
        clinician_description=cells.text(record, columns.CLINICIAN_DESCRIPTION),
        effort=cells.whole(record, columns.EFFORT),
        minutes=cells.number(record, columns.MINUTES),
        targets=cells.names(record, columns.TARGETS),
        tags=cells.names(record, columns.TAGS),
        repeat_after_days=cells.number(record, columns.REPEAT_AFTER_DAYS),
        evidence=evidence_of(record),
        attributes={
            key: value
            for key, value in record.items()
            if key not in KNOWN_COLUMNS and value is not None
        },
        retired=cells.flag(record, RETIRED),
        intensity=cells.text(record, columns.INTENSITY) or None,
        technique=cells.text(record, columns.TECHNIQUE) or None,
        eligible=eligibility_of(record),
        reviewed_on=cells.day(record, columns.REVIEWED_ON),
        review_by=cells.day(record, columns.REVIEW_BY),
    )
