"""What a training came to."""

from __future__ import annotations

from dataclasses import dataclass

from recommender.stages.record import StageRecord


@dataclass(frozen=True)
class TrainReport:
    """What a training came to.

    Attributes
    ----------
    held_back
        What the gate had against publishing; empty if nothing.
    figures
        Held-out figures by name.
    warm
        Asked to begin from the run in force: ``warm``, or why it was a full training after all.
    stages
        What each stage took, and each step of one, in order.
    """

    run_id: str
    published: bool
    held_back: tuple[str, ...]
    users: int
    actions: int
    events: int
    observations: int
    figures: dict[str, float]
    seconds: float
    warm: str | None = None
    stages: tuple[StageRecord, ...] = ()
