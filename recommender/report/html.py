"""Tables and paragraphs; everything that comes from data is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from recommender.report.words import clear, interval
from recommender.resampling import Figure


def table(
    heads: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]], words: Iterable[int] = ()
) -> str:
    """Lay out rows given as (class of the row, cells as HTML); ``words`` are left-aligned."""
    left = frozenset(words)

    def kind(place: int) -> str:
        return ' class="words"' if place in left else ""

    head = "".join(f"<th{kind(i)}>{escape(name)}</th>" for i, name in enumerate(heads))
    body = "".join(
        f'<tr class="{row_kind}">'
        + "".join(f"<td{kind(i)}>{cell}</td>" for i, cell in enumerate(cells))
        + "</tr>"
        for row_kind, cells in rows
    )
    long = ' class="long"' if body.count("<tr") > 14 else ""
    return f"<table{long}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def cell(value: Figure | None, digits: int = 3) -> str:
    """A figure, its interval smaller beneath it."""
    words = interval(value, digits)
    alone, _, ends = words.partition(" (")
    return f'{alone}<br><span class="soft">{ends.rstrip(")")}</span>' if ends else alone


def lead(value: Figure | None, better: int = 1, digits: int = 3) -> str:
    """A difference: green where clearly better, red where clearly worse, plain where unclear.

    Parameters
    ----------
    better
        1 where more is better, -1 where less is.
    """
    kind = {1: "good", -1: "bad", 0: ""}[clear(value) * better]
    words = interval(value, digits, sign=True)
    alone, _, ends = words.partition(" (")
    soft = f'<br><span class="soft">{ends.rstrip(")")}</span>' if ends else ""
    return f'<span class="{kind}">{alone}</span>{soft}'


def paragraph(words: str, kind: str = "") -> str:
    """A paragraph of our own words, which may hold tags."""
    return f'<p class="{kind}">{words}</p>'
