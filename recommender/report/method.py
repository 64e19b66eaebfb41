"""What the page is for and not for, and how its figures came about."""

from __future__ import annotations

from html import escape

from recommender.evaluate import EvaluationReport
from recommender.leaderboard.entrants import HYBRID
from recommender.leaderboard.grouped import LEAST_PEOPLE
from recommender.report.html import paragraph, table
from recommender.resampling import COVERED, DRAWS

_FOR = (
    "seeing on your own records whether the engine orders and predicts better than simple "
    "alternatives, and by how much",
    "finding people it serves worse, probabilities that do not hold, and rules that do a lot of "
    "work",
    "deciding whether to use it, train it more often, or look at the catalogue and the rules",
)
_NOT_FOR = (
    "deciding about any one person's care, diagnosis, triage or access to care",
    "showing that an action is safe, or that it improves anybody's health: completion is "
    "judged, and nobody was followed up for outcomes",
    "replacing the clinical review of the catalogue and the safety rules",
    "people unlike those judged here (see the groups below), or other products and countries",
    "comparing clinicians, teams or sites",
)


def purposes() -> str:
    """Intended use, in a clinician's words."""
    return (
        "<h2>What this page may be used for</h2>"
        + _listed(_FOR)
        + "<h3>What it may not be used for</h3>"
        + _listed(_NOT_FOR)
        + paragraph(
            "The engine suggests everyday health actions and predicts whether a person will do "
            "them. It is not a medical device."
        )
    )


def method(found: EvaluationReport) -> str:
    """How it was done, for those who would do it again."""
    rows = [("", [escape(name), words]) for name, words in _points(found)]
    return "<h2>How it was done</h2>" + table(("", ""), rows, words=(1,), kind="facts")


def again(found: EvaluationReport) -> str:
    """The command that makes the same figures from the same records."""
    window = found.window
    return (
        f"recommender evaluate --as-of {window.end_at:%Y-%m-%dT%H:%M:%S.%fZ} "
        f"--days {window.days:g} --seed {window.seed}"
    )


def comparisons(found: EvaluationReport) -> int:
    """How many differences with an interval the page holds."""
    board = sum(len(line.hybrid_minus) for line in found.leaderboard)
    groups = sum(len(one.lead) + len(one.gap) + (one.surplus is not None) for one in found.segments)
    gaps = ("withheld_gap", "near_misses_gap")
    harm = sum(getattr(one, gap) is not None for one in found.harm.groups for gap in gaps)
    policies = sum(line.estimates.gain is not None for line in found.policies)
    return board + groups + harm + policies


def _points(found: EvaluationReport) -> list[tuple[str, str]]:
    window, looks = found.window, comparisons(found)
    return [
        ("Question", "Trained on what was known at one instant, who would have predicted and "
         "ordered the days after it best?"),
        ("Split", f"{window.split_at:%d %B %Y, %H:%M:%S} UTC for everybody at once, judged up to "
         f"{window.end_at:%d %B %Y, %H:%M:%S} UTC ({window.days:g} days). Features, popularity, "
         "factors and all settings come from before it."),
        ("People", f"{window.judged:,} of the {window.active:,} who were shown or completed "
         f"something after the split; {window.completing:,} of them completed something and count "
         "for the ranking figures, all others for log loss, Brier and calibration."),
        ("Impressions", f"{window.impressions:,} after the split, {window.completed_impressions:,} "
         "completed within 7 days. One younger than 7 days and not completed counts for less "
         "than 1: by the share of completions that come later than that."),
        ("Rivals", "Each ranks the whole catalogue, nothing is sampled away. Recency, iALS and "
         "EASE had their settings chosen by the same replay one window earlier. The feature model "
         "and the factors are trained alone. " + escape(" ".join(found.left_out))),
        ("Main comparison", "Fixed beforehand: NDCG@10 of what was shown, hybrid minus the best "
         "baseline. The best is picked after the fact, which favours the baseline. Everything "
         "else on this page explores."),
        ("Intervals", f"{COVERED:.0%} of {DRAWS:,} draws of people with replacement, everything "
         "about a person drawn together. Chance in training is not in them, nor are other weeks."),
        ("Pairing", "Differences between models use the same drawn people for both. Gaps between "
         "groups compare different people and are not paired."),
        ("Many looks", f"{looks:,} differences with an interval stand on this page. Were there no "
         f"difference at all, about {looks * (1 - COVERED):.0f} would seem clear by chance. "
         "No interval is widened for that."),
        ("Support (positivity)", _support(found)),
        ("Small groups", f"Fewer than {LEAST_PEOPLE} people: left out."),
        ("Do it again", f"<code>{escape(again(found))}</code> on the same records gives the same "
         f"figures (version {escape(window.code_version)}). With <code>--save</code> all figures "
         "but intervals can be worked out again in SQL; <code>--per-user</code> writes what each "
         "person adds to each."),
    ]  # fmt: skip


def _support(found: EvaluationReport) -> str:
    line = next((one for one in found.policies if one.name == HYBRID), None)
    if line is None or found.window.least_propensity is None:
        return "No propensities were logged: what other lists would have brought can't be told."
    seen = line.estimates
    return (
        f"The smallest logged propensity is {found.window.least_propensity:.2g}, the largest "
        f"weight {seen.largest_weight:,.0f}. {seen.unsupported:.1%} of what the hybrid would show "
        f"was never shown to anybody. Its {seen.decisions:,} requests are worth "
        f"{seen.effective_rows:,.0f} equally weighted rows; the mean weight is "
        f"{seen.mean_weight:.2f} (1 if the propensities are right)."
    )


def _listed(points: tuple[str, ...]) -> str:
    return "<ul>" + "".join(f"<li>{point}.</li>" for point in points) + "</ul>"
