"""What came of comparing the engine's verdicts with the oracle's, batch by batch."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from recommender.dataset import BoolArray, Records
from recommender.domain import VERDICT_CODES, Audience, Catalogue, Verdict
from recommender.guardrails.check import Decisions, Guard
from tests.benchmarks.oracle import Judgement, judge
from tests.benchmarks.oracle_record import limits

WITHHOLD = VERDICT_CODES[Verdict.WITHHOLD]

EXAMPLES = 20
"""How many of a kind are looked at to show the shortest."""


@dataclass
class Tally:
    """Counts over all batches; ``examples`` has one person for each kind of violation."""

    catalogue: Catalogue
    answers: int = 0
    checked: int = 0
    shown: int = 0
    violations: Counter[str] = field(default_factory=Counter)
    silent: Counter[str] = field(default_factory=Counter)
    stricter: Counter[str] = field(default_factory=Counter)
    stricter_tags: Counter[str] = field(default_factory=Counter)
    banned: Counter[str] = field(default_factory=Counter)
    warned: Counter[str] = field(default_factory=Counter)
    fired: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        return bool(self.violations or self.silent)

    def add(self, records: Records, as_of: float, audience: Audience, guard: Guard) -> None:
        """Decide and judge a batch of people."""
        catalogue = self.catalogue
        decided = guard.decide(records, as_of, audience)
        judged = judge(records, as_of, audience, catalogue)
        held = decided.verdict == WITHHOLD
        self.answers += len(held)
        self.checked += held.size
        self.shown += int((~held).sum())
        self._violations(judged, ~held & judged.forbidden, catalogue, (records, as_of, audience))
        self._alerts(judged, decided, guard, (records, as_of, audience))
        self._stricter(decided, held & ~judged.forbidden, guard)
        self._seen(judged, decided, guard)

    def _violations(
        self,
        judged: Judgement,
        wrong: BoolArray,
        catalogue: Catalogue,
        asked: tuple[Records, float, Audience],
    ) -> None:
        for person, place in zip(*np.nonzero(wrong), strict=True):
            action = catalogue.actions[place]
            names = [
                f"{ban.name} ({ban.basis}) on {tag}"
                for ban in judged.bans
                if ban.who[person]
                for tag in ban.tags
                if tag in action.tags
            ]
            if judged.ineligible[person, place]:
                names.append(f"eligibility of {action.action_id}")
            for name in names:
                self.violations[name] += 1
                self._example(name, int(person), action.action_id, asked)

    def _alerts(
        self,
        judged: Judgement,
        decided: Decisions,
        guard: Guard,
        asked: tuple[Records, float, Audience],
    ) -> None:
        """Whoever must be warned has an alert; for a crisis, one with a contact."""
        alerts = [rule for rule in guard.rules if rule.verdict == "alert"]
        crisis = np.array([rule.crisis for rule in alerts])
        for name, who in judged.warned.items():
            self.warned[name] += int(who.sum())
            fitting = decided.alerts[:, crisis] if name == "crisis" else decided.alerts
            missed = np.flatnonzero(who & ~fitting.any(1))
            if len(missed):
                self.silent[name] += len(missed)
                self._example(f"no alert: {name}", int(missed[0]), "", asked)

    def _stricter(self, decided: Decisions, held: BoolArray, guard: Guard) -> None:
        """What the engine withholds beyond the oracle, by rule and by tag."""
        rules = decided.rule[np.nonzero(held)]
        for rule in np.unique(rules):
            self.stricter[str(guard.rule_id(int(rule)))] += int((rules == rule).sum())
        for place, action in enumerate(self.catalogue.actions):
            if action.action_id.startswith("~"):
                self.stricter_tags[action.title] += int(held[:, place].sum())

    def _seen(self, judged: Judgement, decided: Decisions, guard: Guard) -> None:
        for ban in judged.bans:
            self.banned[ban.name] += int(ban.who.sum())
        for rule in np.unique(decided.rule):
            name = guard.rule_id(int(rule))
            if name:
                self.fired[name] += int((decided.rule == rule).any(1).sum())
        alerts = [rule for rule in guard.rules if rule.verdict == "alert"]
        for rule, count in zip(alerts, decided.alerts.sum(0).tolist(), strict=True):
            if count:
                self.fired[rule.rule_id] += count

    def _example(
        self, name: str, person: int, action_id: str, asked: tuple[Records, float, Audience]
    ) -> None:
        if self.violations[name] > EXAMPLES:
            return
        told = f"{action_id}: {describe(asked[0], person, asked[1])} audience {asked[2]}"
        if name not in self.examples or len(told) < len(self.examples[name]):
            self.examples[name] = told


def describe(records: Records, person: int, as_of: float) -> str:
    """One person's record in a line; readings with their age in hours."""
    users, readings, events = records.users, records.observations, records.events
    names = list(limits())
    has = users.condition_name[users.condition_user == person].tolist()
    seen = [
        f"{names[metric]}={value:g} ({(as_of - at) / 3600:.4f} h)"
        for metric, value, at in zip(
            *(
                column[readings.user == person].tolist()
                for column in (readings.metric, readings.value, readings.at)
            ),
            strict=True,
        )
    ]
    says = {name: col[person] for name, col in users.attributes.items() if col[person] is not None}
    done = [
        f"{action}/{kind} ({(as_of - at) / 86400:.5f} d)"
        for action, kind, at in zip(
            *(
                column[events.user == person].tolist()
                for column in (events.action, events.kind, events.at)
            ),
            strict=True,
        )
    ]
    born = users.born_at[person]
    age = f"{(as_of - born) / 86400 / 365.25:.2f}" if born == born else "unknown"
    return f"age {age} sex {users.sex[person]} has {has} {seen} {says} events {done}"
