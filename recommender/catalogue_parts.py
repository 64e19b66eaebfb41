"""The nested parts of a catalogue record: its evidence, and whom the action is for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from recommender import catalogue_cells as cells
from recommender import columns
from recommender.domain import EVERYBODY, Eligibility, Evidence, Sex
from recommender.errors import CatalogueError

Document = dict[str, Any]


def evidence_of(record: Mapping[str, Any]) -> tuple[Evidence, ...]:
    """Read the list of evidence; JSON text in CSV.

    Raises
    ------
    CatalogueError
        It has another shape or an unknown field.
    """
    value = cells.from_json(record, columns.EVIDENCE)
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, dict) for item in value):
        raise CatalogueError(f"{columns.EVIDENCE}: must be a list of objects")
    return tuple(_evidence(item) for item in value)


def _evidence(item: Mapping[str, Any]) -> Evidence:
    fields = _known_fields(columns.EVIDENCE, item, Evidence.__slots__)
    try:
        return Evidence(
            source=cells.required(fields, "source"),
            grade=cells.required(fields, "grade"),
            url=cells.text(fields, "url") or None,
            date=cells.text(fields, "date") or None,
            verified=cells.text(fields, "verified") or None,
        )
    except CatalogueError as error:
        raise CatalogueError(f"{columns.EVIDENCE}: {error}") from error


def eligibility_of(record: Mapping[str, Any]) -> Eligibility:
    """Read whom an action is for; JSON text in CSV.

    Raises
    ------
    CatalogueError
        It has another shape, an unknown field (which would not bind), or no one could meet it.
    """
    value = cells.from_json(record, columns.ELIGIBLE)
    if value is None:
        return EVERYBODY
    if not isinstance(value, dict):
        raise CatalogueError(f"{columns.ELIGIBLE}: must be an object")
    fields = _known_fields(columns.ELIGIBLE, value, Eligibility.__slots__)
    try:
        found = Eligibility(
            min_age=cells.whole(fields, "min_age"),
            max_age=cells.whole(fields, "max_age"),
            sex=_sex(fields),
            conditions_any=cells.names(fields, "conditions_any"),
            conditions_none=cells.names(fields, "conditions_none"),
            not_done_within_days=cells.number(fields, "not_done_within_days"),
        )
        _check_eligibility(found)
    except CatalogueError as error:
        raise CatalogueError(f"{columns.ELIGIBLE}: {error}") from error
    return found


def evidence_document(item: Evidence) -> Document:
    """A piece of evidence as JSON spells it, every field."""
    return {
        "source": item.source,
        "grade": item.grade,
        "url": item.url,
        "date": item.date,
        "verified": item.verified,
    }


def eligibility_document(eligible: Eligibility) -> Document:
    """Whom an action is for as JSON spells it: only what is asked of a person.

    >>> eligibility_document(Eligibility(min_age=50, conditions_none=("epilepsy",)))
    {'min_age': 50, 'conditions_none': ['epilepsy']}
    """
    values = {name: getattr(eligible, name) for name in Eligibility.__slots__}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
        if value is not None and value != ()
    }


def _known_fields(column: str, item: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    unknown = sorted(set(map(str, item)) - set(known))
    if unknown:
        raise CatalogueError(f"{column}: unknown field {', '.join(unknown)}")
    return {key: cells.plain(value) for key, value in item.items()}


def _sex(fields: Mapping[str, Any]) -> Sex | None:
    word = cells.text(fields, "sex")
    if not word:
        return None
    if word not in (Sex.FEMALE, Sex.MALE):
        raise CatalogueError("sex: must be female or male")
    return Sex(word)


def _check_eligibility(eligible: Eligibility) -> None:
    low, high = eligible.min_age or 0, eligible.max_age
    if low < 0 or (high is not None and high < low):
        raise CatalogueError("min_age, max_age: no age is in between")
    if (eligible.not_done_within_days or 0) < 0:
        raise CatalogueError("not_done_within_days: must be 0 or more")
    both = sorted(set(eligible.conditions_any) & set(eligible.conditions_none))
    if both:
        raise CatalogueError(f"{', '.join(both)}: both needed and excluded")
