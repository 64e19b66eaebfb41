"""Items of answers: scored actions with their reasons."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise, repeat
from typing import Any, NamedTuple

import numpy as np

from recommender.assess import Assessment, Assessor
from recommender.dataset import BoolArray, FloatArray, IntArray, Records, Users
from recommender.domain import Action, Audience, Reason, Recommendation, Verdict
from recommender.reasons import Wording, cite_all
from recommender.selection import Listed

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


def items_of(
    assessor: Assessor,
    assessment: Assessment,
    users: Sequence[int],
    listed: Sequence[Listed],
    scores: FloatArray,
) -> list[tuple[Recommendation, ...]]:
    """Items of lists, in order; their reasons are still to be added (``with_reasons``).

    Parameters
    ----------
    users
        Whose each list is; a person may have several.
    scores
        Score of each item, list after list.
    """
    rows = Rows.of(users, [each.shown for each in listed])
    action, score, p_complete, benefit, parts, verdict, rule_id, error = _columns(
        assessor, assessment, rows, scores
    )
    ends = np.cumsum([len(each.shown) for each in listed]).tolist()
    ranks = [rank for each in listed for rank in range(1, len(each.shown) + 1)]
    chances = [chance for each in listed for chance in each.propensity.tolist()]
    columns = (
        *(ranks, action, score, p_complete, benefit, parts, verdict, rule_id),
        *(repeat((), len(ranks)), chances, error),
    )
    items = list(map(_recommendation, zip(*columns, strict=True)))
    return [tuple(items[begin:end]) for begin, end in pairwise([0, *ends])]


def with_reasons(
    items: Sequence[tuple[Recommendation, ...]], reasons: Iterable[tuple[Reason, ...]]
) -> list[tuple[Recommendation, ...]]:
    """The same items with the reasons of each, which come one list's after the other's."""
    why = iter(reasons)
    return [
        tuple(
            _recommendation((*item[:_REASONS], next(why), *item[_REASONS + 1 :])) for item in each
        )
        for each in items
    ]


_REASONS = Recommendation._fields.index("reasons")


def reasons_of(
    assessor: Assessor,
    assessment: Assessment,
    records: Records,
    users: Sequence[int],
    listed: Sequence[Listed],
    audience: Audience,
) -> list[tuple[Reason, ...]]:
    """Reasons of each item of lists, list after list; arguments as in ``items_of``."""
    rows = Rows.of(users, [each.shown for each in listed])
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
    return cite_all(shares, rows.user, rows.action, wording)


def ranked_actions(
    assessor: Assessor, assessment: Assessment, rows: Rows, scores: FloatArray
) -> list[RankedAction]:
    """What is known of each row, in order; ``scores`` are aligned with the rows."""
    columns = _columns(assessor, assessment, rows, scores)
    return list(map(RankedAction._make, zip(*columns, strict=True)))


def _columns(
    assessor: Assessor, assessment: Assessment, rows: Rows, scores: FloatArray
) -> tuple[Sequence[Any], ...]:
    """The fields of a ``RankedAction``, each of all rows."""
    user, action = rows.user, rows.action
    actions, rule_id = assessor.catalogue.actions, assessor.guard.rule_id
    decisions = assessment.decisions
    return (
        [actions[place] for place in action.tolist()],
        scores.tolist(),
        assessment.p_complete[user, action].tolist(),
        assessment.benefit[user, action].tolist(),
        list(map(tuple, assessment.parts[user, action].tolist())),
        [VERDICTS[code] for code in decisions.verdict[user, action].tolist()],
        [rule_id(rule) for rule in decisions.rule[user, action].tolist()],
        [
            error if error == error else None
            for error in _errors(assessor, assessment, rows).tolist()
        ],
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
