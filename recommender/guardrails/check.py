"""Decide, for people and actions, what is allowed, cautioned, withheld, and what raises an alert.

The rules are never learned and never weighed against a score. ``withhold`` beats ``caution`` beats
``allow``; of several rules with the same verdict the first of the file is named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recommender.dataset import BoolArray, Int8Array, Records
from recommender.domain import VERDICT_CODES, Alert, Audience, Catalogue, MetricsList, Verdict
from recommender.guardrails.eligibility import EligibilityCheck, with_eligibility
from recommender.guardrails.facts import FactReader, Facts
from recommender.guardrails.grounds import NO_RULE, Citation, Ground, grounds_by_rule
from recommender.guardrails.program import Program
from recommender.guardrails.rules import ALERT, SEVERITIES, Rule, Rules
from recommender.guardrails.terms import AlwaysSeen, form_of, nothing_seen

Int16Array = NDArray[np.int16]

_ALLOW = VERDICT_CODES[Verdict.ALLOW]
_WITHHOLD = VERDICT_CODES[Verdict.WITHHOLD]


@dataclass(frozen=True)
class Decisions:
    """What the guardrails decided.

    Attributes
    ----------
    verdict
        Codes of ``domain.VERDICT_CODES``, [n_users, n_actions].
    rule
        Index of the rule behind each verdict, -1 where nothing spoke against the action,
        [n_users, n_actions].
    alerts
        Which alert rules hold, most pressing first as in ``Guard.alert_rules``,
        [n_users, n_alerts].
    facts
        What the rules saw.
    plainly
        Which deciding rules hold by the facts as they stand, without any dispute,
        [n_users, n_deciding].
    """

    verdict: Int8Array
    rule: Int16Array
    alerts: BoolArray
    facts: Facts
    plainly: BoolArray


class Raised(NamedTuple):
    """An alert rule that holds for one user.

    Attributes
    ----------
    observation_id
        The reading that made it hold (the first if it needed several), or None.
    """

    rule: Rule
    observation_id: str | None


class Guard:
    """Rules made ready for one catalogue: the only thing that flows ask.

    Parameters
    ----------
    rules
        As loaded by ``rules.load_rules``.
    catalogue
        Fixes the order of actions in every decision.
    metrics
        The list that the records' metric indices refer to.
    """

    def __init__(self, rules: Rules, catalogue: Catalogue, metrics: MetricsList) -> None:
        self.rules_label = rules.label
        self._rules = rules = with_eligibility(rules)
        self._eligibility = EligibilityCheck(catalogue)
        self._reader = FactReader(rules.needs, metrics)
        self.rule_ids = tuple(rule.rule_id for rule in rules.rules)
        self.rule_versions = tuple(rule.version for rule in rules.rules)
        self.alert_rules = _alerts_by_urgency(rules.rules)
        # Strictest verdict first, then the file's order: the first that holds decides.
        self._deciding = [
            place
            for verdict in (Verdict.WITHHOLD, Verdict.CAUTION)
            for place, rule in enumerate(rules.rules)
            if rule.verdict == verdict
        ]
        self._column_of = {place: column for column, place in enumerate(self._deciding)}
        self._rule_of = np.array([*self._deciding, NO_RULE], dtype=np.int16)
        self._verdict_of = _verdict_by_rule(rules.rules)
        # What is cited where no reading makes a rule hold.
        self._cited = {
            place: Citation(Verdict(rule.verdict), rule.rule_id, rule.version, None)
            for place, rule in enumerate(rules.rules)
            if rule.verdict != ALERT
        }
        self._bare = {
            place: cited
            for place, cited in self._cited.items()
            if rules.expressions[place].witness is nothing_seen
        }
        tag_sets, self._tag_set_of = _distinct_tag_sets(catalogue)
        self._touches = _touches([rules.rules[place] for place in self._deciding], tag_sets)
        # Of rules that touch a tag set the first, and the last if none does.
        last = len(self._deciding)
        self._order = np.where(self._touches, np.arange(last + 1)[:, None], last).astype(np.int16)
        asked = [rules.expressions[place] for place in (*self._deciding, *self.alert_rules)]
        self._program = Program([form_of(expression) for expression in asked])
        self._deciding_for = {who: _in_play(rules, self._deciding, who) for who in Audience}
        self._alerting_for = {who: _in_play(rules, self.alert_rules, who) for who in Audience}

    def decide(
        self, records: Records, as_of: float, audience: Audience = Audience.USER
    ) -> Decisions:
        """Decide every action of the catalogue for every user of ``records`` as of an instant.

        ``as_of`` is in seconds since 1970; no later reading is looked at.
        """
        facts = self._reader.read(records, as_of)
        plainly, holds = self._holding(facts)
        deciding = len(self._deciding)
        alerts = holds[:, deciding:] & self._alerting_for[audience]
        rule = self._first_rule(holds[:, :deciding] & self._deciding_for[audience])
        ineligible = self._eligibility.ineligible(records, facts.age, as_of)
        # A rule of the file that withholds the action says more, and is named instead.
        ineligible &= self._verdict_of[rule] != _WITHHOLD
        rule[ineligible] = len(self._rules) - 1
        return Decisions(self._verdict_of[rule], rule, alerts, facts, plainly[:, :deciding])

    def alerts(self, decisions: Decisions, user: int, audience: Audience) -> tuple[Alert, ...]:
        """Alerts for one user, most pressing first, in the words for this audience."""
        fired = np.flatnonzero(decisions.alerts[user]).tolist()
        rules = (self._rules.rules[self.alert_rules[place]] for place in fired)
        return tuple(
            Alert(rule.rule_id, rule.severity, rule.text(audience), f"{rule.source} ({rule.date})")
            for rule in rules
        )

    def raised(self, decisions: Decisions, records: Records, user: int) -> list[Raised]:
        """Alert rules that hold for one user, a crisis first, then most pressing first."""
        places = [self.alert_rules[place] for place in np.flatnonzero(decisions.alerts[user])]
        return [
            Raised(self._rules.rules[place], self._reading(decisions, records, user, place))
            for place in places
        ]

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule that a decision may name, in the order of ``Decisions.rule``."""
        return self._rules.rules

    def rule_named(self, rule_id: str) -> Rule | None:
        """A rule in force by its id."""
        return next((rule for rule in self._rules.rules if rule.rule_id == rule_id), None)

    def grounds(self, decisions: Decisions, records: Records) -> list[list[Ground]]:
        """Every action that was not simply allowed to each user, with rules and readings.

        ``records`` must be those that the decisions were made on.
        """

        bare = self._bare

        def cite(user: int, rule: int) -> Citation:
            return bare.get(rule) or self._citation(decisions, records, user, rule)

        return grounds_by_rule(decisions.rule, cite)

    def readings_seen(self, decisions: Decisions, user: int, rule: int) -> tuple[int, ...]:
        """Indices into ``Records.observations`` of the readings that made a rule hold."""
        expression = self._rules.expressions[rule]
        column = self._column_of.get(rule)
        known = column is not None and bool(decisions.plainly[user, column])
        for values, seen in decisions.facts.versions(user):
            if known or expression.evaluate(values):
                found = map(seen, expression.witness(values))
                return tuple(index for index in found if index >= 0)
        return ()

    def holds(self, decisions: Decisions, user: int, rule: int, audience: Audience) -> bool:
        """Whether a rule that is not an alert holds for one user, by disputed readings too."""
        named = self._rules.rules[rule]
        if named.verdict == ALERT or named.audience not in (None, audience):
            return False
        evaluate = self._rules.expressions[rule].evaluate
        return any(evaluate(values) for values, _ in decisions.facts.versions(user))

    def rule(self, place: int) -> Rule | None:
        """The rule at an index of ``Decisions.rule``, None for -1."""
        return None if place == NO_RULE else self._rules.rules[place]

    def rule_id(self, place: int) -> str | None:
        """Its id, None for -1."""
        return None if place == NO_RULE else self.rule_ids[place]

    def _holding(self, facts: Facts) -> tuple[BoolArray, BoolArray]:
        """Which rules hold, as facts stand and by any dispute too, [n_users, n_rules].

        The deciding ones, then alerts.
        """
        found = self._program.run(facts.columns)
        plainly, start = found[: facts.n_users], facts.n_users
        holds = plainly.copy() if facts.disputes else plainly
        for dispute in facts.disputes:
            end = start + len(dispute.users)
            # No rule allows anything, so that one more that holds can only be safer.
            holds[dispute.users] |= found[start:end]
            start = end
        return plainly, holds

    def _first_rule(self, holds: BoolArray) -> Int16Array:
        """Deciding rule of each action, [n_users, n_actions], from which rules hold."""
        user, place = np.nonzero(holds)
        nth = np.arange(len(user)) - np.searchsorted(user, user)
        # The rules of each user one below the other; those who have fewer get "no rule".
        held = np.full((nth.max(initial=0) + 1, len(holds)), len(self._deciding))
        held[nth, user] = place
        first = self._order.take(held, axis=0).min(axis=0)
        deciding: Int16Array = self._rule_of.take(first)
        # Not `take`: in memory action after action, as what is joined with it.
        return deciding[:, self._tag_set_of]

    def _citation(self, decisions: Decisions, records: Records, user: int, rule: int) -> Citation:
        ids, cited = records.observations.ids, self._cited[rule]
        seen = None if ids is None else self._first_seen(decisions, user, rule)
        if ids is None or seen is None:
            return cited
        rival = decisions.facts.rival(user, seen)
        return cited._replace(
            reading=str(ids[seen]), rival=None if rival is None else str(ids[rival])
        )

    def _reading(self, decisions: Decisions, records: Records, user: int, rule: int) -> str | None:
        """Id of the first reading that made a rule hold."""
        ids = records.observations.ids
        seen = self._first_seen(decisions, user, rule) if ids is not None else None
        return str(ids[seen]) if ids is not None and seen is not None else None

    def _first_seen(self, decisions: Decisions, user: int, rule: int) -> int | None:
        """The first of ``readings_seen``."""
        witness, facts = self._rules.expressions[rule].witness, decisions.facts
        column = self._column_of.get(rule)
        plainly = not facts.disputes if column is None else decisions.plainly[user, column]
        if not isinstance(witness, AlwaysSeen) or not plainly:
            return next(iter(self.readings_seen(decisions, user, rule)), None)
        # It holds, and where it looks is known: nothing has to be evaluated once more.
        seen = facts.seen
        return next((at for place in witness.places if (at := seen[place][user]) >= 0), None)


def _alerts_by_urgency(rules: tuple[Rule, ...]) -> list[int]:
    places = [place for place, rule in enumerate(rules) if rule.verdict == ALERT]
    return sorted(
        places,
        key=lambda place: (not rules[place].crisis, -SEVERITIES.index(rules[place].severity)),
    )


def _verdict_by_rule(rules: tuple[Rule, ...]) -> Int8Array:
    """Verdict code of each rule, and at the end, where index -1 points, that of no rule."""
    codes = [VERDICT_CODES.get(rule.verdict, _ALLOW) for rule in rules]
    return np.array([*codes, _ALLOW], dtype=np.int8)


def _in_play(rules: Rules, places: list[int], audience: Audience) -> BoolArray:
    """Which of some rules are meant for this audience, [n_rules]."""
    return np.array(
        [rules.rules[place].audience in (None, audience) for place in places], dtype=bool
    )


def _distinct_tag_sets(catalogue: Catalogue) -> tuple[list[frozenset[str]], NDArray[np.int64]]:
    """The different tag sets of a catalogue and, for each action, which one it has."""
    sets = [frozenset(action.tags) for action in catalogue.actions]
    number = {tags: place for place, tags in enumerate(dict.fromkeys(sets))}
    return list(number), np.array([number[tags] for tags in sets], dtype=np.int64)


def _touches(rules: list[Rule], tag_sets: list[frozenset[str]]) -> BoolArray:
    """Which rule looks at which tag set, [n_rules + 1, n_tag_sets]; the last row is "no rule"."""
    rows = [[rule.touches(tags) for tags in tag_sets] for rule in rules]
    return np.array([*rows, [True] * len(tag_sets)], dtype=bool)
