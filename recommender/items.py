"""Items of answers: scored actions with their reasons."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from orjson import Fragment

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
from recommender.item_json import FIGURES, ItemRows
from recommender.pieces import numbers_of
from recommender.reasons import Cited, Wording, cite
from recommender.selection import Lists
from recommender.store.alerts import AlertRow
from recommender.store.write import Logged, LoggedItem

VERDICTS = tuple(Verdict)
PARTS_AT = slice(3, 8)
"""Where the parts of a score stand among an item's figures."""
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
        Score, p_complete, benefit, the parts in the order of ``columns.PARTS``, propensity and
        standard error (NaN if unknown), shape [n_rows, FIGURES].
    verdict, rule
        Codes, as in ``Decisions``.
    """

    rows: Rows
    figures: FloatArray
    verdict: Int8Array
    rule: NDArray[np.int16]

    def fields(self, assessor: Assessor) -> tuple[Sequence[Any], ...]:
        """The fields of a ``RankedAction``, each of all rows."""
        actions, rule_id = assessor.catalogue.actions, assessor.guard.rule_id
        score, p_complete, benefit = self.figures[:, :3].T.tolist()
        return (
            [actions[place] for place in self.rows.action.tolist()],
            *(score, p_complete, benefit),
            list(map(tuple, self.figures[:, PARTS_AT].tolist())),
            [VERDICTS[code] for code in self.verdict.tolist()],
            [rule_id(rule) for rule in self.rule.tolist()],
            [each if each == each else None for each in self.figures[:, -1].tolist()],
        )


@dataclass(frozen=True)
class Shown:
    """Items of lists, list after list."""

    assessor: Assessor
    columns: Columns
    lists: Lists

    def items(self, reasons: Iterable[tuple[Reason, ...]]) -> list[tuple[Recommendation, ...]]:
        """Items of each list, with their reasons."""
        *ranked, errors = self.columns.fields(self.assessor)
        lists = self.lists
        columns = (lists.rank.tolist(), *ranked, reasons, lists.propensity.tolist(), errors)
        items = list(map(_recommendation, zip(*columns, strict=True)))
        return [tuple(items[begin:end]) for begin, end in self._spans()]

    def logged(self) -> list[LoggedItems]:
        """Items of each list, as the log keeps them."""
        written = self.assessor.written.logged(self._rows)
        return [
            LoggedItems(text, self, *span)
            for text, span in zip(written, self._spans(), strict=True)
        ]

    def logged_item(self, place: int) -> LoggedItem:
        """One of all items, as the log keeps it."""
        columns = self.columns
        score, p_complete, benefit, *parts, propensity, error = columns.figures[place].tolist()
        return (
            int(self.lists.rank[place]),
            self.assessor.catalogue.ids[columns.rows.action[place]],
            *(score, p_complete, benefit, *parts),
            VERDICTS[columns.verdict[place]],
            self.assessor.guard.rule_id(int(columns.rule[place])),
            propensity,
            error if error == error else None,
        )

    def as_json(self, cited: Cited) -> list[bytes]:
        """As ``items``, each list as JSON."""
        return self.assessor.written.lists(self._rows, cited.as_json())

    @cached_property
    def _rows(self) -> ItemRows:
        columns, lists = self.columns, self.lists
        return ItemRows(
            lists.sizes,
            lists.rank,
            columns.rows.action,
            columns.verdict,
            columns.rule,
            numbers_of(columns.figures),
        )

    def _spans(self) -> Iterable[tuple[int, int]]:
        return pairwise(accumulate(self.lists.sizes, initial=0))


class LoggedItems(list[Any]):
    """Items of a list as the log keeps them: for who reads them items, for who writes them JSON.

    What ``orjson`` writes is what a list holds: here one piece of JSON that is ready, made of the
    texts of numbers that the answer is made of. Who asks for items gets them made.
    """

    def __init__(self, written: bytes, shown: Shown, begin: int, end: int) -> None:
        super().__init__([Fragment(written[1:-1])] if end > begin else [])
        self._shown, self._places = shown, range(begin, end)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self._shown.logged_item(each) for each in self._places[place]]
        return self._shown.logged_item(self._places[place])

    def __iter__(self) -> Iterator[LoggedItem]:
        return map(self._shown.logged_item, self._places)


def shown_of(assessor: Assessor, assessment: Assessment, lists: Lists) -> Shown:
    """Items of lists; why they stand there is another question (``cited_for``)."""
    rows = Rows(lists.user, lists.action)
    columns = _columns(assessor, assessment, rows, lists.score, lists.propensity)
    return Shown(assessor, columns, lists)


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


def _columns(
    assessor: Assessor,
    assessment: Assessment,
    rows: Rows,
    scores: FloatArray,
    propensity: FloatArray | float = 1.0,
) -> Columns:
    place = rows.user * len(assessor.catalogue) + rows.action
    figures = np.empty((len(place), FIGURES))
    figures[:, 0] = scores
    figures[:, 1] = assessment.p_complete.take(place)
    figures[:, 2] = assessment.benefit.take(place)
    figures[:, 2] += 0.0  # a benefit is never -0.0
    figures[:, PARTS_AT] = assessment.parts[rows.user, rows.action]
    figures[:, -2] = propensity
    figures[:, -1] = assessor.standard_error(assessment, rows.action, rows.user)
    decisions = assessment.decisions
    return Columns(rows, figures, decisions.verdict.take(place), decisions.rule.take(place))


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
