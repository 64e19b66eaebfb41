"""Why actions were not simply allowed: rule by rule, of all people at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recommender.compiled import compiled
from recommender.dataset import BoolArray, IntArray, ObjectArray
from recommender.domain import Verdict
from recommender.guardrails.terms import Expression

RuleArray: TypeAlias = NDArray[np.int16]

NO_RULE = -1


class Citation(NamedTuple):
    """A rule that decided about some actions of one user.

    Attributes
    ----------
    verdict
        ``caution`` or ``withhold``.
    reading
        Id of the reading that made it hold (the first if it needed several), or None.
    rival
        Id of a reading that disputes that one, or None.
    """

    verdict: Verdict
    rule_id: str
    version: int
    reading: str | None
    rival: str | None = None


Ground: TypeAlias = tuple[Citation, list[int]]
"""A rule and what it decided about for one user: places in the catalogue, ascending."""


class Looks(NamedTuple):
    """Where rules look, as arrays.

    Attributes
    ----------
    form
        Of each rule which form says whether it holds, -1 for none, [n_rules].
    first
        Where each rule's looks begin, [n_rules + 1].
    when, row
        Of each look the form that says whether it counts, and which row of ``Facts.seen`` it is.
    standing_row
        And which row of ``Standing``, -1 for none.
    """

    form: IntArray
    first: IntArray
    when: IntArray
    row: IntArray
    standing_row: IntArray


def looks_of(
    expressions: Sequence[Expression],
    forms: Sequence[int],
    begin: int,
    rows: dict[int, int],
    standing_row: IntArray,
) -> Looks:
    """Line up the witnesses of rules.

    Parameters
    ----------
    expressions, forms
        Of each rule what it says, and which form of a program says whether it holds.
    begin
        Form of the first look of all; the others follow.
    rows
        Places of readings -> rows of ``Facts.seen``.
    standing_row
        Of each such row the row of ``Standing``, or -1.
    """
    looks = [look for expression in expressions for look in expression.witness]
    row = np.array([rows[look.place] for look in looks], dtype=np.int64)
    return Looks(
        np.array(forms, dtype=np.int64),
        np.cumsum([0, *(len(each.witness) for each in expressions)], dtype=np.int64),
        np.arange(begin, begin + len(looks)),
        row,
        standing_row[row],
    )


class Sight(NamedTuple):
    """What rules saw, all by the columns of facts.

    Attributes
    ----------
    holds
        Which forms hold, [n_columns, n_forms].
    beside, seen
        As in ``Facts``.
    places
        As in ``Standing``.
    observation
        As in ``Readings``.
    """

    holds: BoolArray
    beside: IntArray
    seen: IntArray
    places: IntArray
    observation: IntArray


@dataclass(frozen=True)
class Grounds:
    """What was not simply allowed to some people, one entry a person and deciding rule.

    They are in the order of people, then rules. As a sequence it has one list a person.

    Attributes
    ----------
    first_of
        Where each person's begin, [n_users + 1].
    rule
        Index of the rule.
    first, action
        Where each one's actions begin, [n_grounds + 1], and which these are, ascending.
    reading, rival
        The first reading that made the rule hold and one that disputes it, indices into
        ``Records.observations``; -1 for none.
    cited
        What is cited of each rule by itself.
    ids
        Ids of all observations, if these are known.
    """

    first_of: IntArray
    rule: IntArray
    first: IntArray
    action: IntArray
    reading: IntArray
    rival: IntArray
    cited: Sequence[Citation]
    ids: ObjectArray | None

    def __len__(self) -> int:
        return len(self.first_of) - 1

    def __iter__(self) -> Iterator[list[Ground]]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, user: int) -> list[Ground]:
        return [self._ground(at) for at in range(self.first_of[user], self.first_of[user + 1])]

    def _ground(self, at: int) -> Ground:
        cited = self.cited[self.rule[at]]
        reading, rival = (self.observation_id(each[at]) for each in (self.reading, self.rival))
        actions = self.action[self.first[at] : self.first[at + 1]]
        return cited._replace(reading=reading, rival=rival), actions.tolist()

    def observation_id(self, observation: int) -> str | None:
        """Id of an observation, None for -1 or where ids are not known."""
        return None if self.ids is None or observation < 0 else str(self.ids[observation])


@compiled
def grouped(
    rule: RuleArray, sight: Sight, looks: Looks
) -> tuple[IntArray, IntArray, IntArray, IntArray, IntArray, IntArray]:
    """The first six fields of ``Grounds``, of ``Decisions.rule``, [n_users, n_actions]."""
    n_users, n_rules = len(rule), len(looks.form)
    first_of = np.zeros(n_users + 1, np.int64)
    action = np.empty(rule.size, np.int64)
    of_rule, first, reading, rival = np.empty((4, rule.size + 1), np.int64)
    found = begin = 0
    for user in range(n_users):
        many = np.zeros(n_rules, np.int64)
        for named in rule[user]:
            if named != NO_RULE:
                many[named] += 1
        for named in range(n_rules):
            if many[named]:
                place, row = first_seen(named, user, sight, looks)
                reading[found] = sight.observation[place] if place >= 0 else -1
                rival[found] = _rival(place, row, user, sight)
                of_rule[found], first[found] = named, begin
                begin, many[named] = begin + many[named], begin  # from here on: where it goes
                found += 1
        for at in range(rule.shape[1]):
            named = rule[user, at]
            if named != NO_RULE:
                action[many[named]] = at
                many[named] += 1
        first_of[user + 1] = found
    first[found] = begin
    return (
        first_of,
        of_rule[:found],
        first[: found + 1],
        action[:begin],
        reading[:found],
        rival[:found],
    )


@compiled
def version(rule: int, user: int, sight: Sight, looks: Looks) -> int:
    """In which column of facts a rule holds for a person, -1 for none.

    As the facts stand, else by the lowest of what disputes them, else by the highest.
    """
    form = looks.form[rule]
    for column in (user, sight.beside[0, user], sight.beside[1, user]):
        if form >= 0 and column >= 0 and sight.holds[column, form]:
            return int(column)
    return -1


@compiled
def first_seen(rule: int, user: int, sight: Sight, looks: Looks) -> tuple[int, int]:
    """The first reading that made a rule hold, and its row of ``Standing``; -1 for none."""
    column = version(rule, user, sight, looks)
    if column >= 0:
        for look in range(looks.first[rule], looks.first[rule + 1]):
            place = sight.seen[looks.row[look], column]
            if place >= 0 and sight.holds[column, looks.when[look]]:
                return place, looks.standing_row[look]
    return -1, -1


@compiled
def _rival(place: int, row: int, user: int, sight: Sight) -> int:
    """The observation that disputes a reading of a row of ``Standing``, -1 for none."""
    if place < 0 or row < 0 or sight.places[1, row, user] == sight.places[2, row, user]:
        return -1
    three = sight.places[:3, row, user]
    if place in (three[0], three[1], three[2]):
        for other in three:
            if other != place:
                return int(sight.observation[other])
    return -1
