"""The guardrail rules: data with a version, a source and a date, checked when loaded.

``data/guardrails.toml`` holds them: ``[definitions]`` names expressions that several rules use, and
each ``[[rule]]`` says when it holds, for which tags and with what verdict.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import MISSING, astuple, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from recommender.domain import Audience, MetricsList
from recommender.errors import RuleError
from recommender.guardrails.expressions import compile_truth
from recommender.guardrails.facts import Needs
from recommender.guardrails.terms import Expression, Scope

ALERT = "alert"
SEVERITIES = ("info", "warning", "critical")
VERDICTS = ("withhold", "caution", ALERT)
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
    crisis
        An alert that outranks every other and carries the contacts of those who can help now.
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
    crisis: bool = False

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
    own, disabled
        Ids of a team's own rules, and of those left out on its word.
    """

    rules: tuple[Rule, ...]
    expressions: tuple[Expression, ...]
    needs: Needs
    own: tuple[str, ...] = ()
    disabled: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rules)

    @cached_property
    def label(self) -> str:
        """Short text that changes with any rule in force, kept with every answer and run."""
        written = repr([astuple(rule) for rule in self.rules]).encode()
        words = [f"sha256:{hashlib.sha256(written).hexdigest()[:16]}"]
        words += [f"own:{len(self.own)}"] if self.own else []
        words += [f"disabled:{','.join(self.disabled)}"] if self.disabled else []
        return " ".join(words)


def load_rules(
    path: Path,
    metrics: MetricsList,
    tags: Collection[str],
    conditions: Collection[str],
    own: Path | None = None,
    disabled: Collection[str] = (),
) -> Rules:
    """Read and check a rule file, and beside it a team's own.

    Parameters
    ----------
    tags, conditions
        The closed vocabularies.
    own
        A file of further rules. They stand after the others, under ids of their own, and as no
        rule can allow anything they can only make the whole stricter. They may use the first
        file's definitions, not change them.
    disabled
        Ids of rules to leave out.

    Raises
    ------
    RuleError
        A file can't be read, a rule is wrong, or what is to be disabled does not exist; names the
        rule and what is wrong with it.
    """
    scope = Scope(frozenset(metrics.names), frozenset(conditions))
    core = _read(path, tags, scope)
    added = [] if own is None else _read(own, tags, scope)
    if unknown := sorted(set(disabled) - {rule.rule_id for rule in [*core, *added]}):
        raise RuleError(f"there is no rule {', '.join(unknown)} to disable")
    checked = build_rules([*core, *added], scope)
    named = tuple(rule.rule_id for rule in added)
    return _without(replace(checked, own=named), disabled)


def _read(path: Path, tags: Collection[str], scope: Scope) -> list[Rule]:
    """Rules of a file, not compiled yet; its definitions are added to ``scope``."""
    document = read_rule_file(path)
    define(document.get("definitions", {}), scope)
    rules = [rule_from(entry, place, tags) for place, entry in numbered(document)]
    if not rules:
        raise RuleError(f"{path.name}: there is no [[rule]]")
    return rules


def _without(rules: Rules, disabled: Collection[str]) -> Rules:
    pairs = zip(rules.rules, rules.expressions, strict=True)
    kept = [pair for pair in pairs if pair[0].rule_id not in disabled]
    return replace(
        rules,
        rules=tuple(rule for rule, _ in kept),
        expressions=tuple(expression for _, expression in kept),
        disabled=tuple(sorted(set(disabled))),
    )


def read_rule_file(path: Path) -> dict[str, Any]:
    """Parse a rule file and check its outermost names.

    Raises
    ------
    RuleError
        It can't be read or holds something else.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RuleError(f"{path.name}: {error}") from error
    if unknown := sorted(set(document) - {"rule", "definitions"}):
        raise RuleError(f"{path.name}: does not know {', '.join(unknown)}")
    return document


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
    expressions = tuple(compiled(rule.when, f"rule {rule.rule_id}", scope) for rule in rules)
    return Rules(tuple(rules), expressions, Needs(tuple(scope.places), dict(scope.definitions)))


def numbered(document: Mapping[str, Any]) -> list[tuple[int, Mapping[str, Any]]]:
    """Entries of a rule file with their places, from 1."""
    return list(enumerate(document.get("rule", ()), 1))


def define(definitions: Mapping[str, Any], scope: Scope) -> None:
    """Compile definitions into ``scope``, each under its name; a RuleError names what is wrong."""
    for name, text in definitions.items():
        where = f"definition {name}"
        taken = {"age", "sex", "unknown_person", *scope.metrics, *scope.definitions}
        if not _ID.fullmatch(name) or name in taken:
            raise RuleError(f"{where}: the name is taken or not lower case letters, digits and _")
        scope.definitions[name] = compiled(text, where, scope)


def compiled(text: object, where: str, scope: Scope) -> Expression:
    """Compile what must be true or false; a RuleError begins with ``where``."""
    try:
        return compile_truth(str(text), scope)
    except RuleError as error:
        raise RuleError(f"{where}: {error}") from error


def rule_from(entry: Mapping[str, Any], place: int, tags: Collection[str]) -> Rule:
    """Build and check one rule, all but its expression; RuleError names it and what is wrong."""
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
        f"verdict is one of {', '.join(VERDICTS)}": rule.verdict not in VERDICTS,
        f"severity is one of {', '.join(SEVERITIES)}": rule.severity not in SEVERITIES,
        "date must look like 2025, 2025-11 or 2025-11-25": not _DATE.fullmatch(str(rule.date)),
        "verified is primary or secondary": rule.verified not in ("primary", "secondary"),
        "an alert has no tags, every other rule has": (rule.verdict == ALERT) == bool(rule.tags),
        "only a critical alert can be a crisis": bool(rule.crisis)
        and (rule.verdict, rule.severity) != (ALERT, "critical"),
        f"an unknown tag among {', '.join(map(str, rule.tags))}": not known_tags,
    }
    for problem, found in problems.items():
        if found:
            raise RuleError(f"{where}: {problem}")


def _covers(pattern: str, tag: str) -> bool:
    if pattern == "*":
        return True
    return tag.startswith(pattern[:-1]) if pattern.endswith(":*") else tag == pattern
