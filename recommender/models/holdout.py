"""How much each part of a model is worth on held-out time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from recommender import quality
from recommender.columns import PARTS
from recommender.dataset import BoolArray, FloatArray, Int32Array, Records, until
from recommender.domain import SECONDS_PER_DAY, Catalogue
from recommender.features import behaviour
from recommender.models import popularity
from recommender.models.live import BEHAVIOUR, look, row_parts
from recommender.models.parameters import Parameters, Trust
from recommender.outcomes import (
    Impressions,
    exposure_weights,
    in_blocks,
    labelled_impressions,
)

SHIFT_SPREAD = 0.05
"""Prior spread of the shift: a fit on the same kind of days should hardly need one."""

_ODDS_AGAINST = 1.0
"""Log of the odds against a part before held-out rows have spoken for it."""

_BLOCK_USERS = 1024
_LEAST_ROWS = 200
_LEAST_COMPLETED = 20


@dataclass(frozen=True)
class HeldOut:
    """The held-out rows and what was expected of them by a model that had not seen them.

    Attributes
    ----------
    records
        The people learned from; ``rows.user`` refers to them.
    cut, end
        The rows lie between these instants.
    plain, log_odds
        Of the model as trained before the cut, without and with the trust learned on the rows.
    popular
        Log-odds of each action's completion rate before the cut.
    """

    records: Records
    rows: Impressions
    cut: float
    end: float
    plain: FloatArray
    log_odds: FloatArray
    popular: FloatArray


def training_rows(records: Records, catalogue: Catalogue, as_of: float) -> Impressions:
    """Impressions with their outcome.

    Where people were shown what each was thought to like, impressions weigh as if they had not
    been; see ``exposure_weights``.
    """
    found = labelled_impressions(records, catalogue, as_of)
    return replace(found, weight=found.weight * exposure_weights(records.events, as_of))


def choose_cut(rows: Impressions, end: float, days: float) -> float | None:
    """Instant before the end of the log that leaves enough on both sides, else None."""
    for length in (days, days / 2, 2 * days):
        cut = end - length * SECONDS_PER_DAY
        later = rows.at > cut
        sizes = [later.sum(), (~later).sum()]
        done = [rows.completed[later].sum(), rows.completed[~later].sum()]
        if min(sizes) >= _LEAST_ROWS and min(done) >= _LEAST_COMPLETED:
            return float(cut)
    return None


def judge(
    early: Parameters, records: Records, labelled: Impressions, cut: float, end: float
) -> tuple[Trust, dict[str, float], HeldOut]:
    """Learn the trust in each part, and figures of the hybrid beside popularity's.

    Parameters
    ----------
    early
        Trained on what was known at ``cut``.
    labelled
        Rows of the whole time; those after the cut are held out.
    end
        An instant soon after the last event.
    """
    rows = labelled.select(labelled.at > cut)
    parts = held_out_parts(early, records, rows, cut, end)
    trust = fit_trust(parts, rows)
    past = popularity.log_odds_of(labelled.select(labelled.at <= cut), len(early.domain))[
        rows.action
    ]
    log_odds = _trusted_sum(parts, trust)
    held = HeldOut(records, rows, cut, end, parts.sum(axis=1), log_odds, past)
    return trust, figures(rows, log_odds, past, parts), held


@dataclass(frozen=True)
class Losses:
    """Weighted log loss of held-out rows, one entry a row."""

    user: Int32Array
    loss: FloatArray
    weight: FloatArray


def losses(
    early: Parameters, records: Records, labelled: Impressions, cut: float, end: float
) -> Losses:
    """Log loss of each row after the cut, with the trust that suits them; see ``judge``."""
    rows = labelled.select(labelled.at > cut)
    parts = held_out_parts(early, records, rows, cut, end)
    p = 1.0 / (1.0 + np.exp(-_trusted_sum(parts, fit_trust(parts, rows))))
    loss = quality.pointwise_log_loss(rows.completed, p) * rows.weight
    return Losses(rows.user, loss, rows.weight)


def held_out_parts(
    early: Parameters, records: Records, rows: Impressions, cut: float, as_of: float
) -> FloatArray:
    """Parts of rows after the cut, shape [n_rows, 5].

    Features see the record as of each row, as a live answer would; factors only what was known
    at the cut, so that no row's outcome is in its own score.
    """
    out = np.empty((len(rows), len(PARTS)))
    for places, people, mine in in_blocks(records, rows, _BLOCK_USERS):
        past = behaviour.history(people.events, early.domain, early.n_domains, as_of)
        deeds = behaviour.row_features(
            past, mine.user.astype(np.int64), mine.action, past.clock(mine.at), early.rate
        )
        out[places, :4] = row_parts(early, people, mine, deeds, as_of)[1]
        tastes = look(early, until(people, cut), cut).factors.mean
        out[places, 4] = np.einsum("ij,ij->i", tastes[mine.user], early.factors.mean[mine.action])
    return out


def expected(model: Parameters, held: HeldOut) -> FloatArray:
    """Log-odds that a trained model gives the held-out rows, tastes as of the cut."""
    parts = held_out_parts(model, held.records, held.rows, held.cut, held.end)
    return np.asarray(parts[:, :4].sum(axis=1) + model.trust.factor * parts[:, 4])


def fit_trust(parts: FloatArray, rows: Impressions, spread: float = 0.2) -> Trust:
    """Weights of features, behaviour and factors, and a shift, learned on held-out rows.

    A penalised logistic regression pulls the weights towards 1 with a prior spread; none may be
    negative. Each is then multiplied by the probability that its part helps at all: few rows say
    little about a weight, but the likelihood with and without the part still tells them apart.
    """
    design = np.stack(
        [
            parts[:, 1] + parts[:, 2],
            parts[:, BEHAVIOUR],
            parts[:, 4],
            np.ones(len(parts)),
        ],
        axis=1,
    )
    weights = np.array([spread, spread, spread, SHIFT_SPREAD])
    every = np.ones(4, np.bool_)
    beta, best = _fitted(design, parts[:, 0], rows, weights, every)
    for place in range(3):
        _, without = _fitted(design, parts[:, 0], rows, weights, every & (np.arange(4) != place))
        against = without - best + _ODDS_AGAINST
        beta[place] /= 1.0 + np.exp(np.clip(against, -50.0, 50.0))
    return Trust(*(float(value) for value in beta))


def _fitted(
    design: FloatArray, base: FloatArray, rows: Impressions, spread: FloatArray, used: BoolArray
) -> tuple[FloatArray, float]:
    """Weights by Newton's steps, 0 where not used, and their log-likelihood in nats."""
    centre = np.array([1.0, 1.0, 1.0, 0.0]) * used
    penalty = spread**-2.0
    beta = centre.copy()
    for _ in range(30):
        p = 1.0 / (1.0 + np.exp(-(base + design @ beta)))
        gradient = design.T @ (rows.weight * (rows.completed - p)) - penalty * (beta - centre)
        hessian = (design * (rows.weight * p * (1 - p))[:, None]).T @ design + np.diag(penalty)
        free = used & ((beta > 0) | (gradient > 0) | (np.arange(4) == 3))
        step = np.zeros(4)
        step[free] = np.linalg.solve(hessian[np.ix_(free, free)], gradient[free])
        new = beta + np.clip(step, -1, 1)
        new[:3] = np.maximum(new[:3], 0.0)
        if np.abs(new - beta).max() < 1e-9:
            break
        beta = new
    p = 1.0 / (1.0 + np.exp(-(base + design @ beta)))
    return beta, -float(quality.pointwise_log_loss(rows.completed, p) @ rows.weight)


def _trusted_sum(parts: FloatArray, trust: Trust) -> FloatArray:
    weights = np.array([1.0, trust.features, trust.features, trust.behaviour, trust.factor])
    return np.asarray(parts @ weights + trust.shift)


def figures(
    rows: Impressions, log_odds: FloatArray, popular: FloatArray, parts: FloatArray
) -> dict[str, float]:
    """Log loss, Brier score, calibration error and NDCG@10 of each model on held-out rows."""
    models = {
        "hybrid": log_odds,
        "popularity": popular,
        "features": parts[:, :4].sum(axis=1),
        "factors": parts[:, 0] + parts[:, 4],
    }
    out: dict[str, float] = {}
    losses, gains = {}, {}
    for name, value in models.items():
        p = 1.0 / (1.0 + np.exp(-value))
        out[f"{name}_log_loss"] = quality.log_loss(rows.completed, p, rows.weight)
        out[f"{name}_brier"] = quality.brier(rows.completed, p, rows.weight)
        out[f"{name}_ece"] = quality.expected_calibration_error(rows.completed, p, rows.weight)
        people, gains[name] = quality.ndcg_by_user(rows.user, value, rows.completed)
        out[f"{name}_ndcg_at_10"] = float(gains[name].mean()) if len(people) else 0.0
        losses[name] = quality.pointwise_log_loss(rows.completed, p) * rows.weight
    out["log_loss_gain_se"] = quality.clustered_se(
        rows.user, losses["popularity"] - losses["hybrid"], rows.weight
    )
    out["ndcg_gain_se"] = quality.standard_error(gains["hybrid"] - gains["popularity"])
    out["impressions"] = float(len(rows))
    out["users"] = float(len(np.unique(rows.user)))
    return out
