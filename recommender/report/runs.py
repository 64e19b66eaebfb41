"""How the last trainings went: time by stage, quality, memory."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from recommender.report.html import paragraph, table
from recommender.report.layout import laid_out
from recommender.report.run_plots import Run, lines, stacked
from recommender.report.words import NONE
from recommender.stages.record import STAGES
from recommender.store.stages import RunHistory

MOST_RUNS = 30
"""Runs that a page shows; of more, the newest."""

_COLOURS = {
    "prepare": "#8a8a8a",
    "pack": "#c9a227",
    "read": "#7fb3c8",
    "fit": "#0b5c7a",
    "judge": "#b5541c",
    "score": "#6b7f2a",
    "publish": "#7a4b8c",
}
_MARKS = {"failed": "✗", "held_back": "○", "training": "…", "trained": ""}
_UNITS = ((5400.0, 3600.0, "h"), (120.0, 60.0, "min"), (0.0, 1.0, "s"))
_IN_FULL = {"h": "hours", "min": "minutes", "s": "seconds"}
_TOO_LITTLE = 0.005
"""Share of the longest run below which no bar can be seen."""


def runs_page(runs: Sequence[RunHistory]) -> str:
    """One HTML page on the last trainings, given oldest first."""
    title = f"Trainings up to {runs[-1].started_at:%d %B %Y}" if runs else "Trainings"
    none = "" if runs else paragraph("There are no trainings yet.")
    return laid_out(title, (f"<h1>{escape(title)}</h1>", none, trainings(runs)))


def trainings(runs: Sequence[RunHistory]) -> str:
    """A section with the plots and a table; empty if there are no runs."""
    if not runs:
        return ""
    marks = [Run(run.started_at, _MARKS.get(run.status, "")) for run in runs]
    return "\n".join(
        (
            "<h2>The last trainings</h2>",
            paragraph(
                f"The last {len(runs)} trainings, the newest on the right."
                if len(runs) > 1
                else "The only training so far."
            ),
            paragraph(_meaning(runs), "soft"),
            _time(runs, marks),
            _quality(runs, marks),
            _memory(runs, marks),
            _table(runs),
        )
    )


def _meaning(runs: Sequence[RunHistory]) -> str:
    words = {
        "held_back": "○ held back by the gate",
        "failed": "✗ failed, up to where it came",
        "training": "… under way",
    }
    return "; ".join(words[s] for s in words if any(run.status == s for run in runs))


def _time(runs: Sequence[RunHistory], marks: Sequence[Run]) -> str:
    most = max(sum(run.stages.values()) for run in runs)
    if not most:
        return ""
    _, unit_s, unit = next(one for one in _UNITS if most >= one[0])
    series = {
        stage: (_COLOURS[stage], [run.stages.get(stage, 0.0) / unit_s for run in runs])
        for stage in STAGES
        if any(run.stages.get(stage, 0.0) >= _TOO_LITTLE * most for run in runs)
    }
    return "<h3>Time by stage</h3>" + stacked(
        marks,
        series,
        y_title=_IN_FULL[unit],
        describe=f"Time of each stage of each run, {_IN_FULL[unit]}",
    )


def _quality(runs: Sequence[RunHistory], marks: Sequence[Run]) -> str:
    loss = {
        "hybrid": [run.log_loss for run in runs],
        "popularity": [run.popularity_log_loss for run in runs],
    }
    gain = {
        "hybrid": [run.ndcg_at_10 for run in runs],
        "popularity": [run.popularity_ndcg_at_10 for run in runs],
    }
    out = ""
    if any(value is not None for value in loss["hybrid"]):
        out += "<h3>Log loss on held-out days (less is better)</h3>"
        out += lines(marks, loss, y_title="log loss", describe="Held-out log loss of each run")
    if any(value is not None for value in gain["hybrid"]):
        out += "<h3>NDCG@10 of what was shown on held-out days (more is better)</h3>"
        out += lines(marks, gain, y_title="NDCG@10", describe="Held-out NDCG@10 of each run")
    return out


def _memory(runs: Sequence[RunHistory], marks: Sequence[Run]) -> str:
    peak = [run.peak_mb for run in runs]
    most = max((one for one in peak if one is not None), default=None)
    if most is None:
        return ""
    size, unit = (1000.0, "GB") if most >= 2000 else (1.0, "MB")
    series = {"peak": [None if one is None else one / size for one in peak]}
    return "<h3>Most memory held</h3>" + lines(
        marks, series, y_title=unit, describe=f"Peak memory of each run, {unit}", from_zero=True
    )


def _table(runs: Sequence[RunHistory]) -> str:
    heads = (
        "run (UTC)",
        "status",
        "people",
        "events",
        "time",
        "fit",
        "score",
        "peak",
        "log loss",
        "NDCG@10",
    )
    rows = [
        (
            "",
            [
                f"{run.started_at:%Y-%m-%d %H:%M}",
                escape(run.status.replace("_", " ")),
                _count(run.people),
                _count(run.events),
                _duration(run.seconds),
                _duration(run.stages.get("fit")),
                _duration(run.stages.get("score")),
                NONE if run.peak_mb is None else f"{run.peak_mb:,.0f} MB",
                NONE if run.log_loss is None else f"{run.log_loss:.4f}",
                NONE if run.ndcg_at_10 is None else f"{run.ndcg_at_10:.4f}",
            ],
        )
        for run in reversed(runs)
    ]
    return table(heads, rows, words=(1,), kind="wide")


def _count(number: int | None) -> str:
    return NONE if number is None else f"{number:,}"


def _duration(seconds: float | None) -> str:
    """Seconds in the unit that reads best.

    >>> _duration(7.25), _duration(600.0)
    ('7.2 s', '10.0 min')
    """
    if seconds is None:
        return NONE
    _, unit_s, unit = next(one for one in _UNITS if seconds >= one[0])
    return f"{seconds / unit_s:.1f} {unit}"
