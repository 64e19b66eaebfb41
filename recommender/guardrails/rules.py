"""The guardrail rules: data with a version, a source and a date, checked when loaded.

``data/guardrails.toml`` holds them: ``[definitions]`` names expressions that several rules use, and
each ``[[rule]]`` says when it holds, for which tags and with what verdict.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from recommender.domain import Audience, MetricsList
from recommender.errors import RuleError
from recommender.guardrails.expressions import compile_truth
from recommender.guardrails.facts import Needs
from recommender.guardrails.terms import Expression, Scope

ALERT = "alert"
SEVERITIES = ("info", "warning", "critical")
_VERDICTS = ("withhold", "caution", ALERT)
_ID = re.compile(r"[a-z][a-z0-9_]*")
_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")


@dataclass(frozen=True)
class Rule:
    """One guardrail rule.

    Attributes
    ----------
    verdict
        ``withhold`` or ``caution`` for actions that carry one of ``tags``, or ``alert``.
    tags
        Tags it looks at; ``screening:*`` stands for all that begin so, ``*`` for every action.
    when
        When it holds, in the language of ``guardrails.expressions``.
    text_user, text_clinician
        What it says to each audience.
    date
        Edition of the source.
    verified
        ``primary`` if the source itself was read, ``secondary`` if a repetition of it.
    audience
        Only answers for this audience are touched, None for all.
    """

    rule_id: str
    version: int
    verdict: str
    severity: str
    when: str
    text_user: str
    text_clinician: str
    source: str
    date: str
    tags: tuple[str, ...] = ()
    url: str = ""
    verified: str = "secondary"
    audience: Audience | None = None

    def text(self, audience: Audience) -> str:
        """Its words for this audience."""
        return self.text_user if audience is Audience.USER else self.text_clinician

    def touches(self, tags: Collection[str]) -> bool:
        """Whether an action with these tags is one the rule looks at."""
        return any(_covers(pattern, tag) for pattern in self.tags for tag in ("", *tags))


@dataclass(frozen=True)
class Rules:
    """Checked rules, in the file's order, with what they compile to.

    Attributes
    ----------
    expressions
        One compiled ``when`` a rule, aligned with ``rules``.
    needs
        The facts that the expressions look at.
    """

    rules: tuple[Rule, ...]
    expressions: tuple[Expression, ...]
    needs: Needs

    def __len__(self) -> int:
        return len(self.rules)


def load_rules(
    path: Path, metrics: MetricsList, tags: Collection[str], conditions: Collection[str]
) -> Rules:
    """Read and check a rule file.

    Parameters
    ----------
    tags, conditions
        The closed vocabularies.

    Raises
    ------
    RuleError
        The file can't be read or a rule is wrong; names the rule and what is wrong with it.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RuleError(f"{path.name}: {error}") from error
    if unknown := sorted(set(document) - {"rule", "definitions"}):
        raise RuleError(f"{path.name}: does not know {', '.join(unknown)}")
    scope = Scope(frozenset(metrics.names), frozenset(conditions))
    _define(document.get("definitions", {}), scope)
    return build_rules([_rule(entry, place, tags) for place, entry in _numbered(document)], scope)


def build_rules(rules: Sequence[Rule], scope: Scope) -> Rules:
    """Compile rules against the names of ``scope``.

    Raises
    ------
    RuleError
        There is none, two share an id, or an expression is wrong.
    """
    if not rules:
        raise RuleError("there is no [[rule]]")
    ids = [rule.rule_id for rule in rules]
    if repeated := sorted({rule_id for rule_id in ids if ids.count(rule_id) > 1}):
        raise RuleError(f"rule_id given twice: {', '.join(repeated)}")
    expressions = tuple(_compiled(rule.when, f"rule {rule.rule_id}", scope) for rule in rules)
    return Rules(tuple(rules), expressions, Needs(tuple(scope.places), dict(scope.definitions)))


def _numbered(document: Mapping[str, Any]) -> list[tuple[int, Mapping[str, Any]]]:
    return list(enumerate(document.get("rule", ()), 1))


def _define(definitions: Mapping[str, Any], scope: Scope) -> None:
    for name, text in definitions.items():
        where = f"definition {name}"
        if not _ID.fullmatch(name) or name in {"age", "sex", "unknown_person", *scope.metrics}:
            raise RuleError(f"{where}: the name is taken or not lower case letters, digits and _")
        scope.definitions[name] = _compiled(text, where, scope)


def _compiled(text: object, where: str, scope: Scope) -> Expression:
    try:
        return compile_truth(str(text), scope)
    except RuleError as error:
        raise RuleError(f"{where}: {error}") from error


def _rule(entry: Mapping[str, Any], place: int, tags: Collection[str]) -> Rule:
    where = f"rule {entry.get('rule_id', f'number {place}')}"
    known = {field.name: field for field in fields(Rule)}
    if unknown := sorted(set(entry) - set(known)):
        raise RuleError(f"{where}: does not know {', '.join(unknown)}")
    required = {name for name, field in known.items() if field.default is MISSING}
    if missing := sorted(required - set(entry)):
        raise RuleError(f"{where}: lacks {', '.join(missing)}")
    audience = entry.get("audience")
    if audience is not None and audience not in list(Audience):
        raise RuleError(f"{where}: audience is one of {', '.join(Audience)}")
    chosen = {"tags": tuple(entry.get("tags", ())), "audience": audience and Audience(audience)}
    rule = Rule(**{**entry, **chosen})
    _check(rule, where, tags)
    return rule


def _check(rule: Rule, where: str, tags: Collection[str]) -> None:
    texts = (rule.rule_id, rule.when, rule.text_user, rule.text_clinician, rule.source)
    known_tags = all(any(_covers(pattern, tag) for tag in ("", *tags)) for pattern in rule.tags)
    problems = {
        "a text is empty": not all(isinstance(text, str) and text.strip() for text in texts),
        "rule_id must be lower case letters, digits and _": not _ID.fullmatch(str(rule.rule_id)),
        "version must be a whole number above 0": type(rule.version) is not int or rule.version < 1,
        f"verdict is one of {', '.join(_VERDICTS)}": rule.verdict not in _VERDICTS,
        f"severity is one of {', '.join(SEVERITIES)}": rule.severity not in SEVERITIES,
        "date must look like 2025, 2025-11 or 2025-11-25": not _DATE.fullmatch(str(rule.date)),
        "verified is primary or secondary": rule.verified not in ("primary", "secondary"),
        "an alert has no tags, every other rule has": (rule.verdict == ALERT) == bool(rule.tags),
        f"an unknown tag among {', '.join(map(str, rule.tags))}": not known_tags,
    }
    for problem, found in problems.items():
        if found:
            raise RuleError(f"{where}: {problem}")


def _covers(pattern: str, tag: str) -> bool:
    if pattern == "*":
        return True
    return tag.startswith(pattern[:-1]) if pattern.endswith(":*") else tag == pattern
