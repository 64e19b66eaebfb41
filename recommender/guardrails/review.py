"""Everything that is wrong with a rule file, each with its line: what ``rules check`` prints."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from recommender.dataset import BoolArray
from recommender.domain import MetricsList
from recommender.errors import RuleError
from recommender.guardrails.facts import Needs
from recommender.guardrails.rules import (
    ALERT,
    Rule,
    compiled,
    define,
    numbered,
    read_rule_file,
    rule_from,
)
from recommender.guardrails.sampling import names_in, numbers_in, sampled_facts
from recommender.guardrails.terms import Scope

SAMPLES = 20_000
LONGEST_TEXT = 320
_MEDICAL = {"dose", "tablet", "insulin", "mg", "diabetes", "hypoglycemia", "bmi", "diagnosis"}
_AT_LINE = re.compile(r"at line (\d+)")
_HEADER = re.compile(r"\s*\[\[\s*rule\s*\]\]")


@dataclass(frozen=True, order=True)
class Flaw:
    """Something wrong; ``line`` counts from 1, ``where`` names the rule or definition."""

    line: int
    where: str
    message: str


@dataclass(frozen=True)
class Vocabulary:
    """The names rules may use, and a file whose definitions and ids they stand beside."""

    metrics: MetricsList
    tags: Collection[str]
    conditions: Collection[str]
    beside: Path | None = None


def review(path: Path, known: Vocabulary) -> list[Flaw]:
    """Look at a whole rule file, not only up to its first mistake; no flaw means that it loads.

    Beside what stops a file from loading this finds rules that can never hold (they contradict
    themselves or leave a metric's plausible range), rules that never decide because another one
    always stands before them, definitions that nothing uses, texts for people that name a disease,
    a medicine or a number, and dates in the future.
    """
    try:
        document = read_rule_file(path)
    except RuleError as error:
        found = _AT_LINE.search(str(error))
        return [Flaw(int(found[1]) if found else 1, path.name, str(error))]
    lines = path.read_text(encoding="utf-8").split("\n")
    return sorted({*_Review(document, lines, known).flaws()})


class _Review:
    def __init__(self, document: Mapping[str, Any], lines: list[str], known: Vocabulary) -> None:
        self._document, self._lines, self._known = document, lines, known
        self._headers = [n for n, line in enumerate(lines, 1) if _HEADER.match(line)]
        self._scope = Scope(frozenset(known.metrics.names), frozenset(known.conditions))
        self._taken: set[str] = set()
        self._definitions: dict[str, str] = {}
        if known.beside is not None:
            core = read_rule_file(known.beside)
            define(core.get("definitions", {}), self._scope)
            self._definitions |= core.get("definitions", {})
            self._taken = {str(entry.get("rule_id")) for _, entry in numbered(core)}

    def flaws(self) -> Iterator[Flaw]:
        yield from self._of_definitions()
        rules: dict[int, Rule] = {}
        for place, entry in numbered(self._document):
            line, where = self._line(place), str(entry.get("rule_id", f"number {place}"))
            try:
                rule = rule_from(entry, place, self._known.tags)
                compiled(rule.when, f"rule {rule.rule_id}", self._scope)
            except RuleError as error:
                yield Flaw(self._line_of(line, str(error)), where, str(error))
                continue
            if rule.rule_id in self._taken:
                yield Flaw(line, where, "there is a rule of this id already")
                continue
            self._taken.add(rule.rule_id)
            rules[line] = rule
            yield from (Flaw(line, where, each) for each in self._of_texts(rule))
        if not self._headers:
            yield Flaw(1, "file", "there is no [[rule]]")
        yield from self._of_reach(rules)
        yield from self._unused(rules)

    def _of_definitions(self) -> Iterator[Flaw]:
        for name, text in self._document.get("definitions", {}).items():
            try:
                define({name: text}, self._scope)
                self._definitions[name] = str(text)
            except RuleError as error:
                yield Flaw(self._definition_line(name), name, str(error))

    def _of_texts(self, rule: Rule) -> Iterator[str]:
        words = rule.text_user.casefold()
        conditions = {name.replace("_", " ") for name in self._known.conditions}
        named = {each for each in conditions if re.search(rf"\b{re.escape(each)}\b", words)}
        named |= _MEDICAL & set(re.findall(r"\w+", words))
        if named:
            yield f"text_user must not name {', '.join(sorted(named))}"
        if any(character.isdigit() for character in words):
            yield "text_user must not give numbers"
        if len(rule.text_user) > LONGEST_TEXT:
            yield f"text_user is longer than {LONGEST_TEXT} characters"
        if rule.date > date.today().isoformat():
            yield "date lies in the future"

    def _of_reach(self, rules: Mapping[int, Rule]) -> Iterator[Flaw]:
        """Rules that never hold, or never decide: looked for among made-up people."""
        for line, rule in rules.items():
            texts = self._expanded(rule.when)
            scope = Scope(self._scope.metrics, self._scope.conditions)
            define(self._definitions, scope)
            ahead = [other for other in rules.values() if _stands_before(other, rule, rules)]
            tests = [compiled(each.when, each.rule_id, scope) for each in (rule, *ahead)]
            needs = Needs(tuple(scope.places), dict(scope.definitions))
            facts = sampled_facts(needs, self._known.metrics, numbers_in(texts), SAMPLES)
            holds: list[BoolArray] = [
                np.broadcast_to(np.asarray(each.evaluate(facts), dtype=bool), SAMPLES)
                for each in tests
            ]
            if not holds[0].any():
                yield Flaw(line, rule.rule_id, "no person was found for whom it ever holds")
            for other, held in zip(ahead, holds[1:], strict=True):
                if holds[0].any() and held[holds[0]].all():
                    yield Flaw(line, rule.rule_id, f"never decides: {other.rule_id} comes first")

    def _expanded(self, text: str) -> list[str]:
        """An expression and every definition that it uses."""
        found = [text]
        for name in names_in(text) & set(self._definitions):
            found += self._expanded(self._definitions[name])
        return found

    def _unused(self, rules: Mapping[int, Rule]) -> Iterator[Flaw]:
        own = self._document.get("definitions", {})
        texts = [rule.when for rule in rules.values()] + [str(text) for text in own.values()]
        if len(rules) < len(numbered(self._document)):
            return  # a rule that does not parse may use them
        used = {name for text in texts for name in names_in(text)}
        for name in own:
            if name not in used:
                yield Flaw(self._definition_line(name), name, "no rule uses this definition")

    def _line(self, place: int) -> int:
        return self._headers[place - 1] if place <= len(self._headers) else 1

    def _line_of(self, header: int, message: str) -> int:
        """The line of the field that a message is about, else that of its rule."""
        fields = re.findall(r"\b(?:when|tag|version|verdict|severity|date|source)\b", message)
        following = [n for n in self._headers if n > header] or [len(self._lines) + 1]
        for name in fields or ["when"]:
            for number in range(header, following[0]):
                if re.match(rf"\s*{name}s?\s*=", self._lines[number - 1]):
                    return number
        return header

    def _definition_line(self, name: str) -> int:
        pattern = re.compile(rf"\s*[\"']?{re.escape(name)}[\"']?\s*=")
        return next((n for n, line in enumerate(self._lines, 1) if pattern.match(line)), 1)


def _stands_before(other: Rule, rule: Rule, rules: Mapping[int, Rule]) -> bool:
    """Whether wherever both hold the other is the one that is named."""
    if other is rule or ALERT in (other.verdict, rule.verdict):
        return False
    if other.audience not in (None, rule.audience):
        return False
    if not all(other.touches([tag]) for tag in rule.tags):
        return False
    if other.verdict == rule.verdict:
        order = list(rules.values())
        return order.index(other) < order.index(rule)
    return other.verdict == "withhold"
