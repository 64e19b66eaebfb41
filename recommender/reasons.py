"""Reasons in words: what moved a score most, each with its exact share.

A contribution is always a sum of terms of the score and never an estimate. What is not known of
a person moves scores too, but is no reason to give that person: it is never cited.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise

import numpy as np

from recommender.compiled import compiled
from recommender.dataset import BoolArray, FloatArray, IntArray
from recommender.domain import Audience, Reason
from recommender.item_json import MOST as MOST
from recommender.item_json import Reasons, reason_head
from recommender.models.base import Shares
from recommender.phrases import Phrases
from recommender.pieces import Pieces
from recommender.sayings import Sayings, nameable_by

LEAST_CONTRIBUTION = 0.02
"""Log-odds below which a term is not worth a person's attention."""


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
        Places among the sayings, a row's first reason first, -1 where it has no more, shape
        [n_rows, MOST].
    amounts
        What each adds, of the same shape.
    many
        How many there are; every row has one at least.
    users
        Whom each row is about.
    """

    sayings: Sayings
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

    def as_json(self) -> Reasons:
        """As ``ItemJson`` takes them."""
        sayings = self.sayings
        if self.wording.phrases.audience is Audience.USER:
            return Reasons(sayings.head, self.codes, self.amounts)
        # Words depend on readings: each reason has its own.
        row, place = (self.codes >= 0).nonzero()
        codes = self.codes[row, place]
        said = zip(codes.tolist(), self._texts(codes, self.users[row]), strict=True)
        heads = [reason_head(sayings.part[n], sayings.feature[n], text) for n, text in said]
        own = np.full(self.codes.shape, -1, np.int64)
        own[row, place] = np.arange(len(heads))
        return Reasons(Pieces.of(heads), own, self.amounts)

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
    nameable = nameable_by(shares.subjects, wording.phrases)
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
        The first fields of ``Nameable``.
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
    added, named = np.empty(n_subjects), np.empty(n_subjects, dtype=np.bool_)
    for row in range(len(users)):
        user, code, amount = users[row], codes[row], amounts[row]
        added[:] = 0.0
        named[:] = False
        for column in range(len(group)):
            if group[column] >= 0:
                added[group[column]] += shared[row, column]
        named[base] = True  # it is never cited for raising a score
        n_needs = 0
        for at in range(targets.shape[1]):
            target = targets[actions[row], at]
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
            if added[subject] < LEAST_CONTRIBUTION or named[subject]:
                continue
            known = has_profile[user] or not profile[subject]
            if metrics[subject] >= 0:
                known = measured[user, metrics[subject]]
            if known:
                n = _ranked(code, amount, n_needs, n, subject, added[subject])
        for at in range(past.shape[1]):
            if past[row, at] >= 0 and past_amounts[row, at] >= LEAST_CONTRIBUTION:
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

    Of equals the earlier one stays ahead, and what is one too many is dropped. Returns how many
    there are now.
    """
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
