"""What a reviewer would send back: the content of a catalogue beyond its form.

``catalogue_check`` says what no catalogue may break; here is what an entry worth following needs
as well. A warning is what time alone brings about; everything else is an error.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from recommender.catalogue_check import (
    INTENSITIES,
    INTENSITY_TAGS,
    action_problems,
    repeated_ids,
    wording_problems,
)
from recommender.domain import Action
from recommender.reading_level import grade

ERROR = "error"
WARNING = "warning"

HARDEST_GRADE = 8.0
"""School grade that a text for users may ask for at most."""

_VERIFIED = ("primary", "secondary")


@dataclass(frozen=True)
class Vocabulary:
    """The closed vocabularies that an action's names are looked up in."""

    metrics: Collection[str]
    tags: Collection[str]
    conditions: Collection[str]
    techniques: Collection[str]


@dataclass(frozen=True)
class Problem:
    """Something wrong with one entry; ``level`` is ``error`` or ``warning``."""

    action_id: str
    level: str
    text: str


def review(actions: Sequence[Action], known: Vocabulary, today: date) -> list[list[Problem]]:
    """Return what is wrong with each action, aligned with ``actions``."""
    ids = set(repeated_ids(actions))
    titles = _repeated_titles(actions)
    return [
        [
            *(Problem(one.action_id, ERROR, text) for text in _errors(one, known, ids, titles)),
            *(Problem(one.action_id, WARNING, text) for text in _overdue(one, today)),
        ]
        for one in actions
    ]


def _errors(
    action: Action, known: Vocabulary, ids: Collection[str], titles: Mapping[str, str]
) -> Iterator[str]:
    if action.action_id in ids:
        yield "more than one action has this id"
    if action.action_id in titles:
        yield f"has the title of {titles[action.action_id]}"
    yield from action_problems(action, known.metrics, known.tags)
    yield from wording_problems(action)
    yield from _text_problems(action)
    yield from _intensity_problems(action)
    yield from _name_problems(action, known)
    yield from _source_problems(action)


def _repeated_titles(actions: Sequence[Action]) -> dict[str, str]:
    """Action -> the one before it in the list with the same title."""
    first: dict[str, str] = {}
    found = {}
    for action in actions:
        title = " ".join(action.title.casefold().split())
        owner = first.setdefault(title, action.action_id)
        if owner != action.action_id:
            found[action.action_id] = owner
    return found


def _text_problems(action: Action) -> Iterator[str]:
    if not action.description:
        yield "description is missing"
    if not action.clinician_description:
        yield "clinician_description is missing"
    asked = grade(f"{action.title}. {action.description}")
    if asked > HARDEST_GRADE:
        yield f"title and description ask for school grade {asked:.1f}, at most {HARDEST_GRADE:g}"


def _intensity_problems(action: Action) -> Iterator[str]:
    if action.intensity is None:
        yield "intensity is missing"
        return
    if action.intensity not in INTENSITIES:
        yield f"intensity {action.intensity!r} is not one of {', '.join(INTENSITIES)}"
        return
    tagged = [tag.removesuffix("_exercise") for tag in INTENSITY_TAGS if tag in action.tags]
    if (tagged or ["none"]) != [action.intensity]:
        yield f"intensity {action.intensity} does not agree with tags: {', '.join(action.tags)}"


def _name_problems(action: Action, known: Vocabulary) -> Iterator[str]:
    if action.technique is None:
        yield "technique is missing"
    elif action.technique not in known.techniques:
        yield f"unknown technique {action.technique!r}"
    eligible = action.eligible
    for name in eligible.conditions_any + eligible.conditions_none:
        if name not in known.conditions:
            yield f"eligible: unknown condition {name!r}"


def _source_problems(action: Action) -> Iterator[str]:
    for item in action.evidence:
        if item.date is None:
            yield f"evidence {item.source!r} has no date"
        if item.verified not in _VERIFIED:
            yield f"evidence {item.source!r}: verified must be {' or '.join(_VERIFIED)}"
    if action.reviewed_on is None or action.review_by is None:
        yield "reviewed_on or review_by is missing"
    elif action.review_by <= action.reviewed_on:
        yield "review_by must be after reviewed_on"


def _overdue(action: Action, today: date) -> Iterator[str]:
    if action.review_by is not None and action.review_by < today and not action.retired:
        yield f"its review was due by {action.review_by}"
