"""The leaderboard, what lists would have brought, and whether probabilities hold."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from recommender.evaluate import EvaluationReport
from recommender.leaderboard.board import CALIBRATION, Line
from recommender.leaderboard.entrants import HYBRID
from recommender.leaderboard.policies import PolicyLine
from recommender.off_policy import Estimates
from recommender.report import svg
from recommender.report.html import cell, lead, paragraph, table
from recommender.report.words import NONE, TITLES, interval

_SHOWN = ("shown_ndcg_at_10", "log_loss", "brier", CALIBRATION)
_CATALOGUE = (
    "ndcg_at_10", "recall_at_10", "recall_at_20", "map", "hit_rate_at_10",
    "corrected_recall_at_10",
)  # fmt: skip
_LESS_IS_BETTER = ("log_loss", "brier", CALIBRATION)
_MARKS = "✓ the hybrid is clearly better, ✗ clearly worse: the 95% interval leaves out 0."


def shown(found: EvaluationReport) -> str:
    """Prediction within what was shown: the fair comparison, as exposure plays no part."""
    if found.prediction is None:
        return ""
    figures = {k: v for k, v in found.prediction.live.items() if k != "shown_ndcg_at_10"}
    live = Line("hybrid_live", "hybrid, record kept live", {}, figures, {})
    return (
        "<h2>Predicting what becomes of what is shown</h2>"
        + paragraph(
            "Each impression of the held-out days, predicted by models that stopped learning "
            "before them. What was shown is the same for all, so nobody gains from having been "
            "shown often. A dash: the model gives an order and no probability. The last line is "
            "the hybrid told each morning what people did and measured since, as the running "
            "product is; it knows more than the others and takes no part in the comparison. Its "
            "scores are of different days, so it has no order of the whole fortnight."
        )
        + _plot(found.leaderboard, "shown_ndcg_at_10")
        + _board((*found.leaderboard, live), _SHOWN)
        + "<h3>The hybrid minus each, the same people drawn for both</h3>"
        + _leads(found.leaderboard, _SHOWN)
        + paragraph(_MARKS, "soft")
    )


def whole_catalogue(found: EvaluationReport) -> str:
    """Ranking of everything by what was completed."""
    corrected = any("corrected_recall_at_10" in line.figures for line in found.leaderboard)
    advice = (
        "The exposure-corrected column gives each completion the weight 1 / propensity, so that "
        "every action counts as if all had been shown equally often: this is the column to "
        "judge lists by."
        if corrected
        else "Without logged propensities this can't be corrected."
    )
    return (
        "<h2>Ranking the whole catalogue</h2>"
        + paragraph(
            "All actions are ranked for everyone, and judged by what they went on to complete. "
            "People complete what they are shown, so whoever copies the log (popularity by "
            "count, iALS, EASE) looks good here even where it would not help. " + advice
        )
        + (_plot(found.leaderboard, "corrected_recall_at_10") if corrected else "")
        + _plot(found.leaderboard, "ndcg_at_10")
        + _board(found.leaderboard, _CATALOGUE)
        + "<h3>The hybrid minus each, the same people drawn for both</h3>"
        + _leads(found.leaderboard, _CATALOGUE)
        + paragraph(" ".join([_MARKS, *map(escape, found.left_out)]), "soft")
        + _settings(found.leaderboard)
    )


def policies(found: EvaluationReport) -> str:
    """What other lists would have brought, or why that can't be said."""
    head = "<h2>What its lists would have brought</h2>"
    if not found.policies:
        return head + paragraph("Nothing was shown in the held-out days, so there is no log.")
    slate = found.policies[0].slate
    usable = [(line, e) for line in found.policies if (e := _best_of(line)) is not None]
    words = paragraph(
        f"An estimate from the propensities in the log: completions a request if each had shown "
        f"the model's {slate} best actions for that person, whatever was really shown. Best "
        "judged by the doubly robust column; where the three estimators disagree, beware."
    )
    rows = [row for line in found.policies for row in _policy_rows(line)]
    heads = ("lists from", "doubly robust", "IPS", "SNIPS", "minus logged", "effective rows")
    plot = ""
    if usable:
        first = usable[0][1]
        dots = [("as logged", first.logged)]
        dots += [(line.label, e.doubly_robust) for line, e in usable if e.doubly_robust]
        plot = svg.intervals(
            dots,
            describe="Completions a request, doubly robust, with intervals",
            strong="hybrid",
            reference=first.logged.value,
            show=lambda value: f"{value:.2f}",
        )
    return head + words + plot + table(heads, rows)


def reliability_curve(found: EvaluationReport) -> str:
    """Predicted against observed."""
    if found.prediction is None:
        return ""
    points = found.prediction.reliability
    error = next(x for x in found.leaderboard if x.name == HYBRID).figures[CALIBRATION]
    plot = svg.curve(
        {"hybrid": [(p.predicted, p.observed) for p in points]},
        whiskers={"hybrid": [(p.predicted, p.low, p.high) for p in points]},
        describe="Observed completion rate against predicted probability",
        x_title="predicted probability of completing",
        y_title="share completed",
        diagonal=True,
    )
    heads = ("predicted", "observed", "95% interval", "impressions")
    rows = [
        ("", (f"{p.predicted:.3f}", f"{p.observed:.3f}", f"{p.low:.3f} to {p.high:.3f}",
              f"{p.impressions:,}"))
        for p in points
    ]  # fmt: skip
    return (
        "<h2>When it says 30%, does it happen in 30%?</h2>"
        + paragraph(
            "Impressions sorted by prediction into ten equally full groups; whiskers are 95% "
            "intervals of the observed rate, taking impressions as independent. On the dashed "
            f"line predictions are exact. Calibration error {interval(error, 4)}; exact "
            "probabilities would show "
            f"{found.prediction.calibration_by_chance:.4f} here by chance."
        )
        + plot
        + table(heads, rows)
    )


def _plot(lines: Sequence[Line], name: str) -> str:
    rows = [(line.label, line.figures[name]) for line in lines if name in line.figures]
    title = f"{TITLES[name]} with 95% intervals"
    return f"<h3>{title}</h3>" + svg.intervals(rows, describe=title, strong="hybrid")


def _board(lines: Sequence[Line], names: Sequence[str]) -> str:
    used = [name for name in names if any(name in line.figures for line in lines)]
    rows = [
        (
            "strong" if line.name == HYBRID else "",
            [escape(line.label), *(cell(line.figures.get(name)) for name in used)],
        )
        for line in lines
    ]
    return table(["model", *(TITLES[name] for name in used)], rows)


def _leads(lines: Sequence[Line], names: Sequence[str]) -> str:
    used = [name for name in names if any(name in line.hybrid_minus for line in lines)]
    rows = [
        (
            "",
            [
                escape(line.label),
                *(
                    lead(line.hybrid_minus.get(name), -1 if name in _LESS_IS_BETTER else 1)
                    for name in used
                ),
            ],
        )
        for line in lines
        if line.hybrid_minus
    ]
    return table(["hybrid minus", *(TITLES[name] for name in used)], rows)


def _settings(lines: Sequence[Line]) -> str:
    """What was chosen before the split; parts trained alone have the hybrid's own settings."""
    rows = [
        (
            "",
            [
                escape(line.label),
                ", ".join(
                    f"{escape(name.replace('_', ' '))} {value:,.6g}"
                    for name, value in line.settings.items()
                    if line.name == HYBRID or name not in best or best[name] != value
                ),
            ],
        )
        for best in [next(line.settings for line in lines if line.name == HYBRID)]
        for line in lines
        if line.settings
    ]
    return "<h3>Settings, chosen on the days before the split</h3>" + table(
        ("model", "settings"), rows, words=(1,)
    )


def _best_of(line: PolicyLine) -> Estimates | None:
    for estimates in (line.estimates, line.among_shown):
        if estimates is not None and estimates.refusal is None:
            return estimates
    return None


def _policy_rows(line: PolicyLine) -> list[tuple[str, list[str]]]:
    kind = "strong" if line.name == HYBRID else ""
    label = escape(line.label)
    rows = [(kind, _policy_cells(label, line.estimates))]
    if line.estimates.refusal and line.among_shown is not None:
        rows.append((kind, _policy_cells(f"{label}, among what was shown", line.among_shown)))
    return rows


def _policy_cells(label: str, found: Estimates) -> list[str]:
    if found.refusal:
        why = f'{label}<br><span class="bad">no estimate: {escape(found.refusal)}</span>'
        return [why, *[NONE] * 4, f"{found.effective_rows:,.0f}"]
    return [
        label,
        *(cell(value, 2) for value in (found.doubly_robust, found.ips, found.snips)),
        lead(found.gain, digits=2),
        f"{found.effective_rows:,.0f}",
    ]
