"""How far a training is and how long the rest will take, going by the training before it."""

from __future__ import annotations

from collections.abc import Mapping

_NEARLY = 0.95
"""A stage that takes longer than last time is never taken for done before it is."""
_TELLING = 0.05
"""Share of a stage from which its own pace says more than that of the stages before it."""


class Estimate:
    """Weighs the stages by what they took the last time.

    Instants are seconds of any one clock that never goes back.

    Parameters
    ----------
    expected
        Seconds of each main stage in the last run, in order; empty if there was none.
    """

    def __init__(self, expected: Mapping[str, float], now: float) -> None:
        self._expected = dict(expected)
        self._began = self._stage_began = self._told_at = now
        self._done: set[str] = set()
        self._stage: str | None = None
        self._told = 0.0

    def enter(self, stage: str, now: float) -> None:
        """Go on to a stage; those before it are done, or left out this time."""
        if self._stage is not None:
            self._done.add(self._stage)
        order = list(self._expected)
        if stage in self._expected:
            self._done |= set(order[: order.index(stage)])
        self._stage, self._told = stage, 0.0
        self._stage_began = self._told_at = now

    def tell(self, share: float, now: float) -> None:
        """Take in how much of the present stage is done."""
        self._told, self._told_at = share, now

    def elapsed(self, now: float) -> float:
        """Seconds since the beginning."""
        return now - self._began

    def share(self, now: float) -> float | None:
        """Share of the whole that is done, 0 to 1; None if there is nothing to go by.

        >>> half = Estimate({"read": 10.0, "fit": 30.0}, 0.0)
        >>> half.enter("read", 0.0); half.enter("fit", 10.0); half.tell(0.5, 25.0)
        >>> half.share(25.0)
        0.625
        """
        total = sum(self._expected.values())
        if not total:
            return None
        return (self._before() + self._weight() * self._share_of_stage(now)) / total

    def left(self, now: float) -> float | None:
        """Seconds that the rest will take; None if there is nothing to go by.

        >>> slow = Estimate({"read": 10.0, "fit": 30.0}, 0.0)
        >>> slow.enter("read", 0.0); slow.enter("fit", 20.0)  # twice as slow as last time
        >>> slow.left(20.0)
        60.0
        """
        if not self._expected:
            return None
        pace, done, weight = self._pace(), self._share_of_stage(now), self._weight()
        if self._told > _TELLING and weight:
            pace = (now - self._stage_began) / (weight * done)
        later = sum(
            seconds
            for stage, seconds in self._expected.items()
            if stage not in self._done and stage != self._stage
        )
        return pace * (weight * (1.0 - done) + later)

    def _weight(self) -> float:
        return self._expected.get(self._stage or "", 0.0)

    def _before(self) -> float:
        return sum(self._expected.get(stage, 0.0) for stage in self._done)

    def _pace(self) -> float:
        """Seconds for each second of the last run, over the stages that are done."""
        before = self._before()
        return (self._stage_began - self._began) / before if before else 1.0

    def _share_of_stage(self, now: float) -> float:
        """What was told, and the time since then, which a step that says nothing takes."""
        usual = self._weight() * self._pace()
        if not usual:
            return self._told
        guessed = self._told + (now - self._told_at) / usual
        return min(guessed, max(self._told, _NEARLY))
