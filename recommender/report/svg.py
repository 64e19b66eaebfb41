"""Small plots as inline SVG; colours and type come from the page's style."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from recommender.resampling import Figure

WIDTH = 720
_ROW, _LEFT, _RIGHT, _FOOT = 24, 225, 150, 30
_SAYS = "The same figures stand as text beside the marks or in the table below."
_TALL = 300
PALETTE = ("#0b5c7a", "#b5541c", "#6b7f2a", "#7a4b8c", "#8a8a8a", "#444444")
DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 3", "4 2")


@dataclass(frozen=True)
class Axis:
    """A linear scale from values to pixels."""

    low: float
    high: float
    start: float
    stop: float

    def at(self, value: float) -> float:
        """Pixel of a value; values beyond the ends stay at the ends."""
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return self.start + min(max(share, 0.0), 1.0) * (self.stop - self.start)

    def ticks(self, about: int = 5) -> list[float]:
        """Round values along the scale."""
        step = _round_step((self.high - self.low) / about)
        first = -(-self.low // step) * step
        count = int((self.high - first) / step + 1e-9) + 1
        return [first + place * step for place in range(max(count, 0))]


def intervals(
    rows: Sequence[tuple[str, Figure]],
    *,
    describe: str,
    strong: str = "",
    reference: float | None = None,
    show: Callable[[float], str] = lambda value: f"{value:.3f}",
) -> str:
    """Dots with whiskers, one row each, values written beside them."""
    axis = _axis_of(rows, reference)
    height = len(rows) * _ROW + _FOOT
    parts = _grid(axis, len(rows) * _ROW)
    if reference is not None:
        x = axis.at(reference)
        parts.append(line(x, 0, x, len(rows) * _ROW, "reference"))
    for place, (label, value) in enumerate(rows):
        parts += _interval_row(axis, place, label, value, show, label == strong)
    return drawing(height, describe, parts)


def curve(
    series: Mapping[str, Sequence[tuple[float, float]]],
    *,
    describe: str,
    x_title: str,
    y_title: str,
    whiskers: Mapping[str, Sequence[tuple[float, float, float]]] | None = None,
    diagonal: bool = False,
    from_zero: bool = False,
) -> str:
    """Lines through points, with whiskers (x, low, high) where given, and a legend."""
    bars = whiskers or {}
    xs = [x for points in series.values() for x, _ in points]
    ys = [y for points in series.values() for _, y in points]
    ys += [end for points in bars.values() for _, low, high in points for end in (low, high)]
    low, high = (0.0, max(xs + ys)) if diagonal else (min(ys), max(ys))
    if from_zero:
        low = 0.0
    room = 0.04 * ((high - low) or 1.0)
    across = Axis(0.0 if diagonal else min(xs), high if diagonal else max(xs), 60, WIDTH - 190)
    up = Axis(low if diagonal or from_zero else low - room, high + room, _TALL - 44, 8)
    parts = _frame(across, up, x_title, y_title)
    if diagonal:
        ends = (across.at(0.0), up.at(0.0), across.at(high), up.at(high))
        parts.append(line(*ends, "reference"))
    for place, (name, points) in enumerate(series.items()):
        parts += _one_curve(across, up, place, name, points, bars.get(name, ()))
    return drawing(_TALL, describe, parts)


def bars(rows: Sequence[tuple[str, float]], *, describe: str, strong: str = "") -> str:
    """Shares from 0 to 1 as bars."""
    axis = Axis(0.0, 1.0, _LEFT, WIDTH - _RIGHT)
    parts = _grid(axis, len(rows) * _ROW)
    for place, (label, value) in enumerate(rows):
        y = place * _ROW + _ROW / 2
        kind = "bar strong" if label == strong else "bar"
        parts += [
            words_at(_LEFT - 8, y + 4, label, "end", "strong" if label == strong else ""),
            f'<rect class="{kind}" x="{_LEFT}" y="{y - 7:.1f}" height="14" '
            f'width="{max(axis.at(value) - _LEFT, 0.5):.1f}"/>',
            words_at(WIDTH - _RIGHT + 10, y + 4, f"{value:.0%}", "start"),
        ]
    return drawing(len(rows) * _ROW + _FOOT, describe, parts)


def _interval_row(
    axis: Axis, place: int, label: str, value: Figure, show: Callable[[float], str], bold: bool
) -> list[str]:
    y, kind = place * _ROW + _ROW / 2, "strong" if bold else ""
    out = [words_at(_LEFT - 8, y + 4, label, "end", kind)]
    if value.low == value.low:
        out.append(line(axis.at(value.low), y, axis.at(value.high), y, f"whisker {kind}"))
    words = f"{show(value.value)} ({show(value.low)} to {show(value.high)})"
    out.append(f'<circle class="dot {kind}" cx="{axis.at(value.value):.1f}" cy="{y}" r="4.5"/>')
    out.append(words_at(WIDTH - _RIGHT + 10, y + 4, words, "start", f"small {kind}"))
    return out


def _one_curve(
    across: Axis,
    up: Axis,
    place: int,
    name: str,
    points: Sequence[tuple[float, float]],
    whiskers: Sequence[tuple[float, float, float]],
) -> list[str]:
    colour, dash = PALETTE[place % len(PALETTE)], DASHES[place % len(DASHES)]
    style = f'stroke="{colour}" stroke-dasharray="{dash}"' if dash else f'stroke="{colour}"'
    path = " ".join(f"{across.at(x):.1f},{up.at(y):.1f}" for x, y in points)
    y = 18 + 20 * place
    out = [f'<polyline class="curve" points="{path}" {style}/>']
    out += [
        f'<line class="thin" x1="{across.at(x):.1f}" x2="{across.at(x):.1f}" '
        f'y1="{up.at(low):.1f}" y2="{up.at(high):.1f}" stroke="{colour}"/>'
        for x, low, high in whiskers
    ]
    out += [
        f'<circle cx="{across.at(x):.1f}" cy="{up.at(v):.1f}" r="3" fill="{colour}"/>'
        for x, v in points
    ]
    out.append(f'<line class="curve" x1="{WIDTH - 176}" x2="{WIDTH - 150}" y1="{y}" y2="{y}" '
               f"{style}/>")  # fmt: skip
    return [*out, words_at(WIDTH - 144, y + 4, name, "start")]


def _frame(across: Axis, up: Axis, x_title: str, y_title: str) -> list[str]:
    left, right, bottom, top = across.start, across.stop, up.start, up.stop
    out = []
    for value in up.ticks():
        y = up.at(value)
        out += [line(left, y, right, y, "grid"), words_at(left - 6, y + 4, short(value), "end")]
    for value in across.ticks(7):
        x = across.at(value)
        out += [line(x, bottom, x, bottom + 4, "axis"),
                words_at(x, bottom + 18, short(value), "middle")]  # fmt: skip
    out.append(line(left, bottom, right, bottom, "axis"))
    out.append(words_at((left + right) / 2, bottom + 38, x_title, "middle"))
    middle = (top + bottom) / 2
    out.append(
        f'<text x="14" y="{middle}" text-anchor="middle" '
        f'transform="rotate(-90 14 {middle})">{escape(y_title)}</text>'
    )
    return out


def _grid(axis: Axis, bottom: float) -> list[str]:
    out = []
    for value in axis.ticks():
        x = axis.at(value)
        out += [line(x, 0, x, bottom, "grid"), words_at(x, bottom + 16, short(value), "middle")]
    return out


def _axis_of(rows: Sequence[tuple[str, Figure]], reference: float | None) -> Axis:
    ends = [end for _, v in rows for end in (v.value, v.low, v.high) if end == end]
    ends += [] if reference is None else [reference]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    room = 0.05 * ((high - low) or 1.0)
    return Axis(low - room, high + room, _LEFT, WIDTH - _RIGHT)


def _round_step(step: float) -> float:
    """The next larger of 1, 2 or 5 times a power of ten.

    >>> _round_step(0.03)
    0.05
    """
    size = 1.0
    while size > step:
        size /= 10.0
    while size * 10.0 <= step:
        size *= 10.0
    return next(round(size * lead, 12) for lead in (1.0, 2.0, 5.0, 10.0) if size * lead >= step)


def short(value: float) -> str:
    """A tick's label: no digit more than it needs.

    >>> short(0.5), short(20.0)
    ('0.5', '20')
    """
    return f"{value:.4f}".rstrip("0").rstrip(".") if value else "0"


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A line of a class that the page's style knows."""
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def words_at(x: float, y: float, words: str, anchor: str, kind: str = "") -> str:
    """Words at a point: ``anchor`` is start, middle or end."""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="{kind}" {place}>{escape(words)}</text>'


def drawing(height: float, describe: str, parts: Sequence[str]) -> str:
    """Put marks into one picture with a title for those who can't see it."""
    return (
        f'<div class="scroll" tabindex="0"><svg role="img" viewBox="0 0 {WIDTH} {height:.0f}">'
        f"<title>{escape(describe)}</title><desc>{_SAYS}</desc>{''.join(parts)}</svg></div>"
    )
