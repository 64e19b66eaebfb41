"""Whom each action of a catalogue is for, asked of many people and actions at once.

Not a rule of the file: what an action itself asks of a person (``domain.Eligibility``). Only who
is known to meet it gets the action, so that a missing birth date meets no bound of age.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from recommender.dataset import BoolArray, FloatArray, IntArray, Records, Users
from recommender.domain import (
    EVENT_CODES,
    EVERYBODY,
    SECONDS_PER_DAY,
    SEX_CODES,
    Action,
    Catalogue,
    Eligibility,
    EventType,
)
from recommender.guardrails.program import NEVER
from recommender.guardrails.rules import Rule, Rules
from recommender.guardrails.terms import Expression, nothing_seen

ELIGIBILITY = Rule(
    rule_id="eligibility",
    version=1,
    verdict="withhold",
    severity="info",
    when="the action's own `eligible` is not known to be met",
    text_user="This one is meant for other people, or was done not long ago.",
    text_clinician="Age, sex, conditions or history are not known to meet what the action itself "
    "states under `eligible`; unknown meets nothing.",
    source="the catalogue entry's own evidence",
    date="2026-11-23",
)
"""What a verdict cites where an action's own ``eligible`` is not met."""

_SPREADING = ("screening:", "vaccination:")
_NEVER = Expression("truth", lambda _: False, nothing_seen, None, NEVER)


def with_eligibility(rules: Rules) -> Rules:
    """The rules with ``ELIGIBILITY`` as their last, which the language never makes hold."""
    return replace(
        rules,
        rules=(*rules.rules, ELIGIBILITY),
        expressions=(*rules.expressions, _NEVER),
    )


class EligibilityCheck:
    """The ``eligible`` of a catalogue's actions, made ready.

    Parameters
    ----------
    catalogue
        Fixes the order of actions in every result.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        profiles = [_profile_part(action.eligible) for action in catalogue.actions]
        different = list(dict.fromkeys([EVERYBODY, *profiles]))
        self._set_of = np.array([different.index(each) for each in profiles], dtype=np.int64)
        self._lowest = _numbers([each.min_age for each in different], -np.inf)
        self._highest = _numbers([each.max_age for each in different], np.inf)
        self._sex = np.array([SEX_CODES[each.sex] if each.sex else -1 for each in different])
        self._conditions = _numbered(different)
        self._needed = self._marked([each.conditions_any for each in different])
        self._excluded = self._marked([each.conditions_none for each in different])
        self._needs_any = self._needed.any(axis=0)
        self._asks_nothing = len(different) == 1
        self._covers_for = _covered_seconds(catalogue.actions)
        self._covers = _covered_actions(catalogue.actions)

    def ineligible(self, records: Records, age: FloatArray, as_of: float) -> BoolArray:
        """Who is not known to meet what an action asks for, [n_users, n_actions].

        ``age`` is in completed years, NaN if unknown, [n_users]; ``as_of`` in seconds since 1970;
        nothing later is looked at.
        """
        if self._asks_nothing:
            refused = np.zeros((len(records.users), len(self._set_of)), dtype=bool)
        else:
            refused = self._profile_refused(records.users, age[:, None])[:, self._set_of]
        if self._covers_for.any():
            self._refuse_done(refused, records, as_of)
        return refused

    def _profile_refused(self, users: Users, age: FloatArray) -> BoolArray:
        """[n_users, n_different]; a comparison with an unknown age is false."""
        of_age = ((age >= self._lowest) | (self._lowest == -np.inf)) & (
            (age <= self._highest) | (self._highest == np.inf)
        )
        met = of_age & ((users.sex[:, None] == self._sex) | (self._sex == -1))
        if self._conditions:
            has = self._on_record(users)
            met &= (has @ self._needed > 0) | ~self._needs_any
            met &= ~(has @ self._excluded > 0)
        refused: BoolArray = ~met
        return refused

    def _on_record(self, users: Users) -> FloatArray:
        """Which of the conditions asked for each person has, 0 or 1, [n_users, n_conditions]."""
        # What nobody asks for lands in a last column that is cut off.
        has = np.zeros((len(users), len(self._conditions) + 1))
        which = [self._conditions.get(name, -1) for name in users.condition_name.tolist()]
        has[users.condition_user, which] = 1.0
        return has[:, :-1]

    def _refuse_done(self, refused: BoolArray, records: Records, as_of: float) -> None:
        events = records.events
        done = np.flatnonzero(
            (events.kind == EVENT_CODES[EventType.COMPLETE]) & (events.at <= as_of)
        )
        covered_for = self._covers_for[events.action[done]]
        done = done[as_of - events.at[done] < covered_for]
        action, user = events.action[done], events.user[done]
        for one in np.unique(action).tolist():
            refused[np.ix_(user[action == one], self._covers[one])] = True

    def _marked(self, lists: Sequence[Sequence[str]]) -> FloatArray:
        """[n_conditions, n_lists]: 1 where a list names the condition."""
        marks = np.zeros((len(self._conditions), len(lists)))
        for column, names in enumerate(lists):
            marks[[self._conditions[name] for name in names], column] = 1.0
        return marks


def _profile_part(eligible: Eligibility) -> Eligibility:
    """What is asked of the profile alone, so that few different ones remain."""
    return Eligibility(
        eligible.min_age,
        eligible.max_age,
        eligible.sex,
        eligible.conditions_any,
        eligible.conditions_none,
    )


def _numbers(bounds: Sequence[int | None], absent: float) -> FloatArray:
    return np.array([absent if bound is None else bound for bound in bounds], dtype=np.float64)


def _numbered(different: Sequence[Eligibility]) -> dict[str, int]:
    names = (name for each in different for name in each.conditions_any + each.conditions_none)
    return {name: place for place, name in enumerate(dict.fromkeys(names))}


def _covered_seconds(actions: Sequence[Action]) -> FloatArray:
    days = [action.eligible.not_done_within_days or 0.0 for action in actions]
    return np.array(days, dtype=np.float64) * SECONDS_PER_DAY


def _covered_actions(actions: Sequence[Action]) -> dict[int, IntArray]:
    """Indices of what having completed an action covers: itself and those that do the same."""
    services: dict[str, list[int]] = {}
    for place, action in enumerate(actions):
        for tag in action.tags:
            if tag.startswith(_SPREADING):
                services.setdefault(tag, []).append(place)
    return {
        place: np.array(sorted({place, *_same_service(action, services)}), dtype=np.int64)
        for place, action in enumerate(actions)
        if action.eligible.not_done_within_days
    }


def _same_service(action: Action, services: dict[str, list[int]]) -> list[int]:
    return [place for tag in action.tags for place in services.get(tag, ())]
