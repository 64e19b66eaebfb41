"""The page of rules is that of the data, and every rule stands for a clinical fact."""

from __future__ import annotations

import tomllib
from pathlib import Path

from recommender.knowledge import load_knowledge
from recommender.resources import data_path
from recommender.rules_document import shipped_document
from recommender.settings import Settings

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_equals_the_data() -> None:
    assert (DOCS / "rules.md").read_text(encoding="utf-8") == shipped_document()


def test_every_rule_stands_in_a_row_and_every_row_names_rules_that_exist() -> None:
    rows = tomllib.loads(data_path("clinical_rows.toml").read_text(encoding="utf-8"))["row"]
    named = {rule_id for row in rows for rule_id in row["rules"]}
    rules = load_knowledge(Settings()).rules
    assert named == {rule.rule_id for rule in rules.rules}
    assert all(row["rules"] or row.get("note") for row in rows)


def test_every_attribute_that_rules_look_at_is_documented() -> None:
    rules = load_knowledge(Settings()).rules
    asked = {getattr(fact, "attribute", None) for fact in rules.needs.facts} - {None}
    text = (DOCS / "safety.md").read_text(encoding="utf-8")
    assert {name for name in asked if f"`{name}`" not in text} == set()
