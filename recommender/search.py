"""Choosing settings by trying them: coordinate search over ladders of values, within a budget."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Settings = Mapping[str, float]
Cost = Callable[[Settings], float]
"""What a setting costs on held-out data; the lower the better, NaN never wins."""

Ladders = Mapping[str, Sequence[float]]
"""Values to choose from, by name, each ascending."""


@dataclass(frozen=True)
class Found:
    """Outcome of a search.

    Attributes
    ----------
    cost
        Of ``settings``, on the data that chose them: flattering, so report another.
    tried
        How many settings were tried.
    finished
        False if time ran out before nothing near was better.
    seconds
        Time it took.
    """

    settings: dict[str, float]
    cost: float
    tried: int
    finished: bool
    seconds: float


class _TimeUpError(Exception):
    """No time left for another trial."""


class _Trials:
    """Remembers what was tried, and says when time is up; the first trial is always made."""

    def __init__(self, cost: Cost, seconds: float, clock: Callable[[], float]) -> None:
        self._cost, self._clock, self._began, self._seconds = cost, clock, clock(), seconds
        self._longest = 0.0
        self.known: dict[tuple[tuple[str, float], ...], float] = {}

    def __call__(self, settings: Settings) -> float:
        key = tuple(sorted(settings.items()))
        if key not in self.known:
            before = self.spent
            if self.known and before + self._longest > self._seconds:
                raise _TimeUpError
            cost = self._cost(settings)
            self._longest = max(self._longest, self.spent - before)
            self.known[key] = cost if cost == cost else float("inf")
        return self.known[key]

    @property
    def spent(self) -> float:
        return self._clock() - self._began

    def best(self) -> tuple[dict[str, float], float]:
        key = min(self.known, key=lambda one: self.known[one])
        return dict(key), self.known[key]


def coordinate_search(
    cost: Cost,
    ladders: Ladders,
    starts: Sequence[Settings],
    *,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> Found:
    """Lower the cost one setting at a time, from each start, until time is up.

    All starts are tried first; then the best of them goes up and down each ladder in turn for as
    long as that helps, then the others. A trial that would probably not end in time is not begun.
    Which settings are found can therefore depend on the machine's speed; keep them with the run.

    Parameters
    ----------
    starts
        At least one; every value of a start must stand on its ladder.
    seconds
        Time for all trials; the first is made whatever it takes.

    Examples
    --------
    >>> bowl = lambda s: (s["x"] - 3) ** 2 + (s["y"] - 1) ** 2
    >>> ladders = {"x": range(6), "y": range(6)}
    >>> found = coordinate_search(bowl, ladders, [{"x": 0, "y": 5}], seconds=1)
    >>> found.settings, found.cost, found.finished
    ({'x': 3, 'y': 1}, 0, True)
    """
    trials = _Trials(cost, seconds, clock)
    finished = True
    try:
        for start in sorted(starts, key=trials):
            _descend(trials, ladders, dict(start))
    except _TimeUpError:
        finished = False
    settings, lowest = trials.best()
    return Found(settings, lowest, len(trials.known), finished, trials.spent)


def _descend(trials: _Trials, ladders: Ladders, here: dict[str, float]) -> None:
    """Go down from ``here`` until no neighbour on any ladder is better."""
    moved = True
    while moved:
        moved = False
        for name in ladders:
            for step in (1, -1):
                while (there := _neighbour(ladders, here, name, step)) is not None:
                    if trials(there) >= trials(here):
                        break
                    here, moved = there, True


def _neighbour(
    ladders: Ladders, here: Mapping[str, float], name: str, step: int
) -> dict[str, float] | None:
    place = list(ladders[name]).index(here[name]) + step
    if not 0 <= place < len(ladders[name]):
        return None
    return {**here, name: ladders[name][place]}
