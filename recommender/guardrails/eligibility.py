"""Whom each action of a catalogue is for, asked of many people and actions at once.

Not a rule of the file: what an action itself asks of a person (``domain.Eligibility``). Only who
is known to meet it gets the action, so that a missing birth date meets no bound of age.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from recommender.compiled import compiled
from recommender.dataset import BoolArray, FloatArray, Int8Array, Int32Array, IntArray, Records
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
from recommender.guardrails.forms import NEVER
from recommender.guardrails.rules import Rule, Rules
from recommender.guardrails.terms import Expression

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

_COMPLETE = EVENT_CODES[EventType.COMPLETE]
_SPREADING = ("screening:", "vaccination:")
_NEVER = Expression("truth", lambda _: False, (), None, NEVER)


def with_eligibility(rules: Rules) -> Rules:
    """The rules with ``ELIGIBILITY`` as their last, which the language never makes hold."""
    return replace(
        rules,
        rules=(*rules.rules, ELIGIBILITY),
        expressions=(*rules.expressions, _NEVER),
    )


class _Asked(NamedTuple):
    """What different actions ask of a profile; one entry for each different set of demands.

    Attributes
    ----------
    low, high
        Bounds of age, infinite where there is none.
    sex
        Its code, -1 for any.
    needed, excluded
        Which conditions are asked for and barred, [n_conditions, n_sets].
    needs_any
        Whether one of the asked conditions is needed.
    set_of
        Which set each action has, [n_actions].
    """

    low: FloatArray
    high: FloatArray
    sex: IntArray
    needed: BoolArray
    excluded: BoolArray
    needs_any: BoolArray
    set_of: IntArray


class _Covering(NamedTuple):
    """What having completed actions covers.

    Attributes
    ----------
    seconds
        For how long, 0 for not at all, [n_actions].
    first, action
        Where the actions that each one covers begin, [n_actions + 1], and which these are.
    """

    seconds: FloatArray
    first: IntArray
    action: IntArray


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
        self._conditions = _numbered(different)
        self._asked = _Asked(
            _numbers([each.min_age for each in different], -np.inf),
            _numbers([each.max_age for each in different], np.inf),
            np.array([SEX_CODES[each.sex] if each.sex else -1 for each in different], np.int64),
            self._marked([each.conditions_any for each in different]),
            self._marked([each.conditions_none for each in different]),
            np.array([bool(each.conditions_any) for each in different], dtype=bool),
            np.array([different.index(each) for each in profiles], dtype=np.int64),
        )
        self._covering = _covered(catalogue.actions)

    def ineligible(self, records: Records, age: FloatArray, as_of: float) -> BoolArray:
        """Who is not known to meet what an action asks for, [n_users, n_actions].

        ``age`` is in completed years, NaN if unknown, [n_users]; ``as_of`` in seconds since 1970;
        nothing later is looked at.
        """
        users, events = records.users, records.events
        which = [self._conditions.get(name, -1) for name in users.condition_name.tolist()]
        return _ineligible(
            age,
            np.ascontiguousarray(users.sex, dtype=np.int8),
            np.ascontiguousarray(users.condition_user, dtype=np.int32),
            np.array(which, dtype=np.int64),
            self._asked,
            np.ascontiguousarray(events.user, dtype=np.int32),
            np.ascontiguousarray(events.action, dtype=np.int32),
            np.ascontiguousarray(events.kind, dtype=np.int8),
            np.ascontiguousarray(events.at, dtype=np.float64),
            self._covering,
            float(as_of),
        )

    def _marked(self, lists: Sequence[Sequence[str]]) -> BoolArray:
        """Where a list names a condition, [n_conditions, n_lists]."""
        marks = np.zeros((len(self._conditions), len(lists)), dtype=bool)
        for column, names in enumerate(lists):
            marks[[self._conditions[name] for name in names], column] = True
        return marks


@compiled
def _ineligible(
    age: FloatArray,
    sex: Int8Array,
    condition_user: Int32Array,
    condition: IntArray,
    asked: _Asked,
    user: Int32Array,
    action: Int32Array,
    kind: Int8Array,
    at: FloatArray,
    covering: _Covering,
    as_of: float,
) -> BoolArray:
    """What ``EligibilityCheck.ineligible`` gives; see the two functions below."""
    refused = _refused(age, sex, condition_user, condition, asked)
    _refuse_done(refused, user, action, kind, at, covering, as_of)
    return refused


@compiled
def _refused(
    age: FloatArray,
    sex: Int8Array,
    condition_user: Int32Array,
    condition: IntArray,
    asked: _Asked,
) -> BoolArray:
    """Whose profile is not known to meet an action, [n_users, n_actions].

    ``condition`` has the number of each pair's condition, -1 if nobody asks; a comparison with an
    unknown age is false.
    """
    needed, excluded, set_of = asked.needed, asked.excluded, asked.set_of
    lows, highs, sexes = asked.low, asked.high, asked.sex
    has_one, barred = np.zeros((2, len(age), len(lows)), np.bool_)
    for pair in range(len(condition)):
        user, number = condition_user[pair], condition[pair]
        if user < 0 or user >= len(age):
            raise IndexError("a condition of nobody")
        if number >= 0:
            for place in range(len(lows)):
                has_one[user, place] |= needed[number, place]
                barred[user, place] |= excluded[number, place]
    refused = np.empty((len(age), len(set_of)), np.bool_)
    unmet = np.empty(len(lows), np.bool_)
    for user in range(len(age)):
        for place in range(len(unmet)):
            low, high = lows[place], highs[place]
            met = (age[user] >= low or low == -np.inf) and (age[user] <= high or high == np.inf)
            met = met and (sexes[place] == -1 or sexes[place] == sex[user])
            met = met and (has_one[user, place] or not asked.needs_any[place])
            unmet[place] = barred[user, place] or not met
        for action in range(len(set_of)):
            refused[user, action] = unmet[set_of[action]]
    return refused


@compiled
def _refuse_done(
    refused: BoolArray,
    user: Int32Array,
    action: Int32Array,
    kind: Int8Array,
    at: FloatArray,
    covering: _Covering,
    as_of: float,
) -> None:
    """Mark, in [n_users, n_actions], what is covered by something completed not long before.

    The arrays of events have one entry an event.
    """
    for event in range(len(user)):
        who, ago, done = user[event], as_of - at[event], action[event]
        if who < 0 or who >= len(refused) or done < 0 or done >= refused.shape[1]:
            raise IndexError("an event of nobody, or of no action of the catalogue")
        if kind[event] == _COMPLETE and 0.0 <= ago < covering.seconds[done]:
            for place in range(covering.first[done], covering.first[done + 1]):
                refused[who, covering.action[place]] = True


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


def _covered(actions: Sequence[Action]) -> _Covering:
    """What having completed an action covers: itself and those that do the same."""
    services: dict[str, list[int]] = {}
    for place, action in enumerate(actions):
        for tag in action.tags:
            if tag.startswith(_SPREADING):
                services.setdefault(tag, []).append(place)
    days = [action.eligible.not_done_within_days or 0.0 for action in actions]
    each = [
        sorted({place, *_same_service(action, services)}) if days[place] else []
        for place, action in enumerate(actions)
    ]
    return _Covering(
        np.array(days, dtype=np.float64) * SECONDS_PER_DAY,
        np.cumsum([0, *map(len, each)], dtype=np.int64),
        np.array([place for places in each for place in places], dtype=np.int64),
    )


def _same_service(action: Action, services: dict[str, list[int]]) -> list[int]:
    return [place for tag in action.tags for place in services.get(tag, ())]
