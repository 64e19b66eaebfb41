"""Whether a freshly trained run may be published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Figures = Mapping[str, float]

MARGIN_SE = 1.645
"""How many standard errors worse a candidate must be before chance is ruled out (one side, 5 %)."""
LARGEST_LOSS = 0.02
"""Relative loss that is too much even where chance can't be ruled out."""
LARGEST_CALIBRATION_ERROR = 0.10
NEGLIGIBLE_LOSS = 0.001
"""Log loss that makes no difference to anyone, such as where everything shown is completed."""


@dataclass(frozen=True)
class GateDecision:
    """Outcome: ``reasons`` is empty where the candidate may be published."""

    reasons: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """True if nothing speaks against publishing."""
        return not self.reasons


def decide(candidate: Figures, published: Figures | None) -> GateDecision:
    """Compare a candidate with popularity and with the published run.

    Parameters
    ----------
    candidate
        Held-out figures of this run: ``hybrid_log_loss``, ``popularity_log_loss``,
        ``log_loss_gain_se`` (standard error of the mean difference popularity - hybrid over
        people), ``hybrid_ndcg_at_10``, ``popularity_ndcg_at_10``, ``hybrid_ece``. Empty if
        there was too little data to hold any out.
    published
        The same of the run in force, each measured on its own last days, or None.

    Notes
    -----
    Two runs' held-out days differ, and the newer days may simply be harder. So each run is
    compared by its gain over popularity on its own days, which cancels most of that.
    """
    if not candidate:
        return GateDecision(())
    reasons = []
    worse = candidate["hybrid_log_loss"] - candidate["popularity_log_loss"]
    chance = MARGIN_SE * candidate.get("log_loss_gain_se", 0.0)
    tolerated = min(chance, LARGEST_LOSS * candidate["popularity_log_loss"])
    if worse > max(tolerated, NEGLIGIBLE_LOSS):
        reasons.append(
            f"log loss on held-out days {candidate['hybrid_log_loss']:.4f} is worse than "
            f"popularity's {candidate['popularity_log_loss']:.4f}"
        )
    if candidate["hybrid_ece"] > LARGEST_CALIBRATION_ERROR:
        reasons.append(
            f"calibration error on held-out days {candidate['hybrid_ece']:.3f} is above "
            f"{LARGEST_CALIBRATION_ERROR}"
        )
    if published:
        lost = _gain(published) - _gain(candidate)
        if lost * candidate["popularity_log_loss"] > max(
            LARGEST_LOSS * candidate["popularity_log_loss"], chance, NEGLIGIBLE_LOSS
        ):
            reasons.append(
                f"gain over popularity fell from {_gain(published):.1%} to {_gain(candidate):.1%}"
            )
    return GateDecision(tuple(reasons))


def _gain(figures: Figures) -> float:
    """Share of popularity's log loss that the hybrid removes."""
    return 1.0 - figures["hybrid_log_loss"] / max(figures["popularity_log_loss"], NEGLIGIBLE_LOSS)
