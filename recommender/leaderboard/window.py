"""What an evaluation was about: the window, the people and how much there was of everything."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from recommender import __version__
from recommender.domain import Catalogue
from recommender.leaderboard.held_out import HeldOut
from recommender.leaderboard.history import known_days


@dataclass(frozen=True)
class Window:
    """What was evaluated; counts of events are those of the people judged.

    Attributes
    ----------
    users, actions
        On record.
    active, judged
        With an impression or a completion after the split, and how many of them were judged.
    completed_pairs
        Different actions completed by them after the split, person by person.
    completing
        Judged people with at least one of these.
    least_propensity
        Smallest logged with an impression after the split; None if none was.
    """

    split_at: datetime
    end_at: datetime
    days: float
    known_days: float
    users: int
    actions: int
    past_events: int
    past_observations: int
    active: int
    judged: int
    impressions: int
    completed_impressions: int
    completed_pairs: int
    seed: int
    completing: int
    least_propensity: float | None
    code_version: str = __version__


def window_of(held: HeldOut, catalogue: Catalogue, seed: int) -> Window:
    """Count what a replay was about."""
    propensity = held.propensity[np.isfinite(held.propensity)]
    return Window(
        split_at=datetime.fromtimestamp(held.split, UTC),
        end_at=datetime.fromtimestamp(held.end, UTC),
        days=held.days,
        known_days=known_days(held),
        users=len(held.past.users),
        actions=len(catalogue),
        past_events=len(held.past.events),
        past_observations=len(held.past.observations),
        active=held.active,
        judged=len(held.users),
        impressions=len(held.rows),
        completed_impressions=int(held.rows.completed.sum()),
        completed_pairs=len(held.pair_user),
        seed=seed,
        completing=len(np.unique(held.pair_user)),
        least_propensity=float(propensity.min()) if len(propensity) else None,
    )
