"""Plots with a place for each run: stacked bars and lines, dates beneath."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from recommender.report.svg import PALETTE, WIDTH, Axis, drawing, line, short, words_at

Values = Sequence[float | None]
"""One value a run; None where a run has none."""

_LEFT, _RIGHT, _TOP, _FOOT, _TALL = 64, 170, 10, 46, 220
_WIDEST_SLOT, _WIDEST_BAR, _LABEL = 96, 40, 56


@dataclass(frozen=True)
class Run:
    """Where a run stands: its date, and a word beneath if it did not come into force."""

    at: datetime
    mark: str = ""


def stacked(
    runs: Sequence[Run], series: Mapping[str, tuple[str, Values]], *, y_title: str, describe: str
) -> str:
    """One bar a run, its parts on top of one another.

    Parameters
    ----------
    series
        Name -> (colour, values), from the bottom up.
    """
    totals = [sum(v[place] or 0.0 for _, v in series.values()) for place in range(len(runs))]
    up = Axis(0.0, max(totals, default=0.0) * 1.04 or 1.0, _TALL - _FOOT, _TOP)
    parts = _frame(runs, up, y_title)
    wide = min(_slot(runs) * 0.7, _WIDEST_BAR)
    for place in range(len(runs)):
        level = 0.0
        for colour, values in series.values():
            value = values[place] or 0.0
            top = up.at(level + value)
            parts.append(
                f'<rect x="{_at(runs, place) - wide / 2:.1f}" y="{top:.1f}" width="{wide:.1f}" '
                f'height="{up.at(level) - top:.1f}" fill="{colour}"/>'
            )
            level += value
    colours = {name: colour for name, (colour, _) in reversed(list(series.items()))}
    return drawing(_TALL, describe, [*parts, *_legend(runs, colours)])


def lines(
    runs: Sequence[Run],
    series: Mapping[str, Values],
    *,
    y_title: str,
    describe: str,
    from_zero: bool = False,
) -> str:
    """A dot a run, joined where two runs in a row have a value."""
    known = [value for values in series.values() for value in values if value is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    room = 0.08 * (high - low) or 0.05 * abs(high) or 1.0
    up = Axis(0.0 if from_zero else low - room, high + room, _TALL - _FOOT, _TOP)
    parts = _frame(runs, up, y_title)
    for colour, values in zip(PALETTE, series.values(), strict=False):
        points = [
            None if value is None else (_at(runs, place), up.at(value))
            for place, value in enumerate(values)
        ]
        parts += [
            f'<line class="curve" x1="{one[0]:.1f}" y1="{one[1]:.1f}" x2="{two[0]:.1f}" '
            f'y2="{two[1]:.1f}" stroke="{colour}"/>'
            for one, two in pairwise(points)
            if one and two
        ]
        parts += [
            f'<circle cx="{point[0]:.1f}" cy="{point[1]:.1f}" r="3.5" fill="{colour}"/>'
            for point in points
            if point
        ]
    colours = dict(zip(series, PALETTE, strict=False))
    return drawing(_TALL, describe, [*parts, *_legend(runs, colours)])


def _slot(runs: Sequence[Run]) -> float:
    return min((WIDTH - _LEFT - _RIGHT) / max(len(runs), 1), _WIDEST_SLOT)


def _at(runs: Sequence[Run], place: int) -> float:
    return _LEFT + _slot(runs) * (place + 0.5)


def _frame(runs: Sequence[Run], up: Axis, y_title: str) -> list[str]:
    right, bottom = _LEFT + _slot(runs) * max(len(runs), 1), up.start
    out = []
    for value in up.ticks(4):
        y = up.at(value)
        out += [line(_LEFT, y, right, y, "grid"), words_at(_LEFT - 6, y + 4, short(value), "end")]
    out.append(line(_LEFT, bottom, right, bottom, "axis"))
    middle = (bottom + _TOP) / 2
    out.append(
        f'<text x="14" y="{middle}" text-anchor="middle" '
        f'transform="rotate(-90 14 {middle})">{y_title}</text>'
    )
    return [*out, *_dates(runs, bottom)]


def _dates(runs: Sequence[Run], bottom: float) -> list[str]:
    """Dates as close as they are legible, counted back from the newest; marks where they apply."""
    days = [run.at.date() for run in runs]
    form = "{:%d %b}" if len(set(days)) == len(days) else "{:%d %b %H:%M}"
    every = max(1, -(-(_LABEL if form == "{:%d %b}" else 84) // max(int(_slot(runs)), 1)))
    out = []
    for place, run in enumerate(runs):
        x = _at(runs, place)
        if (len(runs) - 1 - place) % every == 0:
            out.append(line(x, bottom, x, bottom + 4, "axis"))
            out.append(words_at(x, bottom + 18, form.format(run.at), "middle"))
        if run.mark:
            out.append(words_at(x, bottom + 34, run.mark, "middle", "small"))
    return out


def _legend(runs: Sequence[Run], colours: Mapping[str, str]) -> list[str]:
    out: list[str] = []
    if len(colours) < 2:
        return out
    left = _LEFT + _slot(runs) * max(len(runs), 1) + 16
    for place, (name, colour) in enumerate(colours.items()):
        y = _TOP + 14 + 20 * place
        out.append(f'<rect x="{left:.1f}" y="{y - 10}" width="12" height="12" fill="{colour}"/>')
        out.append(words_at(left + 18, y, name, "start"))
    return out
