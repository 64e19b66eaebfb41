"""Why a score is what it is: terms that add up to each part exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from recommender.columns import PARTS
from recommender.dataset import FloatArray, IntArray
from recommender.domain import Catalogue
from recommender.features import behaviour
from recommender.models.base import Shares, Term, bounded
from recommender.models.live import BASE, BEHAVIOUR, BIOMETRICS, FACTOR, PROFILE, View
from recommender.models.parameters import Parameters, behaviour_names


def terms_of(
    model: Parameters, catalogue: Catalogue, view: View, user: int, actions: Sequence[int]
) -> list[list[Term]]:
    """List the terms that are not 0, for each asked action.

    The factor part is shared out among the person's past actions: with ``S`` the covariance of
    the person's factors, a past row ``e`` contributes ``v_a' S v_e pull_e``.
    """
    asked = np.asarray(actions, np.int64)
    same = np.full(len(asked), user, np.int64)
    past, shares = _past_shares(model, view, same, asked)
    deeds = _deeds(model, view, same, asked)
    return [
        _within_bounds(
            [
                *_feature_terms(model, view, user, action),
                *_listed(BEHAVIOUR, behaviour_names(), deeds[i], _weights(model, action)[1]),
                *_factor_terms(catalogue, past[i], shares[i]),
            ]
        )
        for i, action in enumerate(asked.tolist())
    ]


def shares_of(model: Parameters, view: View, user: IntArray, action: IntArray) -> Shares:
    """Terms added up by subject, for all rows (user, action) at once."""
    subjects, of_feature = _feature_subjects(model.space.names)
    n = model.n_features
    weights = model.coefficients[action]
    features = (weights[:, 1 : 1 + n] * view.vectors[user]) @ of_feature
    deeds = _deeds(model, view, user, action) * weights[:, 1 + n :]
    by_level = np.add.reduceat(deeds, _LEVEL_STARTS, axis=1)
    past, past_amounts = _past_shares(model, view, user, action)
    amounts = np.concatenate([weights[:, :1], features, by_level, past_amounts], axis=1)
    amounts = bounded(amounts)
    own = amounts.shape[1] - past.shape[1]
    return Shares(
        ((PARTS[BASE], "base_rate"), *subjects, *_LEVEL_SUBJECTS),
        amounts[:, :own],
        past,
        amounts[:, own:],
    )


_LEVELS = ("action", "domain", "user")
_LEVEL_SUBJECTS = tuple((PARTS[BEHAVIOUR], level) for level in _LEVELS)
_LEVEL_STARTS = np.cumsum([0, *(len(behaviour.names(level)) for level in _LEVELS[:-1])])


@lru_cache(maxsize=4)
def _feature_subjects(
    names: tuple[str, ...],
) -> tuple[tuple[tuple[str, str], ...], FloatArray]:
    """Subjects of the features, and which feature belongs to which, [n_features, n_subjects]."""
    of_each = [_subject(name) for name in names]
    subjects = tuple(dict.fromkeys(of_each))
    belongs = np.zeros((len(names), len(subjects)))
    belongs[np.arange(len(names)), [subjects.index(one) for one in of_each]] = 1.0
    return subjects, belongs


def _subject(name: str) -> tuple[str, str]:
    """``biometrics:systolic_bp:trend`` is about ``systolic_bp``."""
    part, _, rest = name.partition(":")
    subject = rest.partition(":")[0].partition("=")[0]
    return part, f"{subject}:missing" if rest.endswith(":missing") else subject


def _weights(model: Parameters, action: int) -> tuple[FloatArray, FloatArray]:
    n = model.n_features
    return model.coefficients[action, 1 : 1 + n], model.coefficients[action, 1 + n :]


def _feature_terms(model: Parameters, view: View, user: int, action: int) -> list[Term]:
    names, split = model.space.names, model.space.n_profile
    weights, vector = _weights(model, action)[0], view.vectors[user]
    base = Term(PARTS[BASE], "base", 1.0, float(model.coefficients[action, 0]))
    return [
        base,
        *_listed(PROFILE, names[:split], vector[:split], weights[:split]),
        *_listed(BIOMETRICS, names[split:], vector[split:], weights[split:]),
    ]


def _within_bounds(terms: list[Term]) -> list[Term]:
    amounts = bounded(np.array([term.contribution for term in terms]))
    return [
        replace(term, contribution=amount)
        for term, amount in zip(terms, amounts.tolist(), strict=True)
    ]


def _listed(part: int, names: Sequence[str], values: FloatArray, weights: FloatArray) -> list[Term]:
    shares = values * weights
    return [
        Term(PARTS[part], names[j], float(values[j]), float(shares[j]))
        for j in np.flatnonzero(shares).tolist()
    ]


def _deeds(model: Parameters, view: View, user: IntArray, action: IntArray) -> FloatArray:
    """Behaviour features of rows (user, action), shape [n_rows, n_behaviour]."""
    n_actions = len(model.domain)
    touched = view.touched_user * n_actions + view.touched_action  # ascending
    by_action = np.zeros((len(user), view.by_action.shape[1]))
    if len(touched):
        asked = user * n_actions + action
        place = np.minimum(touched.searchsorted(asked), len(touched) - 1)
        found = touched[place] == asked
        by_action[found] = view.by_action[place[found]]
    by_domain = view.by_domain[user, model.domain[action]]
    return np.concatenate([by_action, by_domain, view.by_user[user]], axis=1)


def _past_shares(
    model: Parameters, view: View, user: IntArray, action: IntArray
) -> tuple[IntArray, FloatArray]:
    """Past actions of each row's user and what each adds to its score, [n_rows, most]."""
    n_actions, n_users = len(model.domain), len(view.vectors)
    key = view.rows.user.astype(np.int64) * n_actions + view.rows.action
    own, first = np.unique(key, return_inverse=True)
    pulled = np.zeros((len(own), model.factors.mean.shape[1]))
    np.add.at(pulled, first, model.factors.mean[view.rows.action] * view.factors.pull[:, None])
    whose = own // max(n_actions, 1)
    starts = whose.searchsorted(np.arange(n_users + 1))
    most = int(np.diff(starts).max(initial=0))
    past = np.full((n_users, most), -1, np.int64)
    by_user = np.zeros((n_users, most, pulled.shape[1]))
    column = np.arange(len(own)) - starts[whose]
    past[whose, column], by_user[whose, column] = own % max(n_actions, 1), pulled
    reach = model.factors.mean[action][:, None, :] @ view.factors.covariance[user]
    amounts = (by_user[user] @ reach.transpose(0, 2, 1))[:, :, 0]
    return past[user], model.trust.factor * amounts


def _factor_terms(catalogue: Catalogue, past: IntArray, shares: FloatArray) -> list[Term]:
    return [
        Term(PARTS[FACTOR], f"factor:{catalogue.ids[action]}", 1.0, float(share))
        for action, share in zip(past.tolist(), shares.tolist(), strict=True)
        if share
    ]
