"""What reasons may say to an audience: whatever can have a part in a score, and its words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from recommender.dataset import BoolArray, IntArray
from recommender.domain import Audience
from recommender.item_json import reason_head
from recommender.phrases import Phrases
from recommender.pieces import Pieces

Subject = tuple[str, str]
"""Part of the score, and what within it."""

_BASE: Subject = ("base", "base_rate")

_BIOMETRICS, _FACTOR = "biometrics", "factor"


class Sayings(NamedTuple):
    """Whatever may be said: of each subject, of each metric as a need, of each past action.

    Attributes
    ----------
    text
        Empty where it depends on the reading of ``metric``, which is -1 elsewhere.
    head
        The beginning of a reason as JSON, see ``reason_head``.
    """

    part: Sequence[str]
    feature: Sequence[str]
    text: Sequence[str]
    metric: IntArray
    head: Pieces


@dataclass(frozen=True)
class Nameable:
    """What may be named to an audience.

    Attributes
    ----------
    group
        The subject that each column of shares belongs to, -1 if it has no name.
    metrics, of_metric
        The metric that each subject is about, and the subject about each metric; -1 for none.
    profile
        Which subjects are of the profile.
    base
        Place of the base rate among the subjects.
    """

    group: IntArray
    metrics: IntArray
    profile: BoolArray
    base: int
    of_metric: IntArray
    sayings: Sayings


@lru_cache(maxsize=16)
def nameable_by(subjects: tuple[Subject, ...], phrases: Phrases) -> Nameable:
    """What is there because something is not known has no name."""
    place_of: dict[Subject, int] = {}
    group = []
    for part, subject in subjects:
        unnamed = part == _BIOMETRICS and subject not in phrases.names
        if part == "profile":
            unnamed = subject.endswith(":missing")
            if phrases.audience is Audience.USER:
                subject = "profile"  # its entries may name a disease
        group.append(-1 if unnamed else place_of.setdefault((part, subject), len(place_of)))
    sayings = _sayings(tuple(place_of), phrases)
    return Nameable(
        np.array(group, np.int64),
        sayings.metric[: len(place_of)],
        np.array([part == "profile" for part, _ in place_of]),
        place_of[_BASE],
        np.array([place_of.get((_BIOMETRICS, name), -1) for name in phrases.names], np.int64),
        sayings,
    )


def _sayings(subjects: Sequence[Subject], phrases: Phrases) -> Sayings:
    names = phrases.names
    about = [names.index(name) if part == _BIOMETRICS else -1 for part, name in subjects]
    of_subject = [
        (
            *subject,
            phrases.of_likeness[metric] if metric >= 0 else phrases.of_other(*subject),
            metric,
        )
        for subject, metric in zip(subjects, about, strict=True)
    ]
    of_need = [
        (_BIOMETRICS, name, text, metric)
        for metric, (name, text) in enumerate(zip(names, phrases.of_need, strict=True))
    ]
    of_past = [
        (_FACTOR, name, text, -1) for name, text in zip(phrases.ids, phrases.of_past, strict=True)
    ]
    part, feature, text, metric = zip(*of_subject, *of_need, *of_past, strict=True)
    heads = Pieces.of(map(reason_head, part, feature, text))
    return Sayings(part, feature, text, np.array(metric, np.int64), heads)
