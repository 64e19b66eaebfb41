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

from recommender.compiled import compiled
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
    amounts
        What each adds, of the same shape.
    many
        How many there are; every row has one at least.
    users
        Whom each row is about.
    """

    sayings: _Sayings
    codes: IntArray
    amounts: FloatArray
    many: IntArray
    users: IntArray
    wording: Wording

    def in_words(self) -> list[tuple[Reason, ...]]:
        """Reasons of each row."""
        cited = np.arange(MOST) < self.many[:, None]
        codes, sayings = self.codes[cited], self.sayings
        columns = (
            [sayings.part[each] for each in codes.tolist()],
            [sayings.feature[each] for each in codes.tolist()],
            self._texts(codes, self.users.repeat(self.many)),
            self.amounts[cited].tolist(),
        )
        reasons = list(map(_reason, zip(*columns, strict=True)))
        ends = accumulate(self.many.tolist(), initial=0)
        return [tuple(reasons[begin:end]) for begin, end in pairwise(ends)]

    def as_json(self) -> list[list[bytes]]:
        """Reasons in pieces, columns of one entry a row; joined, they lack only the last brace."""
        there = (np.arange(MOST) < self.many[:, None]).T  # all first reasons, then all second ones
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
    codes, amounts, many = _chosen(
        np.ascontiguousarray(users, np.int64),
        np.ascontiguousarray(actions, np.int64),
        (
            np.ascontiguousarray(shares.amounts),
            np.ascontiguousarray(shares.past),
            np.ascontiguousarray(shares.past_amounts),
        ),
        (nameable.group, nameable.metrics, nameable.profile, nameable.base, nameable.of_metric),
        wording.phrases.targets,
        np.ascontiguousarray(wording.needs),
        wording.measured,
        wording.has_profile,
    )
    return Cited(nameable.sayings, codes, amounts, many, users, wording)


_SharesArrays = tuple[FloatArray, IntArray, FloatArray]
_Names = tuple[IntArray, IntArray, BoolArray, int, IntArray]


@compiled
def _chosen(
    users: IntArray,
    actions: IntArray,
    shares: _SharesArrays,
    names: _Names,
    targets: IntArray,
    needs: FloatArray,
    measured: BoolArray,
    has_profile: BoolArray,
) -> tuple[IntArray, FloatArray, IntArray]:
    """Choose the reasons of rows (user, action); see ``cite``.

    Parameters
    ----------
    shares
        Amounts, past actions and their amounts of ``Shares``.
    names
        The first fields of ``_Nameable``.
    targets, needs, measured, has_profile
        See ``Phrases`` and ``Wording``.

    Returns
    -------
    codes, amounts, many
        See ``Cited``.
    """
    shared, past, past_amounts = shares
    group, metrics, profile, base, of_metric = names
    n_subjects, n_metrics = len(metrics), needs.shape[1]
    codes = np.full((len(users), MOST), -1, dtype=np.int64)
    amounts, many = np.zeros((len(users), MOST)), np.zeros(len(users), dtype=np.int64)
    for row in range(len(users)):
        user, code, amount = users[row], codes[row], amounts[row]
        added, named = np.zeros(n_subjects), np.zeros(n_subjects, dtype=np.bool_)
        for column in range(len(group)):
            if group[column] >= 0:
                added[group[column]] += shared[row, column]
        named[base] = True  # it is never cited for raising a score
        n_needs = 0
        for target in targets[actions[row]]:
            if target >= 0 and needs[user, target] > 0.0:
                subject = of_metric[target]
                if subject >= 0:
                    named[subject] = True
                if n_needs < MOST:
                    code[n_needs] = n_subjects + target
                    amount[n_needs] = added[subject] if subject >= 0 else 0.0
                    n_needs += 1
        n = n_needs
        for subject in range(n_subjects):
            known = has_profile[user] or not profile[subject]
            if metrics[subject] >= 0:
                known = measured[user, metrics[subject]]
            if known and not named[subject]:
                n = _ranked(code, amount, n_needs, n, subject, added[subject])
        for at in range(past.shape[1]):
            if past[row, at] >= 0:
                name = n_subjects + n_metrics + past[row, at]
                n = _ranked(code, amount, n_needs, n, name, past_amounts[row, at])
        if n == 0:
            code[0], amount[0], n = base, added[base], 1
        many[row] = n
    return codes, amounts, many


@compiled
def _ranked(
    codes: IntArray, amounts: FloatArray, first: int, n: int, code: int, amount: float
) -> int:
    """Take one more into the ``n`` reasons so far, ordered by amount from ``first`` on.

    Of equals the earlier one stays ahead, and what is too little or too many is dropped. Returns
    how many there are now.
    """
    if not amount >= LEAST_CONTRIBUTION:
        return n
    place = n
    while place > first and amount > amounts[place - 1]:
        if place < MOST:
            codes[place], amounts[place] = codes[place - 1], amounts[place - 1]
        place -= 1
    if place < MOST:
        codes[place], amounts[place] = code, amount
    return min(n + 1, MOST)


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
    sayings: _Sayings


@lru_cache(maxsize=16)
def _nameable(subjects: tuple[Subject, ...], phrases: Phrases) -> _Nameable:
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
    return _Nameable(
        np.array(group, np.int64),
        sayings.metric[: len(place_of)],
        np.array([part == "profile" for part, _ in place_of]),
        place_of[_BASE],
        np.array([place_of.get((_BIOMETRICS, name), -1) for name in phrases.names], np.int64),
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
