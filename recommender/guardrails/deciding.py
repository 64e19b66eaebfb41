"""From the rules that hold to a verdict on every action."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from recommender.compiled import compiled
from recommender.dataset import BoolArray, Int8Array, IntArray
from recommender.domain import VERDICT_CODES, Catalogue, Verdict
from recommender.guardrails.grounds import NO_RULE, RuleArray
from recommender.guardrails.rules import Rule

_ALLOW = VERDICT_CODES[Verdict.ALLOW]
_WITHHOLD = VERDICT_CODES[Verdict.WITHHOLD]


class Touched(NamedTuple):
    """What rules decide about, as arrays.

    Attributes
    ----------
    rule
        Index of each deciding rule, the one that decides first in front, [n_deciding].
    first, tag_set
        Where each one's tag sets begin, [n_deciding + 1], and which these are.
    tag_set_of
        Tag set of each action, [n_actions].
    verdict
        Verdict code of each rule by its index, [n_rules].
    """

    rule: IntArray
    first: IntArray
    tag_set: IntArray
    tag_set_of: IntArray
    verdict: Int8Array


def touched(rules: Sequence[Rule], deciding: Sequence[int], catalogue: Catalogue) -> Touched:
    """Line up which of a catalogue's actions are touched by the deciding rules among ``rules``."""
    sets = [frozenset(action.tags) for action in catalogue.actions]
    number = {tags: place for place, tags in enumerate(dict.fromkeys(sets))}
    each = [
        [place for tags, place in number.items() if rules[rule].touches(tags)] for rule in deciding
    ]
    return Touched(
        np.array(deciding, dtype=np.int64),
        np.cumsum([0, *map(len, each)], dtype=np.int64),
        np.array([place for places in each for place in places], dtype=np.int64),
        np.array([number[tags] for tags in sets], dtype=np.int64),
        np.array([VERDICT_CODES.get(rule.verdict, _ALLOW) for rule in rules], dtype=np.int8),
    )


@compiled
def _held(holds: BoolArray, beside: IntArray, in_play: BoolArray, begin: int) -> BoolArray:
    """Which rules hold for each person, by any dispute too, [n_users, n_rules].

    Parameters
    ----------
    holds
        By the columns of facts, [n_columns, n_forms].
    beside
        As ``Facts.beside``, [2, n_users].
    in_play
        Which rules are asked about, [n_rules].
    begin
        Form of the first of them.
    """
    found = np.empty((beside.shape[1], len(in_play)), np.bool_)
    for user in range(len(found)):
        low, high = beside[0, user], beside[1, user]
        for rule in range(len(in_play)):
            form = begin + rule
            # No rule allows anything, so that one more that holds can only be safer.
            found[user, rule] = in_play[rule] and (
                holds[user, form] or (low >= 0 and (holds[low, form] or holds[high, form]))
            )
    return found


@compiled
def decided(
    holds: BoolArray,
    beside: IntArray,
    deciding: BoolArray,
    alerting: BoolArray,
    ineligible: BoolArray,
    touched: Touched,
) -> tuple[Int8Array, RuleArray, BoolArray]:
    """Verdict and rule of each action, [n_users, n_actions], and the alerts that hold.

    Parameters
    ----------
    holds, beside
        As in ``_held``.
    deciding, alerting
        Which of the deciding rules, and of the alerts behind them, are asked about.
    ineligible
        From whom an action withholds itself, [n_users, n_actions]; the last rule says so.
    """
    holding = _held(holds, beside, deciding, 0)
    verdict, rule = _first(holding, ineligible, touched)
    return verdict, rule, _held(holds, beside, alerting, len(deciding))


@compiled
def _first(
    holding: BoolArray, ineligible: BoolArray, touched: Touched
) -> tuple[Int8Array, RuleArray]:
    """The first two of ``decided``, by which deciding rules hold, [n_users, n_deciding]."""
    begins, tag_sets, tag_set_of = touched.first, touched.tag_set, touched.tag_set_of
    rules, code_of, last = touched.rule, touched.verdict, len(touched.verdict) - 1
    verdict = np.empty(ineligible.shape, np.int8)
    rule = np.empty(ineligible.shape, np.int16)
    # By tag set: which rule is named, of the eligible and of those who are not, and its code.
    named, code = np.empty((2, len(tag_set_of)), np.int16), np.empty((2, len(tag_set_of)), np.int8)
    for user in range(len(holding)):
        named[0], code[0] = NO_RULE, _ALLOW
        named[1], code[1] = last, _WITHHOLD
        for place in range(holding.shape[1]):
            if holding[user, place]:
                for tag_set in tag_sets[begins[place] : begins[place + 1]]:
                    if named[0, tag_set] == NO_RULE:
                        named[0, tag_set] = rules[place]
                        code[0, tag_set] = code_of[rules[place]]
                        # A rule of the file that withholds says more, and is named instead.
                        if code_of[rules[place]] == _WITHHOLD:
                            named[1, tag_set] = rules[place]
        for action in range(len(tag_set_of)):
            which = 1 if ineligible[user, action] else 0
            rule[user, action] = named[which, tag_set_of[action]]
            verdict[user, action] = code[which, tag_set_of[action]]
    return verdict, rule
