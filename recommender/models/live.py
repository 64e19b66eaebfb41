"""Scores of some people as of an instant: nightly for thousands, live for one, the same lines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender.columns import PARTS
from recommender.compiled import compiled, dot
from recommender.dataset import Events, FloatArray, Int32Array, IntArray, Records, until
from recommender.domain import SECONDS_PER_DAY
from recommender.features import behaviour
from recommender.features.behaviour import History
from recommender.features.space import snapshot_of, user_matrix
from recommender.models.base import MOST_LOG_ODDS, bounded, log_odds
from recommender.models.fold_in import Outcomes, UserFactors, fold_in
from recommender.models.parameters import Parameters
from recommender.models.positives import fold_in_pairs
from recommender.outcomes import Impressions, outcomes_of, with_pending_weights

BASE, PROFILE, BIOMETRICS, BEHAVIOUR, FACTOR = range(len(PARTS))


@dataclass(frozen=True)
class View:
    """What the model sees of some people at an instant.

    Attributes
    ----------
    vectors
        User vectors now, shape [n_users, n_features].
    touched_user, touched_action, by_action
        Pairs with any behaviour, and their action-level features.
    by_domain, by_user
        Features of the other levels, shapes [n_users, n_domains, n] and [n_users, n].
    rows
        The person's own past outcomes, which the factors are folded in from.
    factors
        The users' factors.
    """

    vectors: FloatArray
    touched_user: IntArray
    touched_action: IntArray
    by_action: FloatArray
    by_domain: FloatArray
    by_user: FloatArray
    rows: Outcomes
    factors: UserFactors


def look(model: Parameters, records: Records, as_of: float) -> View:
    """Work out everything the scores of these users depend on."""
    records = known_by(records, as_of)
    if model.confidence is not None:
        return _look_at_completions(model, records, as_of)
    n_users = len(records.users)
    rows = own_rows(model, records, as_of)
    past = behaviour.history(records.events, model.domain, model.n_domains, as_of)
    pairs = _touched(records.events, len(model.domain))
    deeds, by_action, by_domain, by_user = _behaviour(model, past, rows, pairs, n_users, as_of)
    vectors, parts = row_parts(model, records, rows, deeds, as_of)
    outcomes = Outcomes(
        rows.user, rows.action, rows.completed.astype(np.float64), rows.weight, parts.sum(axis=1)
    )
    return View(
        vectors,
        *pairs,
        by_action,
        by_domain,
        by_user,
        outcomes,
        fold_in(outcomes, n_users, model.factors),
    )


def _look_at_completions(model: Parameters, records: Records, as_of: float) -> View:
    """As ``look``, for a model of logs without impressions."""
    assert model.confidence is not None
    n_users = len(records.users)
    past = behaviour.history(records.events, model.domain, model.n_domains, as_of)
    pairs = _touched(records.events, len(model.domain))
    deeds = _behaviour(model, past, _no_rows(), pairs, n_users, as_of)[1:]
    vectors = user_matrix(model.space, records, np.array([as_of]))[0]
    rows, factors = fold_in_pairs(records.events, n_users, model.factors.mean, model.confidence)
    return View(vectors, *pairs, *deeds, rows, factors)


def _no_rows() -> Impressions:
    none = np.zeros(0)
    index, no = none.astype(np.int32), none.astype(np.bool_)
    return Impressions(index, index, none, no, none, none)


def known_by(records: Records, as_of: float) -> Records:
    """Leave out whatever was recorded for later than ``as_of``; usually nothing."""
    late = (records.events.at > as_of).any() or (records.observations.at > as_of).any()
    return until(records, as_of) if late else records


def own_rows(model: Parameters, records: Records, as_of: float) -> Impressions:
    """Outcomes that speak about each user's taste, sorted by user."""
    return with_pending_weights(outcomes_of(records.events, as_of), model.curve, as_of)


def row_parts(
    model: Parameters, records: Records, rows: Impressions, deeds: FloatArray, as_of: float
) -> tuple[FloatArray, FloatArray]:
    """User vectors now, [n_users, n_features], and the four feature parts of rows, [n_rows, 4].

    A row sees the readings of the snapshot at or before it, and the behaviour in ``deeds``
    (see ``behaviour.row_features``).
    """
    place = snapshot_of((as_of - rows.at) / SECONDS_PER_DAY, model.snapshots)
    used = np.zeros(len(model.snapshots), np.bool_)
    used[place] = used[0] = True
    vectors = user_matrix(model.space, records, as_of - model.snapshots[used] * SECONDS_PER_DAY)
    parts = np.empty((len(rows), 4))
    _row_parts(
        rows.user,
        rows.action,
        (used.cumsum() - 1).take(place),
        vectors,
        deeds,
        model.coefficients,
        model.space.n_profile,
        parts,
    )
    return vectors[0], parts


@compiled
def _row_parts(
    user: Int32Array,
    action: Int32Array,
    snapshot: IntArray,
    vectors: FloatArray,
    deeds: FloatArray,
    coefficients: FloatArray,
    split: int,
    out: FloatArray,
) -> None:
    """Fill in the four feature parts of rows; ``vectors`` is [n_snapshots, n_users, n]."""
    n = vectors.shape[2]
    for row in range(len(out)):
        if user[row] < 0 or user[row] >= vectors.shape[1] or action[row] >= len(coefficients):
            raise IndexError("a row of nobody, or of no action")
        weights, vector = coefficients[action[row]], vectors[snapshot[row], user[row]]
        out[row, 0] = weights[0]
        out[row, 1] = dot(vector[:split], weights[1 : 1 + split])
        out[row, 2] = dot(vector[split:], weights[1 + split : 1 + n])
        out[row, 3] = dot(deeds[row], weights[1 + n :])


def candidate_parts(model: Parameters, view: View) -> FloatArray:
    """Parts of every action for every user, shape [n_users, n_actions, 5], within bounds.

    Each part lies in memory by itself: it is written by one product and added up as a whole.
    """
    n, split = model.n_features, model.space.n_profile
    weights = model.coefficients
    out = np.empty((len(PARTS), len(view.vectors), len(weights)))
    out[BASE] = weights[:, 0]
    np.matmul(view.vectors[:, :split], weights[:, 1 : 1 + split].T, out=out[PROFILE])
    np.matmul(view.vectors[:, split:], weights[:, 1 + split : 1 + n].T, out=out[BIOMETRICS])
    _add_deeds(model, view, out[BEHAVIOUR])
    np.matmul(view.factors.mean, model.tastes, out=out[FACTOR])
    parts = np.moveaxis(out, 0, -1)
    beyond = np.abs(log_odds(parts)).max(initial=0.0) > MOST_LOG_ODDS
    return bounded(parts) if beyond else parts


def _add_deeds(model: Parameters, view: View, out: FloatArray) -> None:
    """Fill in the behaviour part, shape [n_users, n_actions]."""
    action, domain, user = model.by_level
    np.matmul(view.by_user, user.T, out=out)
    out += view.by_domain.reshape(len(out), -1) @ domain.T
    out[view.touched_user, view.touched_action] += np.einsum(
        "ij,ij->i", view.by_action, action.take(view.touched_action, axis=0)
    )


def _touched(events: Events, n_actions: int) -> tuple[IntArray, IntArray]:
    """Pairs (user, action) that have any event, ascending."""
    key = np.sort(events.user.astype(np.int64) * n_actions + events.action)
    if len(key):
        key = key[np.concatenate([[True], key[1:] != key[:-1]])]
    return key // max(n_actions, 1), key % max(n_actions, 1)


def _behaviour(
    model: Parameters,
    past: History,
    rows: Impressions,
    touched: tuple[IntArray, IntArray],
    n_users: int,
    as_of: float,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Behaviour before each row, and now: with touched actions, in domains, overall."""
    then = behaviour.row_features(past, rows.user, rows.action, past.clock(rows.at), model.rate)
    # One millisecond on, so that what happened at this very instant counts as past.
    now = np.full(max(len(touched[0]), n_users * model.n_domains), past.clock(as_of) + 1)
    people, places = np.divmod(np.arange(n_users * model.n_domains), model.n_domains)
    everybody, nowhere = np.arange(n_users), np.zeros(n_users, np.int64)
    by_action, by_domain, by_user = (
        behaviour.features(past, level, user, place, now, model.rate)
        for level, user, place in (
            ("action", *touched),
            ("domain", people, places),
            ("user", everybody, nowhere),
        )
    )
    return then, by_action, by_domain.reshape(n_users, model.n_domains, -1), by_user
