"""Items of answers: scored actions with their reasons."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, pairwise
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from recommender.assess import Assessment, Assessor
from recommender.dataset import BoolArray, FloatArray, Int8Array, IntArray, Records, Users
from recommender.domain import (
    Action,
    Audience,
    Reason,
    Recommendation,
    RecommendationList,
    Verdict,
)
from recommender.reasons import Cited, Wording, cite
from recommender.selection import Lists
from recommender.store.alerts import AlertRow
from recommender.store.write import Logged, LoggedItem

Given = TypeVar("Given")
VERDICTS = tuple(Verdict)
_recommendation = partial(tuple.__new__, Recommendation)
"""Half the price of calling the class; every field has to be given."""


class RankedAction(NamedTuple):
    """One action as scored for one person, whatever its verdict."""

    action: Action
    score: float
    p_complete: float
    benefit: float
    parts: tuple[float, ...]
    verdict: Verdict
    rule_id: str | None
    standard_error: float | None


@dataclass(frozen=True)
class Rows:
    """Actions of people: aligned places among the people assessed and in the catalogue."""

    user: IntArray
    action: IntArray

    @classmethod
    def of(cls, users: Sequence[int], actions: Sequence[IntArray]) -> Rows:
        """All of each person's actions, one person after the other."""
        user = np.array(users, np.int64).repeat([len(each) for each in actions])
        return cls(user, np.concatenate([np.zeros(0, np.int64), *actions]))


@dataclass(frozen=True)
class Columns:
    """What is known of rows, one entry a row.

    Attributes
    ----------
    figures
        Score, p_complete, benefit and standard error (NaN if unknown), shape [4, n_rows].
    parts
        In the order of ``columns.PARTS``, shape [n_rows, 5].
    verdict, rule
        Codes, as in ``Decisions``.
    """

    rows: Rows
    figures: FloatArray
    parts: FloatArray
    verdict: Int8Array
    rule: NDArray[np.int16]

    def fields(self, assessor: Assessor) -> tuple[Sequence[Any], ...]:
        """The fields of a ``RankedAction``, each of all rows."""
        actions, rule_id = assessor.catalogue.actions, assessor.guard.rule_id
        score, p_complete, benefit, error = self.figures.tolist()
        return (
            [actions[place] for place in self.rows.action.tolist()],
            *(score, p_complete, benefit),
            list(map(tuple, self.parts.tolist())),
            [VERDICTS[code] for code in self.verdict.tolist()],
            [rule_id(rule) for rule in self.rule.tolist()],
            [each if each == each else None for each in error],
        )


@dataclass(frozen=True)
class Shown:
    """Items of lists, list after list.

    Attributes
    ----------
    sizes
        How many items each list has.
    propensity
        Of each item.
    """

    assessor: Assessor
    columns: Columns
    sizes: Sequence[int]
    propensity: FloatArray

    def items(self, reasons: Iterable[tuple[Reason, ...]]) -> list[tuple[Recommendation, ...]]:
        """Items of each list, with their reasons."""
        *ranked, errors = self.columns.fields(self.assessor)
        columns = (self._ranks(), *ranked, reasons, self.propensity.tolist(), errors)
        items = list(map(_recommendation, zip(*columns, strict=True)))
        return [tuple(each) for each in self._parted(items)]

    def logged(self) -> list[list[LoggedItem]]:
        """Items of each list, as the log keeps them."""
        action, score, p_complete, benefit, _, verdict, rule, error = self.columns.fields(
            self.assessor
        )
        columns = (
            *(self._ranks(), [one.action_id for one in action], score, p_complete, benefit),
            *self.columns.parts.T.tolist(),
            *(verdict, rule, self.propensity.tolist(), error),
        )
        return self._parted(list(zip(*columns, strict=True)))

    def _ranks(self) -> list[int]:
        return [rank for many in self.sizes for rank in range(1, many + 1)]

    def _parted(self, items: list[Given]) -> list[list[Given]]:
        ends = accumulate(self.sizes, initial=0)
        return [items[begin:end] for begin, end in pairwise(ends)]

    def as_json(self, cited: Cited) -> list[bytes]:
        """As ``items``, each list as JSON."""
        columns = self.columns
        numbers = np.concatenate([columns.figures, self.propensity[None]])
        numbers[2] += 0.0  # a benefit is never -0.0
        return self.assessor.written.lists(
            columns.rows.action, columns.verdict, numbers, cited.as_json(), self.sizes
        )


def shown_of(assessor: Assessor, assessment: Assessment, lists: Lists) -> Shown:
    """Items of lists; why they stand there is another question (``cited_for``)."""
    columns = _columns(assessor, assessment, Rows(lists.user, lists.action), lists.score)
    return Shown(assessor, columns, lists.sizes, lists.propensity)


def cited_for(shown: Shown, assessment: Assessment, records: Records, audience: Audience) -> Cited:
    """Reasons of each item, chosen and not yet worded."""
    assessor, rows = shown.assessor, shown.columns.rows
    assert assessment.view is not None  # few people were assessed
    measured = np.zeros(assessment.readings.shape, dtype=bool)
    measured[records.observations.user, records.observations.metric] = True
    wording = Wording(
        phrases=assessor.phrases[audience],
        readings=assessment.readings,
        needs=assessment.needs,
        measured=measured,
        has_profile=has_profile(records.users),
    )
    shares = assessor.model.shares(assessment.view, rows.user, rows.action)
    return cite(shares, rows.user, rows.action, wording)


@dataclass(frozen=True)
class Draft:
    """Answers worked out together, as they are logged; their items are still to be written.

    Attributes
    ----------
    raised
        Alerts to be kept with them.
    cite
        Chooses the reasons of ``shown``.
    """

    logged: Sequence[Logged]
    raised: Sequence[AlertRow]
    shown: Shown
    cite: Callable[[], Cited]

    def finished(self) -> list[RecommendationList]:
        """The answers with their items."""
        items = self.shown.items(self.cite().in_words())
        return [
            replace(each.answer, items=reasoned)
            for each, reasoned in zip(self.logged, items, strict=True)
        ]

    def items_as_json(self) -> list[bytes]:
        """The items of each answer as JSON, with their reasons."""
        return self.shown.as_json(self.cite())


def ranked_actions(
    assessor: Assessor, assessment: Assessment, rows: Rows, scores: FloatArray
) -> list[RankedAction]:
    """What is known of each row, in order; ``scores`` are aligned with the rows."""
    fields = _columns(assessor, assessment, rows, scores).fields(assessor)
    return list(map(RankedAction._make, zip(*fields, strict=True)))


def _columns(assessor: Assessor, assessment: Assessment, rows: Rows, scores: FloatArray) -> Columns:
    place = rows.user * len(assessor.catalogue) + rows.action
    figures = np.empty((4, len(place)))
    figures[0] = scores
    figures[1] = assessment.p_complete.take(place)
    figures[2] = assessment.benefit.take(place)
    figures[3] = _errors(assessor, assessment, rows)
    decisions = assessment.decisions
    return Columns(
        rows,
        figures,
        assessment.parts[rows.user, rows.action],
        decisions.verdict.take(place),
        decisions.rule.take(place),
    )


def _errors(assessor: Assessor, assessment: Assessment, rows: Rows) -> FloatArray:
    """Standard error of each row, worked out for what is asked and no more."""
    # Everybody's actions side by side; who has fewer than others is filled up.
    many = np.bincount(rows.user, minlength=len(assessment.parts))
    by_user = np.argsort(rows.user, kind="stable")
    column = np.empty_like(rows.user)
    column[by_user] = np.arange(len(column)) - (np.cumsum(many) - many).repeat(many)
    asked = np.zeros((len(many), many.max()), dtype=np.int64)
    asked[rows.user, column] = rows.action
    return assessor.standard_error(assessment, asked)[rows.user, column]


def has_profile(users: Users) -> BoolArray:
    """Whether anything is known of each person's profile, shape [n_users]."""
    known: BoolArray = (users.sex != 0) | (users.born_at == users.born_at)
    known[users.condition_user] = True
    for column in users.attributes.values():
        known |= np.array([value is not None for value in column.tolist()], dtype=bool)
    return known


def is_unknown(records: Records) -> BoolArray:
    """Of whom nothing at all is known, shape [n_users]."""
    known = has_profile(records.users)
    known[records.events.user] = True
    known[records.observations.user] = True
    return ~known
