"""Figures of groups of people and of everybody else, the same people drawn for both."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np

from recommender.dataset import BoolArray, FloatArray
from recommender.leaderboard.board import Sample
from recommender.leaderboard.tally import Tally
from recommender.resampling import Figure, figure, ratio, resampled_sums

LEAST_PEOPLE = 20
"""Smaller groups are left out: their figures would say little, and too much of each person."""

Key = TypeVar("Key", bound=Hashable)


def grouped_samples(
    tallies: Mapping[Key, Tally], groups: Sequence[BoolArray], seed: int
) -> Iterator[tuple[dict[Key, Sample], dict[Key, Sample]]]:
    """Yield, for each group, its figures and those of everybody else.

    Parameters
    ----------
    groups
        Members of each: one truth value a person.
    """
    if not groups:
        return
    keys = tuple(tallies)
    sums = _sums(tallies, [np.ones(len(groups[0]), np.bool_), *groups], seed)
    for place in range(len(groups)):
        own = sums[:, 1 + place]
        yield _samples(keys, own), _samples(keys, sums[:, 0] - own)


def difference(one: Sample, other: Sample) -> Figure:
    """One figure minus another, with the interval of the difference."""
    return figure(one[0] - other[0], one[1] - other[1])


def _sums(tallies: Mapping[Key, Tally], groups_of: Sequence[BoolArray], seed: int) -> FloatArray:
    """Sums of each group, first as they are, then of people drawn anew.

    Returns
    -------
    array of shape [1 + draws, n_groups, 2 * n_tallies]
    """
    sides = np.stack([side for t in tallies.values() for side in (t.above, t.below)], axis=1)
    members = np.stack(list(groups_of), axis=1)
    flat = (members[:, :, None] * sides[:, None, :]).reshape(len(sides), -1)
    sums = np.concatenate([flat.sum(axis=0, keepdims=True), resampled_sums(flat, seed)])
    return sums.reshape(len(sums), members.shape[1], sides.shape[1])


def _samples(keys: Sequence[Key], sums: FloatArray) -> dict[Key, Sample]:
    """Figures of one group from its sums, [1 + draws, 2 * n_tallies]."""
    quotients = ratio(sums[:, ::2], sums[:, 1::2])
    return {key: (float(quotients[0, i]), quotients[1:, i]) for i, key in enumerate(keys)}
