"""The data dictionary in the documents is the one of the schema."""

from __future__ import annotations

from pathlib import Path

from recommender.store.dictionary import data_dictionary

_DOCUMENT = Path(__file__).parents[2] / "docs" / "schema.md"


def test_document_equals_the_schema() -> None:
    assert _DOCUMENT.read_text(encoding="utf-8") == data_dictionary()
