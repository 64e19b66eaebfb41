"""Why a score is what it is: terms that add up to each part exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from recommender.columns import PARTS
from recommender.compiled import compiled
from recommender.dataset import FloatArray, Int32Array, IntArray
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
    past, shares = _past_shares(same, asked, *_tastes(model, view))
    deeds = _deeds(same, asked, *_behaviour(model, view))
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
    subjects, subject_of = _subjects(model.space.names)
    past, amounts = _shares(
        np.ascontiguousarray(user, np.int64),
        np.ascontiguousarray(action, np.int64),
        subject_of,
        model.coefficients,
        np.ascontiguousarray(view.vectors),
        _behaviour(model, view),
        _tastes(model, view),
    )
    amounts, own = bounded(amounts), len(subjects)
    return Shares(subjects, amounts[:, :own], past, amounts[:, own:])


@lru_cache(maxsize=4)
def _subjects(names: tuple[str, ...]) -> tuple[tuple[tuple[str, str], ...], IntArray]:
    """Subjects of the coefficients, and the place of each one's subject, [n_coefficients]."""
    levels = [
        (PARTS[BEHAVIOUR], level) for level in behaviour.LEVELS for _ in behaviour.names(level)
    ]
    of_each = [(PARTS[BASE], "base_rate"), *map(_subject, names), *levels]
    place = {subject: place for place, subject in enumerate(dict.fromkeys(of_each))}
    return tuple(place), np.array([place[subject] for subject in of_each], np.int64)


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


_Behaviour = tuple[IntArray, IntArray, FloatArray, FloatArray, FloatArray, Int32Array]
_Tastes = tuple[Int32Array, Int32Array, FloatArray, FloatArray, FloatArray, float]


def _behaviour(model: Parameters, view: View) -> _Behaviour:
    """Arguments of ``_deeds``."""
    return (
        view.touched_user,
        view.touched_action,
        np.ascontiguousarray(view.by_action),
        np.ascontiguousarray(view.by_domain),
        np.ascontiguousarray(view.by_user),
        model.domain,
    )


def _tastes(model: Parameters, view: View) -> _Tastes:
    """Arguments of ``_past_shares``."""
    return (
        np.ascontiguousarray(view.rows.user, np.int32),
        np.ascontiguousarray(view.rows.action, np.int32),
        view.factors.pull,
        np.ascontiguousarray(model.factors.mean),
        np.ascontiguousarray(view.factors.covariance),
        float(model.trust.factor),
    )


@compiled
def _shares(
    user: IntArray,
    action: IntArray,
    subject_of: IntArray,
    coefficients: FloatArray,
    vectors: FloatArray,
    behaviour: _Behaviour,
    tastes: _Tastes,
) -> tuple[IntArray, FloatArray]:
    """Past actions of each row's user, and what each subject and each past action adds.

    ``subject_of`` is as ``_subjects`` gives it, ``vectors`` of shape [n_users, n_features]. The
    results are of shape [n_rows, most] and [n_rows, n_subjects + most].
    """
    deeds = _deeds(user, action, *behaviour)
    past, past_amounts = _past_shares(user, action, *tastes)
    n_subjects, n_features = subject_of.max() + 1, vectors.shape[1]
    amounts = np.zeros((len(user), n_subjects + past.shape[1]))
    for row in range(len(user)):
        weight = coefficients[action[row]]
        amounts[row, subject_of[0]] += weight[0]
        for place in range(n_features):
            amount = weight[1 + place] * vectors[user[row], place]
            amounts[row, subject_of[1 + place]] += amount
        for place in range(deeds.shape[1]):
            at = 1 + n_features + place
            amounts[row, subject_of[at]] += weight[at] * deeds[row, place]
        amounts[row, n_subjects:] = past_amounts[row]
    return past, amounts


@compiled
def _deeds(
    user: IntArray,
    action: IntArray,
    touched_user: IntArray,
    touched_action: IntArray,
    by_action: FloatArray,
    by_domain: FloatArray,
    by_user: FloatArray,
    domains: Int32Array,
) -> FloatArray:
    """Behaviour features of rows (user, action), shape [n_rows, n_behaviour].

    The arguments are those of ``View``, the last one of ``Parameters``.
    """
    first, second = by_action.shape[1], by_action.shape[1] + by_domain.shape[2]
    deeds = np.zeros((len(user), second + by_user.shape[1]))
    for row in range(len(user)):
        low, high = 0, len(touched_user)
        while low < high:  # pairs are ascending
            middle = (low + high) // 2
            whose = touched_user[middle]
            if whose < user[row] or (whose == user[row] and touched_action[middle] < action[row]):
                low = middle + 1
            else:
                high = middle
        if (
            low < len(touched_user)
            and touched_user[low] == user[row]
            and touched_action[low] == action[row]
        ):
            deeds[row, :first] = by_action[low]
        deeds[row, first:second] = by_domain[user[row], domains[action[row]]]
        deeds[row, second:] = by_user[user[row]]
    return deeds


@compiled
def _past_shares(
    user: IntArray,
    action: IntArray,
    past_user: Int32Array,
    past_action: Int32Array,
    pull: FloatArray,
    mean: FloatArray,
    covariance: FloatArray,
    trust: float,
) -> tuple[IntArray, FloatArray]:
    """Past actions of each row's user and what each adds to its score, [n_rows, most].

    Past rows are sorted by user; of one action they are taken together. Where a user has fewer
    past actions than others there is -1, which adds 0. ``mean`` is of the actions' factors,
    ``covariance`` of the users'.
    """
    starts, own, pulled = _own_past(past_user, past_action, pull, len(covariance), len(mean))
    most = 0
    for who in range(len(covariance)):
        most = max(most, starts[who + 1] - starts[who])
    past = np.full((len(user), most), -1, dtype=np.int64)
    amounts = np.zeros((len(user), most))
    n = mean.shape[1]
    reach = np.empty(n)
    for row in range(len(user)):
        taste, spread = mean[action[row]], covariance[user[row]]
        reach[:] = 0.0
        for i in range(n):
            for j in range(n):
                reach[j] += taste[i] * spread[i, j]
        start = starts[user[row]]
        for at in range(start, starts[user[row] + 1]):
            product = 0.0
            for j in range(n):
                product += mean[own[at], j] * reach[j]
            past[row, at - start] = own[at]
            amounts[row, at - start] = trust * pulled[at] * product
    return past, amounts


@compiled
def _own_past(
    user: Int32Array, action: Int32Array, pull: FloatArray, n_users: int, n_actions: int
) -> tuple[IntArray, IntArray, FloatArray]:
    """Past actions of users, ascending, and the sum of each one's pulls.

    The first result says where each user's stand in the others, shape [n_users + 1].
    """
    starts = np.zeros(n_users + 1, dtype=np.int64)
    own, pulled = np.empty(len(user), dtype=np.int64), np.empty(len(user))
    there, total = np.zeros(n_actions, dtype=np.bool_), np.zeros(n_actions)
    row, free = 0, 0
    for who in range(n_users):
        begin = row
        while row < len(user) and user[row] == who:
            there[action[row]] = True
            total[action[row]] += pull[row]
            row += 1
        if row > begin:
            for place in range(n_actions):
                if there[place]:
                    own[free], pulled[free] = place, total[place]
                    there[place], total[place] = False, 0.0
                    free += 1
        starts[who + 1] = free
    return starts, own[:free], pulled[:free]


def _factor_terms(catalogue: Catalogue, past: IntArray, shares: FloatArray) -> list[Term]:
    return [
        Term(PARTS[FACTOR], f"factor:{catalogue.ids[action]}", 1.0, float(share))
        for action, share in zip(past.tolist(), shares.tolist(), strict=True)
        if share
    ]
