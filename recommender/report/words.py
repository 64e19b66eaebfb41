"""Figures and effects in words that a clinician reads without a glossary."""

from __future__ import annotations

from math import exp, isfinite

from recommender.domain import MetricsList
from recommender.leaderboard.effects import Effect
from recommender.resampling import Figure

NONE = "-"
"""Stands where there is no figure."""

TITLES = {
    "ndcg_at_10": "NDCG@10",
    "recall_at_10": "Recall@10",
    "recall_at_20": "Recall@20",
    "map": "MAP",
    "hit_rate_at_10": "Hit rate@10",
    "corrected_recall_at_10": "Recall@10, exposure-corrected",
    "corrected_recall_at_20": "Recall@20, exposure-corrected",
    "coverage": "Coverage",
    "inter_user_distance": "Inter-user distance",
    "novelty": "Novelty (bits)",
    "shown_ndcg_at_10": "NDCG@10",
    "log_loss": "Log loss",
    "brier": "Brier score",
    "expected_calibration_error": "Calibration error",
}

_SUMMARIES = {
    "level": "higher {}",
    "deviation": "{} further outside its target range",
    "trend": "rising {}",
    "change": "{} that rose lately",
    "above_median": "{} above the median, beyond that",
}
_COUNTED = {
    "impressions": "showing",
    "completions": "completion",
    "engagements": "view or acceptance",
    "dismissals": "dismissal or snooze",
    "ratings": "rating one star above the middle",
}
_WHEN = {
    "last_days": "in the last 2 days",
    "recent": "3 to 7 days ago",
    "month": "8 to 28 days ago",
    "all": "longer ago",
}
_LEVEL = {"action": "of this action", "domain": "of this domain", "user": "of anything"}


def interval(value: Figure | None, digits: int = 3, sign: bool = False) -> str:
    """A figure with its interval: ``0.412 (0.398 to 0.427)``; a dash for none.

    >>> interval(Figure(0.5, 0.4, 0.6), 1)
    '0.5 (0.4 to 0.6)'
    """
    if value is None or not isfinite(value.value):
        return NONE
    alone, low, high = (rounded(end, digits, sign) for end in (value.value, value.low, value.high))
    return f"{alone} ({low} to {high})" if isfinite(value.low) else alone


def rounded(value: float, digits: int, sign: bool = False) -> str:
    """A number to some digits; what rounds to nothing has no sign.

    >>> rounded(-0.0001, 2), rounded(0.5, 1, sign=True)
    ('0.00', '+0.5')
    """
    plain = round(value, digits) + 0.0
    return f"{plain:+.{digits}f}" if sign and plain else f"{plain:.{digits}f}"


def clear(lead: Figure | None) -> int:
    """1 or -1 where an interval lies wholly above or below 0, else 0."""
    if lead is None or not isfinite(lead.low):
        return 0
    return (lead.low > 0) - (lead.high < 0)


def odds(log_odds: float) -> str:
    """Odds ratio as a change: ``odds up 22%``.

    >>> odds(0.2), odds(-0.2)
    ('odds up 22%', 'odds down 18%')
    """
    change = exp(log_odds) - 1.0
    return f"odds {'up' if change >= 0 else 'down'} {abs(change):.0%}"


def effect_in_words(effect: Effect, metrics: MetricsList) -> str:
    """One effect as a sentence."""
    if effect.part == "biometrics":
        return (
            f"{_reading(effect.feature, metrics)}: {odds(effect.log_odds)} for the "
            f"{effect.actions} actions that aim at it"
        )
    if effect.part == "profile":
        kind = effect.kind.replace("_", " ")
        return f"{_profile(effect.feature)}: {odds(effect.log_odds)} for {kind} actions"
    return f"{_deed(effect.feature)}: {odds(effect.log_odds)}"


def _reading(feature: str, metrics: MetricsList) -> str:
    _, name, summary = feature.split(":")
    metric = metrics.index.get(name)
    label = name.replace("_", " ") if metric is None else metrics.metrics[metric].label
    words = _SUMMARIES.get(summary, "{}").format(label)
    return words[:1].upper() + words[1:]


def _profile(feature: str) -> str:
    name = feature.removeprefix("profile:").replace("_", " ")
    if "=" in name:
        return " and ".join(_entry(part) for part in name.split("*"))
    if name.endswith(":above median"):
        return f"{name.removesuffix(':above median').capitalize()}, above the median, beyond that"
    return f"Higher {name} (one standard deviation)"


def _entry(part: str) -> str:
    column, _, value = part.partition("=")
    return f"age from {value}" if column == "age from" else f"{column}: {value}".capitalize()


def _deed(feature: str) -> str:
    _, level, name = feature.split(":")
    of = _LEVEL.get(level, level)
    if name == "completion_rate":
        return f"Twice the usual completion rate {of}"
    for window, when in _WHEN.items():
        if name.startswith(window):
            counted = _COUNTED.get(name.removeprefix(f"{window}_"), name)
            return f"A {counted} {of} {when}"
    return name.replace("_", " ")
