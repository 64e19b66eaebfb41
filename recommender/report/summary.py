"""What was evaluated, what came out in short, what to beware of, what the figures mean."""

from __future__ import annotations

from html import escape

from recommender.evaluate import EvaluationReport
from recommender.leaderboard.board import CALIBRATION, Line
from recommender.leaderboard.entrants import HYBRID
from recommender.leaderboard.grouped import LEAST_PEOPLE
from recommender.leaderboard.window import Window
from recommender.report.harm import in_one_sentence
from recommender.report.words import clear, interval, rounded
from recommender.resampling import COVERED, DRAWS, Figure

_VERDICTS = {
    1: "the hybrid is clearly better than",
    -1: "the hybrid is clearly worse than",
    0: "the hybrid can't be told apart from",
}
PARTS_ALONE = ("features", "factors")
_BETTER = {"shown_ndcg_at_10": 1, "corrected_recall_at_10": 1, "ndcg_at_10": 1}


def what_was_evaluated(window: Window) -> str:
    """Window, rows and people."""
    sampled = "" if window.judged == window.active else f", sampled from {window.active:,}"
    return (
        f'<p class="soft">Trained on what was known on {window.split_at:%d %B %Y, %H:%M} UTC '
        f"({window.known_days:.0f} days of behaviour, {window.past_events:,} events, "
        f"{window.past_observations:,} readings of {window.users:,} people, {window.actions:,} "
        f"actions) and judged on the {window.days:.0f} days after it: {window.judged:,} people"
        f"{sampled}, {window.impressions:,} impressions of which "
        f"{window.completed_impressions:,} were completed, {window.completed_pairs:,} different "
        f"actions completed person by person. No model saw anything of those days.</p>"
    )


def in_short(found: EvaluationReport) -> str:
    """A few sentences, each with its interval and no more than it carries."""
    points = [*_ranking_points(found), *_parts_point(found), *_calibration_point(found)]
    points += [*_policy_point(found), *_lists_point(found), in_one_sentence(found.harm)]
    listed = "".join(f"<li>{point}</li>" for point in points)
    return f'<div class="summary"><strong>In short</strong><ul>{listed}</ul></div>'


def limits(found: EvaluationReport) -> str:
    """What these figures can't tell."""
    window = found.window
    points = [
        "This is a look back at what people did with what they happened to be shown. It says "
        "how well completion is predicted, not whether anyone's health improved.",
        "Models are compared before the safety rules. What people are really shown is also "
        "limited by rules, repeat intervals and variety, and weighs each person's need; only the "
        "section on fairness and harm looks at finished lists.",
        "Profiles and the catalogue carry no dates: today's were used throughout. Events and "
        "readings were used only if they were recorded for before the split.",
        "What other lists would have brought is estimated one request at a time, for people whose "
        "past is as logged. Showing anyone the same list again and again would tire them.",
        f"Impressions of the last 7 days may still be completed; those not completed count by "
        f"the share of completions that come as late as that (of {window.days:.0f} days).",
        f"Intervals hold {COVERED:.0%} of {DRAWS:,} draws of people, everything about one person "
        "drawn together. They tell the chance in who was observed, not how other weeks or "
        "another population would differ.",
        f"Groups of fewer than {LEAST_PEOPLE} people are left out.",
        "Not a medical device; nothing here is evidence that an action is safe for anyone.",
    ]
    return "<h2>Limits</h2><ul>" + "".join(f"<li>{point}</li>" for point in points) + "</ul>"


def definitions() -> str:
    """What each figure means, in one line each."""
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{words}</dd>" for name, words in _DEFINITIONS)
    return f"<h2>What the figures mean</h2><dl>{rows}</dl>"


def best_baseline(lines: tuple[Line, ...], name: str) -> Line | None:
    """The strongest entrant on a figure, the hybrid and its parts left out."""
    rivals = [
        line for line in lines if line.name not in (HYBRID, *PARTS_ALONE) and name in line.figures
    ]
    return max(rivals, key=lambda line: line.figures[name].value, default=None)


def hybrid_line(found: EvaluationReport) -> Line:
    """The hybrid's line."""
    return next(line for line in found.leaderboard if line.name == HYBRID)


def _ranking_points(found: EvaluationReport) -> list[str]:
    own, out = hybrid_line(found), []
    for name, question in (
        ("shown_ndcg_at_10", "Putting what people were shown into the right order"),
        ("corrected_recall_at_10", "Finding what people do in the whole catalogue, corrected for "
         "how often each action was shown"),
        ("ndcg_at_10", "Finding what people did in the whole catalogue, as logged"),
    ):  # fmt: skip
        rival = best_baseline(found.leaderboard, name)
        if rival is None or name not in own.figures:
            continue
        lead = rival.hybrid_minus[name]
        verdict = _VERDICTS[clear(lead) * _BETTER[name]]
        out.append(
            f"{question}: {verdict} the best baseline, {escape(rival.label)} "
            f"({own.figures[name].value:.3f} against {rival.figures[name].value:.3f}; difference "
            f"{_difference(lead)})."
        )
    return out


def _parts_point(found: EvaluationReport) -> list[str]:
    """Whether the sum is worth its parts, each trained alone."""
    own = hybrid_line(found)
    name = "shown_ndcg_at_10" if "shown_ndcg_at_10" in own.figures else "ndcg_at_10"
    parts = [line for line in found.leaderboard if line.name in PARTS_ALONE]
    if not parts:
        return []
    best = max(parts, key=lambda line: line.figures[name].value)
    lead = best.hybrid_minus[name]
    return [
        f"Beside its own parts, each trained alone: {_VERDICTS[clear(lead)]} the better one, "
        f"{escape(best.label)} (difference in NDCG@10 {_difference(lead)}; "
        f"{lead.value / max(best.figures[name].value, 1e-12):+.1%})."
    ]


def _difference(lead: Figure) -> str:
    low, high = (rounded(end, 3, sign=True) for end in (lead.low, lead.high))
    return f"{rounded(lead.value, 3, sign=True)}, 95% interval {low} to {high}"


def _calibration_point(found: EvaluationReport) -> list[str]:
    error = hybrid_line(found).figures.get(CALIBRATION)
    if error is None or found.prediction is None:
        return []
    return [
        f"When it says how likely something is, it is off by {error.value * 100:.1f} percentage "
        f"points on average; exact probabilities would seem off by "
        f"{found.prediction.calibration_by_chance * 100:.1f} on as few impressions."
    ]


def _policy_point(found: EvaluationReport) -> list[str]:
    for line in found.policies:
        usable = line.estimates if line.estimates.refusal is None else line.among_shown
        if line.name != HYBRID:
            continue
        if usable is None or usable.doubly_robust is None:
            return [f"Whether its lists would have done better can't be told: "
                    f"{escape(str((usable or line.estimates).refusal))}."]  # fmt: skip
        return [
            f"Had every request been answered with its best {line.slate}, people would have "
            f"completed {interval(usable.doubly_robust, 2)} actions a request, by the logged "
            f"propensities; really it was {interval(usable.logged, 2)}. Both allow for "
            "completions still to come."
        ]
    return []


def _lists_point(found: EvaluationReport) -> list[str]:
    figures = hybrid_line(found).figures
    distance, covered = figures["inter_user_distance"], figures["coverage"]
    return [
        f"Two people's lists of ten share {10 * (1 - distance.value):.1f} actions on average; "
        f"{covered.value:.0%} of the catalogue is on somebody's list."
    ]


_DEFINITIONS = (
    ("NDCG@10", "Gain of the first ten of a list: what was completed counts 1 / log2(1 + rank), "
     "divided by the gain of the best possible list; mean over people who completed anything. "
     "Among impressions, the list is what the person was shown."),
    ("Recall@k", "Share of what a person completed that is among the first k; mean over people."),
    ("Recall@k, exposure-corrected", "Share of all completions among the first k, each weighted "
     "by 1 / propensity, as if all actions had been shown equally often."),
    ("MAP", "Mean over people of the average precision at the rank of each completed action."),
    ("Hit rate@10", "Share of people with at least one completed action among their first ten."),
    ("Log loss, Brier score", "Distance of probabilities from what happened: negative log "
     "likelihood in nats, and mean squared error. Less is better."),
    ("Calibration error", "Impressions are sorted by prediction into 15 equally full bins; mean "
     "distance of predicted and observed rate. Chance alone adds to it; its interval is centred "
     "on it."),
    ("Coverage", "Share of the catalogue that is among anyone's first ten."),
    ("Inter-user distance", "Share of one person's first ten that another person's lack; mean "
     "over all pairs. 0 if everyone gets the same list."),
    ("Novelty", "Mean over a list of -log2 of the share of people who had done the action "
     "before."),
    ("IPS, SNIPS, doubly robust", "Estimates of what other lists would have brought: "
     "completions weighted by 1 / propensity; the same divided by the mean weight; and the "
     "model's own prediction corrected by what was seen."),
    ("Effective rows", "How many equally weighted impressions would carry as much: square of the "
     "sum of the weights over the sum of their squares."),
)  # fmt: skip
