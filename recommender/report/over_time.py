"""How figures change from day to day, and with the length of the history."""

from __future__ import annotations

from recommender.evaluate import EvaluationReport
from recommender.leaderboard.entrants import HYBRID
from recommender.report import svg
from recommender.report.html import cell, paragraph, table
from recommender.report.words import TITLES

_LINES = {
    "popularity_rate": "popularity (rate)",
    HYBRID: "hybrid",
    "hybrid_live": "hybrid, live record",
}
_HEADS = TITLES | {"shown_ndcg_at_10": "NDCG@10, shown", "ndcg_at_10": "NDCG@10, catalogue"}
_CURVE = ("shown_ndcg_at_10", "log_loss", "corrected_recall_at_10", "ndcg_at_10")


def days(found: EvaluationReport) -> str:
    """Log loss of each held-out day."""
    if found.prediction is None or len(found.prediction.days) < 2:
        return ""
    used = [name for name in _LINES if name in found.prediction.days[0].log_loss]
    series = {
        _LINES[name]: [(float(day.day), day.log_loss[name]) for day in found.prediction.days]
        for name in used
    }
    return (
        "<h2>Day by day after the split</h2>"
        + paragraph(
            "Log loss of each day's impressions (less is better). Where the hybrid's line drifts "
            "up towards popularity's, it ages and wants training more often."
        )
        + svg.curve(
            series,
            describe="Log loss by day after the split",
            x_title="days after the split",
            y_title="log loss",
        )
        + table(
            ("day", "impressions", *series),
            [
                (
                    "",
                    [
                        f"{day.day}",
                        f"{day.impressions:,}",
                        *(f"{day.log_loss[n]:.3f}" for n in used),
                    ],
                )
                for day in found.prediction.days
            ],
            kind="tight",
        )
    )


def history(found: EvaluationReport) -> str:
    """What more days of history are worth."""
    if not found.learning_curve:
        return ""
    own = next(line for line in found.leaderboard if line.name == HYBRID)
    points = [(one.days, one.figures) for one in found.learning_curve]
    points.append((found.window.known_days, own.figures))
    used = [name for name in _CURVE if all(name in figures for _, figures in points)]
    plots = "".join(
        f"<h3>{_HEADS[name]}</h3>"
        + svg.curve(
            {"hybrid": [(d, figures[name].value) for d, figures in points]},
            whiskers={"hybrid": [(d, f[name].low, f[name].high) for d, f in points]},
            describe=f"{TITLES[name]} by days of history",
            x_title="days of behaviour known before the split",
            y_title=TITLES[name],
        )
        for name in used[:2]
    )
    rows = [
        ("", [f"{days:.0f}", *(cell(figures[name]) for name in used)]) for days, figures in points
    ]
    return (
        "<h2>What more history is worth</h2>"
        + paragraph(
            "The hybrid trained and asked as if behaviour had been recorded only for the last "
            "days before the split, judged on the same held-out days. A curve that still climbs "
            "at its right end says that more data will help."
        )
        + plots
        + table(["days of history", *(_HEADS[name] for name in used)], rows)
    )
