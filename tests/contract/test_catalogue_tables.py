"""The tables in the documents are those of the data."""

from __future__ import annotations

from pathlib import Path

from recommender.catalogue import load_catalogue, load_tags
from recommender.catalogue_tables import catalogue_tables, contraindications
from recommender.knowledge import load_knowledge

_DOCUMENT = Path(__file__).parents[2] / "docs" / "catalogue_table.md"


def test_document_equals_the_data() -> None:
    assert _DOCUMENT.read_text(encoding="utf-8") == catalogue_tables()


def test_nothing_is_left_out() -> None:
    text = catalogue_tables()
    for action in load_catalogue().actions:
        assert f"| `{action.action_id}` | {action.title} |" in text
    assert all(f"| `{tag}` |" in text for tag in load_tags())


def test_contraindications_follow_from_the_tags() -> None:
    rules = load_knowledge().rules.rules
    hot = contraindications(("heat",), rules)
    assert "pregnancy" in hot["withhold"]
    assert "older_care" in hot["caution"]
    assert "pregnancy" not in contraindications(("light_exercise",), rules)["withhold"]
