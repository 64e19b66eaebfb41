"""The rules as a document for people: ``docs/rules.md`` is what this writes."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

from recommender.guardrails.rules import VERDICTS, Rule, Rules

_HEADINGS = {
    "alert": "Alerts",
    "withhold": "What is withheld",
    "caution": "What is shown with a word of care",
}


def rules_document(rules: Rules, rows: Path, definitions: dict[str, str]) -> str:
    """Write every rule, and which rules keep which clinical row, as Markdown.

    Parameters
    ----------
    rows
        ``data/clinical_rows.toml``.
    definitions
        Of the rule file: name -> expression.
    """
    return "\n".join([*_opening(rules), *_rows(rows), *_definitions(definitions), *_rules(rules)])


def _opening(rules: Rules) -> Iterator[str]:
    yield "# The guardrail rules"
    yield ""
    yield f"All {len(rules)} core rules, written from `data/guardrails.toml` by"
    yield "`python -m recommender.rules_document`; a test keeps this page equal to the data."
    yield "[safety.md](safety.md) says how they are applied and how to review one."


def _rows(path: Path) -> Iterator[str]:
    yield from ("", "## From clinical fact to rule", "", "| topic | fact | rules | note |")
    yield "|---|---|---|---|"
    for row in tomllib.loads(path.read_text(encoding="utf-8"))["row"]:
        named = ", ".join(f"`{rule_id}`" for rule_id in row["rules"]) or "none"
        yield f"| {row['topic']} | {row['says']} | {named} | {row.get('note', '')} |"


def _definitions(definitions: dict[str, str]) -> Iterator[str]:
    yield from ("", "## Definitions", "", "| name | means |", "|---|---|")
    for name, text in definitions.items():
        yield f"| `{name}` | `{text}` |"


def _rules(rules: Rules) -> Iterator[str]:
    for verdict in ("alert", *(each for each in VERDICTS if each != "alert")):
        yield from ("", f"## {_HEADINGS[verdict]}", "")
        yield "| rule | severity | holds when | looks at | says to the person | basis | source |"
        yield "|---|---|---|---|---|---|---|"
        yield from (_line(rule) for rule in rules.rules if rule.verdict == verdict)
    yield ""


def _line(rule: Rule) -> str:
    tags = ", ".join(f"`{tag}`" for tag in rule.tags) or "everything"
    who = f", for {rule.audience.value} only" if rule.audience else ""
    link = f"[{rule.source}]({rule.url})" if rule.url else rule.source
    cells = (
        f"`{rule.rule_id}` v{rule.version}",
        rule.severity + (", crisis" if rule.crisis else "") + who,
        f"`{rule.when}`",
        tags,
        rule.text_user,
        rule.text_clinician,
        f"{link}, {rule.date}, {rule.verified}",
    )
    return f"| {' | '.join(cells)} |"
