"""What subjects and past actions add to scores is what matrices of all of them come to."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.models.explain import _deeds, _past_shares, _shares

N_FEATURES, N_ACTION, N_DOMAIN, N_USER = 5, 3, 2, 2
N_DOMAINS = 3


class World(NamedTuple):
    """Rows asked about, and what they are explained from."""

    user: np.ndarray
    action: np.ndarray
    coefficients: np.ndarray
    vectors: np.ndarray
    behaviour: tuple[np.ndarray, ...]
    past: tuple[np.ndarray, np.ndarray, np.ndarray]
    mean: np.ndarray
    covariance: np.ndarray


def _world(seed: int) -> World:
    draws = np.random.default_rng(seed)
    n_users, n_actions, n = (int(draws.integers(1, most)) for most in (4, 9, 5))
    n_rows, n_past = draws.integers(0, 9, 2)
    pairs = np.flatnonzero(draws.random(n_users * n_actions) < 0.4)
    half = draws.normal(size=(n_users, n, n))
    return World(
        draws.integers(0, n_users, n_rows),
        draws.integers(0, n_actions, n_rows),
        draws.normal(size=(n_actions, 1 + N_FEATURES + N_ACTION + N_DOMAIN + N_USER)),
        draws.normal(size=(n_users, N_FEATURES)),
        (
            pairs // n_actions,
            pairs % n_actions,
            draws.normal(size=(len(pairs), N_ACTION)),
            draws.normal(size=(n_users, N_DOMAINS, N_DOMAIN)),
            draws.normal(size=(n_users, N_USER)),
            draws.integers(0, N_DOMAINS, n_actions).astype(np.int32),
        ),
        (
            np.sort(draws.integers(0, n_users, n_past)).astype(np.int32),
            draws.integers(0, n_actions, n_past).astype(np.int32),
            draws.normal(size=n_past),
        ),
        draws.normal(size=(n_actions, n)),
        half @ half.transpose(0, 2, 1),
    )


def _plain_deeds(world: World) -> np.ndarray:
    touched_user, touched_action, by_action, by_domain, by_user, domain = world.behaviour
    place = {pair: n for n, pair in enumerate(zip(touched_user, touched_action, strict=True))}
    rows = [
        np.concatenate(
            [
                by_action[place[user, action]] if (user, action) in place else np.zeros(N_ACTION),
                by_domain[user, domain[action]],
                by_user[user],
            ]
        )
        for user, action in zip(world.user, world.action, strict=True)
    ]
    return np.array(rows).reshape(len(rows), N_ACTION + N_DOMAIN + N_USER)


def _plain_past(world: World, user: int, action: int) -> dict[int, float]:
    """What each past action of a user adds to an action's score, ascending."""
    whose, what, pull = world.past
    added: dict[int, float] = {}
    for at in np.flatnonzero(whose == user):
        share = world.mean[action] @ world.covariance[user] @ world.mean[what[at]] * pull[at]
        added[int(what[at])] = added.get(int(what[at]), 0.0) + 0.7 * share
    return dict(sorted(added.items()))


@settings(deadline=None, max_examples=150)
@given(seed=st.integers(0, 100_000))
def test_shares_are_those_of_adding_up_plainly(seed: int) -> None:
    world = _world(seed)
    tastes = (*world.past, world.mean, world.covariance, 0.7)
    subject_of = np.random.default_rng(seed).integers(0, 4, world.coefficients.shape[1])
    deeds = _deeds(world.user, world.action, *world.behaviour)
    np.testing.assert_allclose(deeds, _plain_deeds(world), atol=1e-12)
    past, amounts = _past_shares(world.user, world.action, *tastes)
    same, all_amounts = _shares(
        world.user, world.action, subject_of, world.coefficients, world.vectors,
        world.behaviour, tastes,
    )  # fmt: skip
    np.testing.assert_array_equal(same, past)
    n_subjects = int(subject_of.max()) + 1
    np.testing.assert_array_equal(all_amounts[:, n_subjects:], amounts)
    for row, (user, action) in enumerate(zip(world.user, world.action, strict=True)):
        values = np.concatenate([[1.0], world.vectors[user], deeds[row]])
        terms = values * world.coefficients[action]
        expected = np.bincount(subject_of, terms, n_subjects)
        np.testing.assert_allclose(all_amounts[row, :n_subjects], expected, atol=1e-12)
        shared = _plain_past(world, int(user), int(action))
        assert past[row, : len(shared)].tolist() == list(shared)
        assert (past[row, len(shared) :] == -1).all()
        np.testing.assert_allclose(amounts[row, : len(shared)], list(shared.values()), atol=1e-12)
        assert (amounts[row, len(shared) :] == 0.0).all()
