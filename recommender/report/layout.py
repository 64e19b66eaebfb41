"""Sections put into the page's template."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template

_TEMPLATE = Path(__file__).with_name("template.html")


def laid_out(title: str, sections: Sequence[str]) -> str:
    """One HTML page that needs nothing else; empty sections are left out."""
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=escape(title), body="\n".join(section for section in sections if section)
    )
