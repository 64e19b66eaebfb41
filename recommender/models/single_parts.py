"""The hybrid with a part switched off, so that each part can be judged as a model of its own.

A part taken out of a finished hybrid was fitted beside the others and looks worse than it is;
a fair comparison trains it alone.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from recommender.dataset import Observations, Records, Users
from recommender.models.factors import Taste
from recommender.models.prepared import Prepared


def nameless(records: Records) -> Records:
    """The same behaviour of people of whom nothing else is known: no profile, no readings."""
    n, read = len(records.users), records.observations
    none = np.zeros(0, np.int32)
    return Records(
        Users(
            records.users.ids,
            np.full(n, np.nan),
            np.zeros(n, np.int8),
            none,
            np.zeros(0, object),
        ),
        records.events,
        Observations(none, none, read.value[:0], read.at[:0]),
    )


def without_behaviour(data: Prepared) -> Prepared:
    """Rows that show nothing of what was done before them."""
    return replace(
        data,
        behaviour=data.behaviour[:, :0],
        kept=data.kept[:0],
        scale=data.scale[:0],
        level=data.level[:0],
    )


def no_taste(n_users: int, n_actions: int, n_described: int) -> Taste:
    """Factors that add nothing to any score: those of all actions are exactly 0."""
    return Taste(
        mean=np.zeros((n_actions, 2)),
        covariance=np.zeros((n_actions, 2, 2)),
        general=np.zeros((1, n_described)),
        precision=np.ones(2),
        users=np.zeros((n_users, 2)),
        users_covariance=np.zeros((n_users, 2, 2)) + np.eye(2),
    )
