"""Settings of a training, and their bounds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelSettings:
    """Settings of a training; each is written once, here.

    Attributes
    ----------
    rank
        Factors beside the constant one.
    alpha, regularization, als_iterations
        Of ``implicit``'s factorisation of the surprise.
    feature_sweeps, factor_sweeps, deed_sweeps
        Rounds of fitting features alone, factors given features, behaviour given both.
    rounds
        Turns of all three, each given the others.
    factor_variance
        Prior variance of an action's factors around what its description says. Learning it lets
        the factors collapse on sparse logs.
    max_users, max_events
        Of more users than this, or than have this many events together, a sample is learned from:
        what is learned is about actions, and users' own factors are worked out when asked.
    holdout_days
        Length of the time held out to learn trust.
    use_features, use_factors
        False leaves out profile, readings and behaviour, or the factors, to judge the other alone.
    level_half_life_days
        See ``MetricSlots.half_life_days``.
    search_seconds
        Time for choosing settings on held-out data: computing time for ``rank`` and
        ``level_half_life_days``, which 0 keeps; real time where only completions are logged.
    """

    rank: int = 8
    alpha: float = 20.0
    regularization: float = 40.0
    als_iterations: int = 15
    factor_sweeps: int = 8
    feature_sweeps: int = 6
    deed_sweeps: int = 4
    rounds: int = 1
    factor_variance: float = 0.3
    max_users: int = 200_000
    max_events: int = 5_000_000
    holdout_days: float = 14.0
    use_features: bool = True
    use_factors: bool = True
    level_half_life_days: float = 2.0
    search_seconds: float = 20.0

    def __post_init__(self) -> None:
        """Check the bounds."""
        for name, low, high in _BOUNDS:
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} must be between {low} and {high}")

    def most_users(self, n_users: int, n_events: int) -> int:
        """How many of so many users, who have so many events, are learned from.

        >>> ModelSettings(max_users=1000, max_events=5000).most_users(2000, 40_000)
        250
        """
        share = min(1.0, self.max_events / max(n_events, 1))
        return min(n_users, self.max_users, max(int(n_users * share), 1))


_BOUNDS = (
    ("rank", 1, 64),
    ("alpha", 0.1, 1000),
    ("regularization", 1e-3, 1e4),
    ("als_iterations", 1, 100),
    ("factor_sweeps", 1, 100),
    ("feature_sweeps", 1, 100),
    ("deed_sweeps", 1, 100),
    ("rounds", 1, 20),
    ("factor_variance", 1e-4, 10),
    ("max_users", 1, 10_000_000),
    ("max_events", 1, 1_000_000_000),
    ("holdout_days", 1, 365),
    ("level_half_life_days", 0.1, 365),
    ("search_seconds", 0, 86_400),
)
