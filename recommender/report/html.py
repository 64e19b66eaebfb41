"""Tables and paragraphs; everything that comes from data is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from recommender.report.words import NONE, clear, interval
from recommender.resampling import Figure


def table(
    heads: Sequence[str],
    rows: Iterable[tuple[str, Sequence[str]]],
    words: Iterable[int] = (),
    kind: str = "",
) -> str:
    """Lay out rows given as (class of the row, cells as HTML).

    Parameters
    ----------
    words
        Columns that are left-aligned.
    kind
        Class of the table. Without heads there is no line for them.
    """
    left = frozenset(words)

    def side(place: int) -> str:
        return ' class="words"' if place in left else ""

    head = "".join(f'<th scope="col"{side(i)}>{escape(name)}</th>' for i, name in enumerate(heads))
    body = "".join(
        f'<tr class="{row_kind}">'
        + "".join(_cell(i, content, side(i)) for i, content in enumerate(cells))
        + "</tr>"
        for row_kind, cells in rows
    )
    kinds = f"{kind} long" if body.count("<tr") > 14 else kind
    top = f"<thead><tr>{head}</tr></thead>" if any(heads) else ""
    return (
        f'<div class="scroll" tabindex="0"><table class="{kinds.strip()}">{top}'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(place: int, content: str, side: str) -> str:
    """The first cell of a row says what the row is about."""
    return f"<td{side}>{content}</td>" if place else f'<th scope="row">{content}</th>'


def cell(value: Figure | None, digits: int = 3, unit: str = "") -> str:
    """A figure, its interval smaller beneath it."""
    words = interval(value, digits)
    alone, _, ends = words.partition(" (")
    unit = f" {unit}" if unit and words != NONE else ""
    return f'{alone}{unit}<br><span class="soft">{ends.rstrip(")")}</span>' if ends else alone


def lead(value: Figure | None, better: int = 1, digits: int = 3) -> str:
    """A difference: marked where clearly better or clearly worse, plain where unclear.

    Parameters
    ----------
    better
        1 where more is better, -1 where less is.
    """
    kind = {1: "good", -1: "bad", 0: ""}[clear(value) * better]
    sign = {"good": " ✓", "bad": " ✗", "": ""}[kind]
    alone, soft = _parts(value, digits)
    return f'<span class="{kind}">{alone}{sign}</span>{soft}'


def difference(value: Figure | None, digits: int = 3) -> str:
    """A difference of which neither side is the better one: bold where it is clear."""
    alone, soft = _parts(value, digits)
    return f'<span class="clear">{alone}</span>{soft}' if clear(value) else f"{alone}{soft}"


def _parts(value: Figure | None, digits: int) -> tuple[str, str]:
    words = interval(value, digits, sign=True)
    alone, _, ends = words.partition(" (")
    return alone, f'<br><span class="soft">{ends.rstrip(")")}</span>' if ends else ""


def paragraph(words: str, kind: str = "") -> str:
    """A paragraph of our own words, which may hold tags."""
    return f'<p class="{kind}">{words}</p>'
