"""Tastes where only completions are logged: ``implicit`` on completions and on what is alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from recommender.dataset import FloatArray
from recommender.models.factors import confidence_factors, described_by
from recommender.models.positives import Confidence, Pairs
from recommender.models.prepared import Frame

_MOST_DESCRIBED = 400
"""More columns of description than this say nothing of a new action's factors."""


@dataclass(frozen=True)
class Tastes:
    """Learned factors.

    Attributes
    ----------
    users, actions
        Shapes [n_users, n] and [n_actions, n], turned and scaled as ``positives`` says; users'
        are for training only.
    """

    confidence: Confidence
    users: FloatArray
    actions: FloatArray


def fit_tastes(
    frame: Frame,
    pairs: Pairs,
    n_users: int,
    settings: Mapping[str, float],
    iterations: int,
    seed: int,
) -> Tastes:
    """Factorise completions.

    Parameters
    ----------
    settings
        ``rank``; ``ridge`` times the mean number of a person's actions; ``alpha``, the confidence
        of a typical completion; ``fading``, the power that confidence falls with for people, and
        actions, that have many; ``likeness``, the weight of one row for each level of a
        description, as if somebody had completed just the actions that have it; ``repeats``,
        the power that confidence grows with for repeated completions.
    """
    n_actions = len(frame.catalogue)
    confidence = _confidence(pairs, n_actions, settings)
    signed = confidence.of(pairs) * np.where(pairs.count > 0, 1.0, -1.0)
    matrix = sp.csr_matrix((signed, (pairs.user, pairs.action)), shape=(n_users, n_actions))
    if settings["likeness"] > 0:
        matrix = sp.vstack([matrix, settings["likeness"] * _likeness(frame, confidence)]).tocsr()
    ridge = settings["ridge"] * confidence.typical
    rank = min(int(settings["rank"]), n_actions)
    users, actions = confidence_factors(matrix, rank, ridge, iterations, seed)
    root = np.linalg.cholesky(actions.T @ actions + ridge * np.eye(rank))
    return Tastes(confidence, users[:n_users] @ root, np.linalg.solve(root, actions.T).T)


def new_action_factors(frame: Frame, tastes: Tastes) -> FloatArray:
    """What descriptions say of factors, shape [n, n_z]."""
    n_z = frame.described.shape[1]
    out = np.zeros((tastes.actions.shape[1], n_z))
    if n_z <= _MOST_DESCRIBED:
        out[:] = described_by(tastes.actions, frame.described)
    return out


def has_levels(frame: Frame) -> bool:
    """Whether any two actions share a level of their descriptions."""
    return any("=" in name for name in frame.action_space.names)


def _confidence(pairs: Pairs, n_actions: int, settings: Mapping[str, float]) -> Confidence:
    completed = pairs.count > 0
    people = np.bincount(pairs.action, completed, n_actions)
    of_person = np.bincount(pairs.user, completed)
    typical = float(of_person[of_person > 0].mean()) if completed.any() else 1.0
    usual = float(people[people > 0].mean()) if completed.any() else 1.0
    alpha, power = settings["alpha"], settings["fading"]
    return Confidence(
        alpha * (np.maximum(people, 1.0) / usual) ** -power,
        alpha * usual**power,
        typical,
        power,
        settings["repeats"],
    )


def _likeness(frame: Frame, confidence: Confidence) -> sp.csr_matrix:
    """One row for each level, confidences as those of a person who completed these actions."""
    columns = [place for place, name in enumerate(frame.action_space.names) if "=" in name]
    # columns of levels are centred, so that only those who have the level are above 0
    level, action = np.nonzero(frame.described[:, 1:][:, columns].T > 0)
    pairs = Pairs(level, action, np.ones(len(level)))
    shape = (len(columns), len(frame.catalogue))
    return sp.csr_matrix((confidence.of(pairs), (level, action)), shape=shape)
