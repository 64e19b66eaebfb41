"""Decide, for people and actions, what is allowed, cautioned, withheld, and what raises an alert.

The rules are never learned and never weighed against a score. ``withhold`` beats ``caution`` beats
``allow``; of several rules with the same verdict the first of the file is named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from recommender.dataset import BoolArray, Int8Array, Records
from recommender.domain import Alert, Audience, Catalogue, MetricsList, Verdict
from recommender.errors import RuleError
from recommender.guardrails.deciding import decided, touched
from recommender.guardrails.eligibility import EligibilityCheck, with_eligibility
from recommender.guardrails.facts import FactReader, Facts
from recommender.guardrails.grounds import (
    MOST_RULES,
    NO_RULE,
    Citation,
    Grounds,
    RuleArray,
    Sight,
    first_seen,
    grouped,
    looks_of,
    observation_id,
    versions,
)
from recommender.guardrails.program import Program
from recommender.guardrails.rules import ALERT, SEVERITIES, Rule, Rules
from recommender.guardrails.terms import form_of


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
    holds
        Which rules hold by each column of the facts, and which of their looks count,
        [n_columns, n_forms]; see ``Guard``.
    """

    verdict: Int8Array
    rule: RuleArray
    alerts: BoolArray
    facts: Facts
    holds: BoolArray

    @property
    def sight(self) -> Sight:
        """What the rules saw, as arrays."""
        facts = self.facts
        return Sight(
            self.holds,
            facts.beside,
            facts.seen,
            facts.standing.places,
            facts.known.observation,
        )


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
        if len(rules) > MOST_RULES:
            raise RuleError(f"{len(rules):,} rules are more than {MOST_RULES:,}")
        self._eligibility = EligibilityCheck(catalogue)
        self._reader = FactReader(rules.needs, metrics)
        self.rule_ids = tuple(rule.rule_id for rule in rules.rules)
        self.rule_versions = tuple(rule.version for rule in rules.rules)
        self.alert_rules = _alerts_by_urgency(rules.rules)
        self._alerting = np.array(self.alert_rules, dtype=np.int64)
        # Strictest verdict first, then the file's order: the first that holds decides.
        deciding = [
            place
            for verdict in (Verdict.WITHHOLD, Verdict.CAUTION)
            for place, rule in enumerate(rules.rules)
            if rule.verdict == verdict
        ]
        self._touched = touched(rules.rules, deciding, catalogue)
        # Forms are deciding rules, then alerts, then what every rule looks at, in the file's order.
        asked = [*deciding, *self.alert_rules]
        looks = [look.when for each in rules.expressions for look in each.witness]
        forms = [*(form_of(rules.expressions[place]) for place in asked), *looks]
        self._program = Program(forms, rules.needs.defined)
        self._looks = looks_of(
            rules.expressions,
            [asked.index(place) for place in range(len(rules))],
            len(asked),
            rules.needs.readings,
            self._reader.standing_row,
        )
        self._deciding_for = {who: _in_play(rules, deciding, who) for who in Audience}
        self._alerting_for = {who: _in_play(rules, self.alert_rules, who) for who in Audience}
        self.cited = tuple(
            Citation(
                Verdict.ALLOW if rule.verdict == ALERT else Verdict(rule.verdict),
                rule.rule_id,
                rule.version,
                None,
            )
            for rule in rules.rules
        )

    def decide(
        self, records: Records, as_of: float, audience: Audience = Audience.USER
    ) -> Decisions:
        """Decide every action of the catalogue for every user of ``records`` as of an instant.

        ``as_of`` is in seconds since 1970; no later reading is looked at.
        """
        facts = self._reader.read(records, as_of)
        holds = self._program.run(facts.matrix)
        ineligible = self._eligibility.ineligible(records, facts.age, as_of)
        verdict, rule, alerts = decided(
            holds,
            facts.beside,
            self._deciding_for[audience],
            self._alerting_for[audience],
            ineligible,
            self._touched,
        )
        return Decisions(verdict, rule, alerts, facts, holds)

    def alerts(self, decisions: Decisions, user: int, audience: Audience) -> tuple[Alert, ...]:
        """Alerts for one user, most pressing first, in the words for this audience."""
        fired = np.flatnonzero(decisions.alerts[user]).tolist()
        rules = (self._rules.rules[self.alert_rules[place]] for place in fired)
        return tuple(
            Alert(rule.rule_id, rule.severity, rule.text(audience), f"{rule.source} ({rule.date})")
            for rule in rules
        )

    def raised(self, decisions: Decisions, records: Records) -> dict[int, list[Raised]]:
        """Alert rules that hold, by user: a crisis first, then most pressing first."""
        users, alerts = decisions.alerts.nonzero()
        raised: dict[int, list[Raised]] = {}
        places, ids = self._alerting[alerts], records.observations.ids
        readings, _ = first_seen(users, places, decisions.sight, self._looks)
        found = zip(users.tolist(), places.tolist(), readings.tolist(), strict=True)
        for user, place, reading in found:
            each = Raised(self._rules.rules[place], observation_id(ids, reading))
            raised.setdefault(user, []).append(each)
        return raised

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule that a decision may name, in the order of ``Decisions.rule``."""
        return self._rules.rules

    def rule_named(self, rule_id: str) -> Rule | None:
        """A rule in force by its id."""
        return next((rule for rule in self._rules.rules if rule.rule_id == rule_id), None)

    def grounds(self, decisions: Decisions, records: Records) -> Grounds:
        """Every action that was not simply allowed to each user, with rules and readings.

        ``records`` must be those that the decisions were made on.
        """
        found = grouped(decisions.rule, decisions.sight, self._looks)
        return Grounds(*found, self.cited, records.observations.ids)

    def readings_seen(self, decisions: Decisions, user: int, rule: int) -> tuple[int, ...]:
        """Indices into ``Records.observations`` of the readings that made a rule hold."""
        column = self._version(decisions, user, rule)
        if column < 0:
            return ()
        looks = slice(*self._looks.first[rule : rule + 2])
        counts = decisions.holds[column, self._looks.when[looks]]
        rows = dict.fromkeys(self._looks.row[looks][counts].tolist())
        places = decisions.facts.seen[list(rows), column]
        return tuple(decisions.facts.known.observation[places[places >= 0]].tolist())

    def holds(self, decisions: Decisions, user: int, rule: int, audience: Audience) -> bool:
        """Whether a rule that is not an alert holds for one user, by disputed readings too."""
        named = self._rules.rules[rule]
        if named.verdict == ALERT or named.audience not in (None, audience):
            return False
        return self._version(decisions, user, rule) >= 0

    def rule(self, place: int) -> Rule | None:
        """The rule at an index of ``Decisions.rule``, None for -1."""
        return None if place == NO_RULE else self._rules.rules[place]

    def rule_id(self, place: int) -> str | None:
        """Its id, None for -1."""
        return None if place == NO_RULE else self.rule_ids[place]

    def _version(self, decisions: Decisions, user: int, rule: int) -> int:
        """In which column of facts a rule holds for one user, -1 for none."""
        asked = np.array([user]), np.array([rule])
        return int(versions(*asked, decisions.sight, self._looks)[0])


def _alerts_by_urgency(rules: tuple[Rule, ...]) -> list[int]:
    places = [place for place, rule in enumerate(rules) if rule.verdict == ALERT]
    return sorted(
        places,
        key=lambda place: (not rules[place].crisis, -SEVERITIES.index(rules[place].severity)),
    )


def _in_play(rules: Rules, places: list[int], audience: Audience) -> BoolArray:
    """Which of some rules are meant for this audience, [n_rules]."""
    return np.array(
        [rules.rules[place].audience in (None, audience) for place in places], dtype=bool
    )
