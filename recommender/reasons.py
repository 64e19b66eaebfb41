"""Reasons in words: what moved a score most, each with its exact share.

A contribution is always a sum of terms of the score and never an estimate. What is not known of
a person moves scores too, but is no reason to give that person: it is never cited.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from recommender.dataset import BoolArray, FloatArray, IntArray
from recommender.domain import Audience, Catalogue, MetricsList, Reason
from recommender.models.base import Shares

MOST = 3
LEAST_CONTRIBUTION = 0.02
"""Log-odds below which a term is not worth a person's attention."""

Subject = tuple[str, str]
"""Part of the score, and what within it."""

_BASE: Subject = ("base", "base_rate")

_BEHAVIOUR_WORDS: Mapping[str, str] = {
    "action": "How you got on with this one lately",
    "domain": "How you got on with things like this lately",
    "user": "How active you have been here lately",
}


_BIOMETRICS, _FACTOR = "biometrics", "factor"
_NOTHING = -np.inf


class Phrases:
    """The words for one audience, made ready for a catalogue.

    Attributes
    ----------
    ids
        Of the actions.
    targets
        Of each action: the metrics that it improves, as (place in the metric list, name).
    of_past
        Text for a past action that speaks for another, one an action.
    """

    def __init__(self, catalogue: Catalogue, metrics: MetricsList, audience: Audience) -> None:
        self.audience, self._metrics = audience, metrics
        self.names = metrics.names
        self.ids = catalogue.ids
        self.targets = [
            [(metrics.index[name], name) for name in action.targets if name in metrics.index]
            for action in catalogue.actions
        ]
        self.of_past = [
            f"Because of how you got on with “{action.title}”" for action in catalogue.actions
        ]
        self._needed = [
            f"There is room for your {metric.label} to improve, and this can help"
            for metric in metrics.metrics
        ]
        self._alike = [
            f"People whose {metric.label} is like yours tend to do this"
            for metric in metrics.metrics
        ]

    def of_reading(self, metric: int, value: float, *, needed: bool) -> str:
        """Text for a reading; ``needed`` if the action answers a need of it."""
        if self.audience is Audience.CLINICIAN:
            named = self._metrics.metrics[metric]
            seen = f"{value:g} {named.unit}" if value == value else "no fresh reading"
            return f"{named.name}: {seen}"
        return self._needed[metric] if needed else self._alike[metric]

    def of_other(self, part: str, subject: str) -> str:
        """Text for what is neither a reading nor a past action."""
        if part == "behaviour":
            return _BEHAVIOUR_WORDS.get(subject, "What you have been doing lately")
        if part == "profile":
            if self.audience is Audience.CLINICIAN:
                return f"Profile: {subject}"
            return "People with a profile like yours tend to do this"
        return "Many people do this when it is suggested"


@dataclass(frozen=True)
class Wording:
    """What the words need to know about the people.

    Attributes
    ----------
    readings
        Latest fresh reading of each metric, shape [n_users, n_metrics], NaN if unknown.
    needs
        Need of each metric, shape [n_users, n_metrics], 0 to 1.
    measured
        Whether there is any reading of each metric, however old, shape [n_users, n_metrics].
    has_profile
        Whether anything is known of the person's profile, shape [n_users].
    """

    phrases: Phrases
    readings: FloatArray
    needs: FloatArray
    measured: BoolArray
    has_profile: BoolArray


class _Person(NamedTuple):
    """One person's readings and needs, by metric."""

    readings: Sequence[float]
    needs: Sequence[float]


def cite_all(
    shares: Shares, users: IntArray, actions: IntArray, wording: Wording
) -> list[tuple[Reason, ...]]:
    """Choose and word the reasons of each row of ``shares``: a user and an action.

    The needs that an action answers come first, then what else raised its score, at most
    ``MOST`` in all; with nothing to cite, the action's base rate is named.
    """
    phrases = wording.phrases
    nameable = _nameable(shares.subjects, phrases.names, phrases.audience)
    amounts = shares.amounts[:, nameable.columns] @ nameable.belongs
    citable = np.where(_allowed(nameable, wording)[users], amounts, _NOTHING)
    past = np.where(shares.past >= 0, shares.past_amounts, _NOTHING)
    every = np.concatenate([citable, past], axis=1)
    # More than these can't be cited: needs only come before them.
    first = (-every).argsort(axis=1, kind="stable")[:, :MOST]
    people = list(map(_Person, wording.readings.tolist(), wording.needs.tolist()))
    rows = zip(
        users.tolist(), actions.tolist(), amounts.tolist(), first.tolist(),
        np.take_along_axis(every, first, 1).tolist(), shares.past.tolist(), strict=True,
    )  # fmt: skip
    return [
        _chosen(people[user], phrases, nameable, action, row, best, most, past)
        for user, action, row, best, most, past in rows
    ]


def _chosen(
    person: _Person,
    phrases: Phrases,
    nameable: _Nameable,
    action: int,
    row: Sequence[float],
    best: Sequence[int],
    most: Sequence[float],
    past: Sequence[int],
) -> tuple[Reason, ...]:
    """Reasons of one action for one person.

    Parameters
    ----------
    row
        What each subject adds.
    best, most
        Places of what adds most, past actions after the subjects, and how much.
    """
    reasons: dict[Subject, Reason] = {}
    for metric, name in phrases.targets[action]:
        if person.needs[metric] > 0:
            place = nameable.place_of.get((_BIOMETRICS, name))
            text = phrases.of_reading(metric, person.readings[metric], needed=True)
            amount = 0.0 if place is None else row[place]
            reasons[_BIOMETRICS, name] = Reason(_BIOMETRICS, name, text, amount)
    n_subjects = len(nameable.subjects)
    for place, amount in zip(best, most, strict=True):
        if amount < LEAST_CONTRIBUTION or len(reasons) >= MOST:
            break
        if place >= n_subjects:
            other = past[place - n_subjects]
            reason = Reason(_FACTOR, phrases.ids[other], phrases.of_past[other], amount)
            reasons[_FACTOR, reason.feature] = reason
        elif (subject := nameable.subjects[place]) not in reasons:
            text = _text(nameable.metrics[place], subject, person, phrases)
            reasons[subject] = Reason(*subject, text, amount)
    if not reasons:
        base = row[nameable.place_of[_BASE]]
        return (Reason(*_BASE, phrases.of_other(*_BASE), base),)
    return tuple(reasons.values())[:MOST]


def _text(metric: int, subject: Subject, person: _Person, phrases: Phrases) -> str:
    """Text for a subject that answers no need."""
    if metric < 0:
        return phrases.of_other(*subject)
    return phrases.of_reading(metric, person.readings[metric], needed=False)


@dataclass(frozen=True)
class _Nameable:
    """What may be named to an audience.

    Attributes
    ----------
    subjects, place_of
        As they are named, and the place of each.
    columns, belongs
        Which columns of shares make them up, and which of these belongs to which subject,
        [n_columns, n_subjects].
    metrics
        The metric each is about, -1 for none.
    profile, never
        Which are of the profile, and which are never cited for raising a score.
    """

    subjects: tuple[Subject, ...]
    place_of: Mapping[Subject, int]
    columns: IntArray
    belongs: FloatArray
    metrics: tuple[int, ...]
    profile: BoolArray
    never: BoolArray


@lru_cache(maxsize=16)
def _nameable(
    subjects: tuple[Subject, ...], metrics: tuple[str, ...], audience: Audience
) -> _Nameable:
    """What is there because something is not known has no name."""
    place_of: dict[Subject, int] = {}
    columns, group = [], []
    for column, (part, subject) in enumerate(subjects):
        if part == "profile":
            if subject.endswith(":missing"):
                continue
            if audience is Audience.USER:
                subject = "profile"  # its entries may name a disease
        elif part == _BIOMETRICS and subject not in metrics:
            continue
        columns.append(column)
        group.append(place_of.setdefault((part, subject), len(place_of)))
    belongs = np.zeros((len(columns), len(place_of)))
    belongs[np.arange(len(columns)), group] = 1.0
    named = tuple(place_of)
    return _Nameable(
        named,
        place_of,
        np.array(columns, np.int64),
        belongs,
        tuple(metrics.index(name) if part == _BIOMETRICS else -1 for part, name in named),
        np.array([part == "profile" for part, _ in named]),
        np.array([subject == _BASE for subject in named]),
    )


def _allowed(nameable: _Nameable, wording: Wording) -> BoolArray:
    """What may be cited to each person, shape [n_users, n_subjects]."""
    metrics = np.array(nameable.metrics)
    measured = (metrics < 0) | wording.measured[:, metrics]
    known = ~nameable.profile | wording.has_profile[:, None]
    allowed: BoolArray = measured & known & ~nameable.never
    return allowed
