"""Prints ``docs/rules.md``: ``python -m recommender.rules_document > docs/rules.md``."""

from __future__ import annotations

import sys

from recommender.guardrails.document import rules_document
from recommender.guardrails.rules import read_rule_file
from recommender.knowledge import load_knowledge
from recommender.resources import data_path
from recommender.settings import Settings


def shipped_document() -> str:
    """Write the core rules as Markdown, whatever a team has added or switched off."""
    core = load_knowledge(Settings(rules=None, rules_disabled=""))
    definitions = read_rule_file(data_path("guardrails.toml"))["definitions"]
    return rules_document(core.rules, data_path("clinical_rows.toml"), definitions)


if __name__ == "__main__":
    sys.stdout.write(shipped_document())
