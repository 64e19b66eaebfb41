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
    own, shares = _factor_shares(model, view, user, asked)
    deeds = _deeds(model, view, user, asked)
    return [
        _within_bounds(
            [
                *_feature_terms(model, view, user, action),
                *_listed(BEHAVIOUR, behaviour_names(), deeds[i], _weights(model, action)[1]),
                *_factor_terms(catalogue, own, shares[i]),
            ]
        )
        for i, action in enumerate(asked.tolist())
    ]


def shares_of(
    model: Parameters, catalogue: Catalogue, view: View, user: int, actions: Sequence[int]
) -> Shares:
    """Terms added up by subject, for all asked actions at once."""
    asked = np.asarray(actions, np.int64)
    subjects, of_feature = _feature_subjects(model.space.names)
    n = model.n_features
    weights = model.coefficients[asked]
    features = (weights[:, 1 : 1 + n] * view.vectors[user]) @ of_feature
    deeds = _deeds(model, view, user, asked) * weights[:, 1 + n :]
    by_level = np.add.reduceat(deeds, _LEVEL_STARTS, axis=1)
    own, past = _factor_shares(model, view, user, asked)
    return Shares(
        (
            (PARTS[BASE], "base_rate"),
            *subjects,
            *_LEVEL_SUBJECTS,
            *((PARTS[FACTOR], catalogue.ids[action]) for action in own.tolist()),
        ),
        bounded(np.concatenate([weights[:, :1], features, by_level, past], axis=1)),
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


def _deeds(model: Parameters, view: View, user: int, asked: IntArray) -> FloatArray:
    """Behaviour features of one user with the asked actions, shape [n_asked, n_behaviour]."""
    mine = view.touched_user == user
    by_action = np.zeros((len(model.domain), view.by_action.shape[1]))
    by_action[view.touched_action[mine]] = view.by_action[mine]
    by_user = np.broadcast_to(view.by_user[user], (len(asked), view.by_user.shape[1]))
    by_domain = view.by_domain[user, model.domain[asked]]
    return np.concatenate([by_action[asked], by_domain, by_user], axis=1)


def _factor_shares(
    model: Parameters, view: View, user: int, asked: IntArray
) -> tuple[IntArray, FloatArray]:
    """Past actions of a user and what each adds to the asked ones, [n_asked, n_past]."""
    mine = view.rows.user == user
    past = view.rows.action[mine]
    pulled = model.factors.mean[past] * view.factors.pull[mine, None]
    reach = model.factors.mean[asked] @ view.factors.covariance[user]
    own, place = np.unique(past, return_inverse=True)
    shares = np.zeros((len(own), len(asked)))
    np.add.at(shares, place, model.trust.factor * (pulled @ reach.T))
    return own, shares.T


def _factor_terms(catalogue: Catalogue, own: IntArray, shares: FloatArray) -> list[Term]:
    return [
        Term(PARTS[FACTOR], f"factor:{catalogue.ids[action]}", 1.0, float(share))
        for action, share in zip(own.tolist(), shares.tolist(), strict=True)
        if share
    ]
