"""How well the hybrid's probabilities hold for what was shown, as of the split and kept live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recommender.dataset import Records
from recommender.leaderboard.board import Judged, chance_calibration_error, kept_up_to_date
from recommender.leaderboard.curves import Day, Reliability, by_day, live_scores, reliability
from recommender.leaderboard.entrants import HYBRID
from recommender.leaderboard.held_out import HeldOut
from recommender.models.hybrid import HybridModel
from recommender.resampling import Figure

LIVE = "hybrid_live"


@dataclass(frozen=True)
class Prediction:
    """Probabilities beside what happened.

    Attributes
    ----------
    live
        Figures of the hybrid of the split asked with each person's record at the start of each
        day, as the product answers between two trainings.
    calibration_by_chance
        Calibration error that exact probabilities would show on as many impressions.
    reliability
        Of the hybrid as of the split.
    days
        Log loss day by day, of every entrant that gives probabilities and of the hybrid live.
    """

    live: Mapping[str, Figure]
    calibration_by_chance: float
    reliability: tuple[Reliability, ...]
    days: tuple[Day, ...]


def prediction_of(
    held: HeldOut, records: Records, model: HybridModel, entrants: Sequence[Judged], seed: int
) -> Prediction | None:
    """Judge the hybrid's probabilities; None where nothing was shown after the split."""
    if not len(held.rows):
        return None
    scores = {
        one.entrant.name: one.replayed.row_score
        for one in entrants
        if one.entrant.gives_probability
    }
    live = live_scores(model, records, held)
    return Prediction(
        live=kept_up_to_date(held, live, seed),
        calibration_by_chance=chance_calibration_error(held, scores[HYBRID], seed),
        reliability=reliability(held, scores[HYBRID]),
        days=by_day(held, {**scores, LIVE: live}),
    )
