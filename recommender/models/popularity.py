"""The baseline to beat: how often each action is completed when shown, the same for everyone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender.columns import PARTS
from recommender.dataset import FloatArray, Records
from recommender.domain import Catalogue
from recommender.errors import NothingToLearnError
from recommender.outcomes import Impressions, labelled_impressions

PRIOR_IMPRESSIONS = 20.0
"""Impressions at the overall rate that every action is credited with."""


@dataclass(frozen=True)
class Popularity:
    """Shrunk completion rate of each action.

    Attributes
    ----------
    log_odds
        One entry an action.
    """

    catalogue: Catalogue
    log_odds: FloatArray

    def score(self, records: Records, as_of: float) -> FloatArray:
        """Log-odds in the base part; see ``base.Scorer``."""
        del as_of
        parts = np.zeros((len(records.users), len(self.log_odds), len(PARTS)))
        parts[:, :, 0] = self.log_odds
        return parts


def fit(records: Records, catalogue: Catalogue, as_of: float) -> Popularity:
    """Count impressions and completions up to ``as_of``.

    Raises
    ------
    NothingToLearnError
        If there is no impression.
    """
    rows = labelled_impressions(records, catalogue, as_of)
    return Popularity(catalogue, log_odds_of(rows, len(catalogue)))


def log_odds_of(rows: Impressions, n_actions: int) -> FloatArray:
    """Log-odds of each action's shrunk completion rate, shape [n_actions].

    Raises
    ------
    NothingToLearnError
        If there is no row.
    """
    if not len(rows) or not n_actions:
        raise NothingToLearnError("no impression or completion to learn from")
    shown = np.bincount(rows.action, rows.weight, n_actions)
    done = np.bincount(rows.action, rows.weight * rows.completed, n_actions)
    overall = (done.sum() + 0.5) / (shown.sum() + 1.0)
    rate = (done + PRIOR_IMPRESSIONS * overall) / (shown + PRIOR_IMPRESSIONS)
    return np.asarray(np.log(rate) - np.log1p(-rate))
