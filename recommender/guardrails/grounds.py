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
MOST_RULES = int(np.iinfo(np.int16).max)

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
        reading, rival = self.observation_ids(at)
        actions = self.action[self.first[at] : self.first[at + 1]]
        return cited._replace(reading=reading, rival=rival), actions.tolist()

    def observation_ids(self, at: int) -> tuple[str | None, str | None]:
        """Ids of the reading and the rival of an entry."""
        found = (observation_id(self.ids, int(each[at])) for each in (self.reading, self.rival))
        reading, rival = found
        return reading, rival


def observation_id(ids: ObjectArray | None, observation: int) -> str | None:
    """Id of an observation, None for -1 or where ids are not known."""
    return None if ids is None or observation < 0 else str(ids[observation])


@compiled
def grouped(
    rule: RuleArray, sight: Sight, looks: Looks
) -> tuple[IntArray, IntArray, IntArray, IntArray, IntArray, IntArray]:
    """The first six fields of ``Grounds``, of ``Decisions.rule``, [n_users, n_actions]."""
    size = 0
    for each in rule.flat:
        size += each != NO_RULE
    first_of, action = np.zeros(len(rule) + 1, np.int64), np.empty(size, np.int64)
    of_user, of_rule, first = np.empty((3, size + 1), np.int64)
    spoken_of, many = np.empty(rule.shape[1], np.int64), np.zeros(len(looks.form), np.int64)
    found = begin = 0
    for user in range(len(rule)):
        spoken = 0
        for at in range(rule.shape[1]):
            spoken_of[spoken] = at
            spoken += rule[user, at] != NO_RULE
        for at in spoken_of[:spoken]:
            many[rule[user, at]] += 1
        for named in range(len(many)):
            if many[named]:
                of_user[found], of_rule[found], first[found] = user, named, begin
                begin, many[named] = begin + many[named], begin  # from here on: where it goes
                found += 1
        for at in spoken_of[:spoken]:
            action[many[rule[user, at]]] = at
            many[rule[user, at]] += 1
        many[:] = 0
        first_of[user + 1] = found
    first[found] = begin
    reading, rival = first_seen(of_user[:found], of_rule[:found], sight, looks)
    return first_of, of_rule[:found], first[: found + 1], action, reading, rival


@compiled
def versions(user: IntArray, rule: IntArray, sight: Sight, looks: Looks) -> IntArray:
    """In which column of facts each rule holds for each person beside it, -1 for none, [n].

    As the facts stand, else by the lowest of what disputes them, else by the highest.
    """
    holds, beside, form = sight.holds, sight.beside, looks.form
    column = np.full(len(user), -1, np.int64)
    for at in range(len(user)):
        asked, who = form[rule[at]], user[at]
        low, high = beside[0, who], beside[1, who]
        if asked < 0:
            continue
        if holds[who, asked]:
            column[at] = who
        elif low >= 0 and holds[low, asked]:
            column[at] = low
        elif high >= 0 and holds[high, asked]:
            column[at] = high
    return column


@compiled
def first_seen(
    user: IntArray, rule: IntArray, sight: Sight, looks: Looks
) -> tuple[IntArray, IntArray]:
    """The first reading that made each rule hold for each person beside it, and its rival.

    Observations, -1 for none; all [n].
    """
    # Taken out of the tuples once: to do so for every rule would cost more than the rest.
    holds, seen, places, observation = sight.holds, sight.seen, sight.places, sight.observation
    first, when, rows, standing_row = looks.first, looks.when, looks.row, looks.standing_row
    reading, rival = np.full(len(user), -1, np.int64), np.full(len(user), -1, np.int64)
    column = versions(user, rule, sight, looks)
    for at in range(len(user)):
        if column[at] < 0:
            continue
        for look in range(first[rule[at]], first[rule[at] + 1]):
            place = seen[rows[look], column[at]]
            if place >= 0 and holds[column[at], when[look]]:
                reading[at] = observation[place]
                row, who = standing_row[look], user[at]
                if row >= 0:
                    stands, low, high = (
                        places[0, row, who],
                        places[1, row, who],
                        places[2, row, who],
                    )
                    other = _rival(place, stands, low, high)
                    rival[at] = observation[other] if other >= 0 else -1
                break
    return reading, rival


@compiled
def _rival(place: int, stands: int, low: int, high: int) -> int:
    """Which of three readings that dispute each other disputes the one at ``place``; -1 for none.

    Where the low and the high are the same, nothing is disputed.
    """
    if low == high or place not in (stands, low, high):
        return -1
    if stands != place:
        return stands
    return low if low != place else high
