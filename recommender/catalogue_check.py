"""What makes an action unfit for a catalogue: references, ranges, evidence, wording.

``action_problems`` is what no catalogue may break; ``wording_problems`` is about what a
person may read; ``check_actions`` does both for a whole list.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from recommender import columns
from recommender.domain import Action

INTENSITIES = ("none", "light", "moderate", "vigorous")
"""What an action may say of its intensity."""

INTENSITY_TAGS = tuple(f"{intensity}_exercise" for intensity in INTENSITIES[1:])
"""Every exercise carries exactly one of these."""

EXERCISE_TAGS = ("strength", "high_impact", "contact_sport")
"""Tags that only make sense on exercise, so they need an intensity beside them."""

MAX_EFFORT = 5
MINUTES_PER_DAY = 1440

_GRADE = re.compile(r"[ABCDI]|[123][ABC]|guideline|trial|observational|consensus")
_DATE = re.compile(r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?")
_URL = re.compile(r"https?://[^\s/]+\.[^\s]+")

_STEMS = (
    "diabet prediabet hypertens hypotens cancer carcinom tumour tumor depressi anxiet insomni "
    "apnea apnoea obes infarct arrhythmi fibrillat aneurysm osteopor arthrit hepatit cirrhos "
    "asthma emphysem pneumon influenza covid measles epilep seizure dementi alzheimer parkinson "
    "bipolar schizophren anorex bulimi disorder disease syndrome dyslipid hyperlipid hyperglyc "
    "hypoglyc alcoholi addict medication prescri dosage antidepress antihypertens diagnos "
    "contraindic"
).replace(" ", "|")
"""Beginnings of words that name a disease, a medicine or a medical directive."""

_WORDS = (
    "stroke",
    "angina",
    "copd",
    "hiv",
    "tetanus",
    "shingles",
    "zoster",
    "renal",
    r"heart (?:attack|failure|disease)",
    r"kidney (?:failure|disease)",
    "medicine",
    "drug",
    "pill",
    "dose",
    "statin",
    "insulin",
    "metformin",
    "aspirin",
    "ibuprofen",
)
"""Whole words of the same kind, whose beginnings are harmless elsewhere ("stating")."""

_FORBIDDEN = re.compile(rf"\b(?:(?:{_STEMS})\w*|(?:{'|'.join(_WORDS)})s?\b)", re.I)
_THRESHOLD = re.compile(
    r"\d+(?:[.,]\d+)?\s*(?:mm\s?\[?hg\b|mg\b|mmol\b|kg/m|bpm\b|ml\b|%)|\bbmi\b|[<>≤≥]\s*\d",
    re.I,
)


def check_actions(
    actions: Sequence[Action], metrics: Collection[str], tags: Collection[str]
) -> list[str]:
    """Return every problem of a catalogue in words, each beginning with the action's id.

    Parameters
    ----------
    metrics
        Names of all known metrics.
    tags
        The closed tag vocabulary (``load_tags``).
    """
    problems = [
        f"{action_id}: more than one action has this id" for action_id in repeated_ids(actions)
    ]
    for action in actions:
        found = action_problems(action, metrics, tags) + wording_problems(action)
        problems += [f"{action.action_id}: {problem}" for problem in found]
    return problems


def repeated_ids(actions: Sequence[Action]) -> list[str]:
    """Return the ids that more than one action has, sorted."""
    counts = Counter(action.action_id for action in actions)
    return sorted(action_id for action_id, count in counts.items() if count > 1)


def action_problems(action: Action, metrics: Collection[str], tags: Collection[str]) -> list[str]:
    """Return what an action's content breaks, in words; empty if nothing."""
    return [
        *_reference_problems(action, metrics, tags),
        *_range_problems(action),
        *_intensity_problems(action),
        *_evidence_problems(action),
    ]


def _reference_problems(
    action: Action, metrics: Collection[str], tags: Collection[str]
) -> Iterator[str]:
    for field in (columns.ACTION_ID, columns.TITLE, columns.DOMAIN):
        if not getattr(action, field).strip():
            yield f"{field} is empty"
    yield from (f"unknown metric {name!r}" for name in action.targets if name not in metrics)
    yield from (f"unknown tag {name!r}" for name in action.tags if name not in tags)


def _range_problems(action: Action) -> Iterator[str]:
    if action.effort is not None and not 1 <= action.effort <= MAX_EFFORT:
        yield f"effort must be from 1 to {MAX_EFFORT}"
    if action.minutes is not None and not 0 <= action.minutes <= MINUTES_PER_DAY:
        yield f"minutes must be from 0 to {MINUTES_PER_DAY}"
    if action.repeat_after_days is not None and not action.repeat_after_days > 0:
        yield "repeat_after_days must be above 0"


def _intensity_problems(action: Action) -> Iterator[str]:
    intensities = [tag for tag in INTENSITY_TAGS if tag in action.tags]
    if len(intensities) > 1:
        yield f"more than one intensity: {', '.join(intensities)}"
    if not intensities:
        needy = [tag for tag in EXERCISE_TAGS if tag in action.tags]
        yield from (f"{tag} needs an intensity tag such as light_exercise" for tag in needy)


def _evidence_problems(action: Action) -> Iterator[str]:
    if not action.evidence:
        yield "evidence is missing"
    for item in action.evidence:
        if not _GRADE.fullmatch(item.grade):
            yield f"unknown evidence grade {item.grade!r}"
        if item.date is not None and not _DATE.fullmatch(item.date):
            yield f"evidence date {item.date!r} is not YYYY, YYYY-MM or YYYY-MM-DD"
        if item.url is not None and not _URL.fullmatch(item.url):
            yield f"evidence url {item.url!r} is not a web address"


def wording_problems(action: Action) -> list[str]:
    """Return what a person should not read in the title or description, in words."""
    return [
        f"{field} holds {word!r}, which is not for users"
        for field in (columns.TITLE, columns.DESCRIPTION)
        for word in forbidden_words(getattr(action, field))
    ]


def forbidden_words(text: str) -> list[str]:
    """Return the disease names, medicine words and clinical thresholds in ``text``.

    Texts for ``audience=user`` are general wellness wording and hold none of them.

    >>> forbidden_words("Lower your hypertension to 120 mmHg")
    ['hypertension', '120 mmHg']
    >>> forbidden_words("Take a walk")
    []
    """
    return [match.group() for rule in (_FORBIDDEN, _THRESHOLD) for match in rule.finditer(text)]
