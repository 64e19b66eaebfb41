"""What every model offers, and the terms that its scores are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from recommender.dataset import FloatArray, IntArray, Records
from recommender.domain import Catalogue

MOST_LOG_ODDS = 15.0
"""No score is further from 0: beyond it ``ln(p / (1 - p))`` of a double would not give it back."""


def bounded(addends: FloatArray) -> FloatArray:
    """Scale the addends of sums beyond the bound to it, all of a sum alike.

    Parameters
    ----------
    addends
        Summed over the last axis; returned as they are where no sum is beyond the bound.

    Examples
    --------
    >>> bounded(np.array([[1.0, 2.0], [40.0, -20.0]])).tolist()
    [[1.0, 2.0], [30.0, -15.0]]
    """
    size = np.abs(addends.sum(axis=-1, keepdims=True))
    if not (size > MOST_LOG_ODDS).any():
        return addends
    return np.asarray(addends * (MOST_LOG_ODDS / np.maximum(size, MOST_LOG_ODDS)))


def log_odds(parts: FloatArray) -> FloatArray:
    """Add up parts, shape [..., 5] to [...], one after the other as they lie in memory.

    >>> log_odds(np.array([[1.0, 2.0, 0.5, 0.0, -1.0]])).tolist()
    [2.5]
    """
    total = parts[..., 0] + parts[..., 1]
    for place in range(2, parts.shape[-1]):
        total += parts[..., place]
    return np.asarray(total)


@dataclass(frozen=True, slots=True)
class Term:
    """One addend of a score.

    Attributes
    ----------
    part
        One of ``columns.PARTS``.
    feature
        Machine-readable name, such as ``biometrics:systolic_bp:level``, ``profile:sex=female``,
        ``behaviour:action:recent_impressions`` or ``factor:<action_id>``.
    value
        The feature's value as the model saw it (scaled), or 1 where it has none.
    contribution
        Its share of the log-odds.
    """

    part: str
    feature: str
    value: float
    contribution: float


@dataclass(frozen=True, slots=True)
class Shares:
    """What each subject adds to some scores, one row a score.

    Attributes
    ----------
    subjects
        (part, subject): a metric for ``biometrics``, an entry for ``profile``, ``action``,
        ``domain`` or ``user`` for ``behaviour``. What is there because a value is not known is a
        subject of its own, ``<name>:missing``.
    amounts
        Log-odds, shape [n_rows, n_subjects]; those of a part add up to the part.
    past
        The past actions of each row's person, which share out the factor part, shape
        [n_rows, most]; -1 where a person has fewer.
    past_amounts
        What they add, 0 where there is none, shape [n_rows, most].
    """

    subjects: tuple[tuple[str, str], ...]
    amounts: FloatArray
    past: IntArray
    past_amounts: FloatArray


class Scorer(Protocol):
    """A trained model; passes ``tests/contract/test_models.py``."""

    @property
    def catalogue(self) -> Catalogue:
        """Actions that scores are aligned with."""
        ...

    def score(self, records: Records, as_of: float) -> FloatArray:
        """Log-odds of completing each action if recommended at ``as_of``, as exact parts.

        Nothing recorded after ``as_of`` has any influence, nor has any other user's record.

        Returns
        -------
        array of shape [n_users, n_actions, 5]
            Parts in the order of ``columns.PARTS``; finite; they add up to the log-odds, which
            are at most ``MOST_LOG_ODDS`` from 0.
        """
        ...
