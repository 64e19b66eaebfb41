"""Reasons in words: what moved a score most, each with its exact share.

A contribution is always a sum of terms of the score and never an estimate. What is not known of
a person moves scores too, but is no reason to give that person: it is never cited.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np

from recommender.dataset import BoolArray, FloatArray, IntArray
from recommender.domain import Audience, Reason
from recommender.item_json import FOLLOWS, numbers, reason_head
from recommender.models.base import Shares
from recommender.phrases import Phrases

MOST = 3
LEAST_CONTRIBUTION = 0.02
"""Log-odds below which a term is not worth a person's attention."""

Subject = tuple[str, str]
"""Part of the score, and what within it."""

_BASE: Subject = ("base", "base_rate")

_BIOMETRICS, _FACTOR = "biometrics", "factor"
_NOTHING = -np.inf


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


@dataclass(frozen=True)
class Cited:
    """Reasons of rows, chosen and not yet worded.

    Attributes
    ----------
    codes
        Places among the sayings, a row's first reason first, shape [n_rows, MOST].
    cited
        Which of these there are; every row has a first one.
    amounts
        What each adds, of the same shape.
    users
        Whom each row is about.
    """

    sayings: _Sayings
    codes: IntArray
    cited: BoolArray
    amounts: FloatArray
    users: IntArray
    wording: Wording

    def in_words(self) -> list[tuple[Reason, ...]]:
        """Reasons of each row."""
        codes, sayings = self.codes[self.cited], self.sayings
        many = np.count_nonzero(self.cited, axis=1)
        columns = (
            [sayings.part[each] for each in codes.tolist()],
            [sayings.feature[each] for each in codes.tolist()],
            self._texts(codes, self.users.repeat(many)),
            self.amounts[self.cited].tolist(),
        )
        reasons = list(map(_reason, zip(*columns, strict=True)))
        ends = accumulate(many.tolist(), initial=0)
        return [tuple(reasons[begin:end]) for begin, end in pairwise(ends)]

    def as_json(self) -> list[list[bytes]]:
        """Reasons in pieces, columns of one entry a row; joined, they lack only the last brace."""
        there = self.cited.T  # all first reasons, then all second ones
        heads = self._heads(self.codes.T[there], np.broadcast_to(self.users, there.shape)[there])
        first = len(self.users)
        heads[:first] = [each[FOLLOWS:] for each in heads[:first]]
        pieces = np.full((2, *there.shape), b"", dtype=object)
        pieces[0, there] = heads
        pieces[1, there] = numbers(self.amounts.T[there])
        return [column for place in pieces.swapaxes(0, 1).tolist() for column in place]

    def _heads(self, codes: IntArray, users: IntArray) -> list[bytes]:
        sayings = self.sayings
        if self.wording.phrases.audience is Audience.USER:
            return [sayings.head[each] for each in codes.tolist()]
        said = zip(codes.tolist(), self._texts(codes, users), strict=True)
        return [reason_head(sayings.part[each], sayings.feature[each], text) for each, text in said]

    def _texts(self, codes: IntArray, users: IntArray) -> list[str]:
        phrases, texts = self.wording.phrases, [self.sayings.text[each] for each in codes.tolist()]
        if phrases.audience is Audience.USER:
            return texts
        metric = self.sayings.metric[codes]
        reading = self.wording.readings[users, metric]
        return [
            text or phrases.of_reading(about, value)
            for text, about, value in zip(texts, metric.tolist(), reading.tolist(), strict=True)
        ]


def cite_all(
    shares: Shares, users: IntArray, actions: IntArray, wording: Wording
) -> list[tuple[Reason, ...]]:
    """Choose and word the reasons of each row of ``shares``; see ``cite``."""
    return cite(shares, users, actions, wording).in_words()


def cite(shares: Shares, users: IntArray, actions: IntArray, wording: Wording) -> Cited:
    """Choose the reasons of each row of ``shares``: a user and an action.

    The needs that an action answers come first, then what else raised its score, at most
    ``MOST`` in all; with nothing to cite, the action's base rate is named.
    """
    nameable = _nameable(shares.subjects, wording.phrases)
    codes, worth, amounts = _candidates(nameable, shares, users, actions, wording)
    # Of equals the first, so needs stay in the order of the action's targets.
    first = (-worth).argsort(axis=1, kind="stable")[:, :MOST]
    row = np.arange(len(first))[:, None]
    cited = worth[row, first] >= LEAST_CONTRIBUTION
    nothing = ~cited[:, 0]
    first[nothing, 0], cited[nothing, 0] = nameable.base, True
    return Cited(nameable.sayings, codes[row, first], cited, amounts[row, first], users, wording)


def _candidates(
    nameable: _Nameable, shares: Shares, users: IntArray, actions: IntArray, wording: Wording
) -> tuple[IntArray, FloatArray, FloatArray]:
    """What may be cited of each row: what adds to the score, past actions, targets.

    Returns
    -------
    codes, worth, amounts
        Places among the sayings, what to choose by, and what each adds, all of shape
        [n_rows, n_subjects + most past actions + most targets].
    """
    n_subjects, n_metrics = len(nameable.metrics), len(wording.phrases.names)
    target = wording.phrases.targets[actions]
    needed = (target >= 0) & (wording.needs[users[:, None], target] > 0)
    amounts = shares.amounts[:, nameable.columns] @ nameable.belongs
    worth = np.where(_allowed(nameable, wording)[users], amounts, _NOTHING)
    place = nameable.of_metric[target]
    row, column = (needed & (place >= 0)).nonzero()
    worth[row, place[row, column]] = _NOTHING  # named already, as a need
    rows = np.arange(len(users))[:, None]
    return (
        np.concatenate(
            [
                np.broadcast_to(np.arange(n_subjects), worth.shape),
                shares.past + (n_subjects + n_metrics),
                target + n_subjects,
            ],
            axis=1,
        ),
        np.concatenate(
            [
                worth,
                np.where(shares.past >= 0, shares.past_amounts, _NOTHING),
                np.where(needed, np.inf, _NOTHING),
            ],
            axis=1,
        ),
        np.concatenate(
            [amounts, shares.past_amounts, np.where(place >= 0, amounts[rows, place], 0.0)], axis=1
        ),
    )


_reason = partial(tuple.__new__, Reason)
"""Half the price of calling the class."""


class _Sayings(NamedTuple):
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
    head: Sequence[bytes]


@dataclass(frozen=True)
class _Nameable:
    """What may be named to an audience.

    Attributes
    ----------
    columns, belongs
        Which columns of shares make the subjects up, and which of these belongs to which,
        [n_columns, n_subjects].
    base
        Place of the base rate among the subjects.
    metrics, of_metric
        The metric that each subject is about, and the subject about each metric; -1 for none.
    profile, never
        Which are of the profile, and which are never cited for raising a score.
    """

    columns: IntArray
    belongs: FloatArray
    base: int
    metrics: IntArray
    of_metric: IntArray
    profile: BoolArray
    never: BoolArray
    sayings: _Sayings


@lru_cache(maxsize=16)
def _nameable(subjects: tuple[Subject, ...], phrases: Phrases) -> _Nameable:
    """What is there because something is not known has no name."""
    place_of: dict[Subject, int] = {}
    columns, group = [], []
    for column, (part, subject) in enumerate(subjects):
        if part == "profile":
            if subject.endswith(":missing"):
                continue
            if phrases.audience is Audience.USER:
                subject = "profile"  # its entries may name a disease
        elif part == _BIOMETRICS and subject not in phrases.names:
            continue
        columns.append(column)
        group.append(place_of.setdefault((part, subject), len(place_of)))
    belongs = np.zeros((len(columns), len(place_of)))
    belongs[np.arange(len(columns)), group] = 1.0
    sayings = _sayings(tuple(place_of), phrases)
    return _Nameable(
        np.array(columns, np.int64),
        belongs,
        place_of[_BASE],
        sayings.metric[: len(place_of)],
        np.array([place_of.get((_BIOMETRICS, name), -1) for name in phrases.names], np.int64),
        np.array([part == "profile" for part, _ in place_of]),
        np.array([subject == _BASE for subject in place_of]),
        sayings,
    )


def _sayings(subjects: Sequence[Subject], phrases: Phrases) -> _Sayings:
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
    heads = list(map(reason_head, part, feature, text))
    return _Sayings(part, feature, text, np.array(metric, np.int64), heads)


def _allowed(nameable: _Nameable, wording: Wording) -> BoolArray:
    """What may be cited to each person, shape [n_users, n_subjects]."""
    measured = (nameable.metrics < 0) | wording.measured[:, nameable.metrics]
    known = ~nameable.profile | wording.has_profile[:, None]
    allowed: BoolArray = measured & known & ~nameable.never
    return allowed
