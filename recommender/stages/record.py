"""What is known of one stage of a training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

STAGES = ("prepare", "pack", "read", "fit", "judge", "score", "publish")
"""Main stages in the order in which they come; any other name is a step of the present one."""


@dataclass(frozen=True, slots=True)
class StageRecord:
    """One stage, or one step of a stage.

    Attributes
    ----------
    part_of
        Main stage that it is a step of; None for a main stage.
    place
        Where it comes in the run; the steps of a stage follow it.
    seconds, cpu_seconds
        Wall-clock and processor time, of all threads; None while it is under way.
    peak_mb
        Most memory that the process ever held up to the end of the stage, MB (10**6 bytes).
    resident_mb
        Memory held at the end of the stage, MB; None where the system does not tell.
    rows
        Records read or people scored; None where there is nothing to count.
    """

    stage: str
    part_of: str | None
    place: int
    started_at: datetime
    seconds: float | None = None
    cpu_seconds: float | None = None
    peak_mb: float | None = None
    resident_mb: float | None = None
    rows: int | None = None


class Watcher(Protocol):
    """Told what happens while it happens; ``told`` from any thread."""

    def began(self, run_id: str, record: StageRecord) -> None:
        """A main stage has begun."""

    def told(self, name: str, share: float) -> None:
        """A stage, or a step of the present one, is done to this share, 0 to 1."""

    def ended(self, run_id: str, records: Sequence[StageRecord]) -> None:
        """A main stage has ended, well or not; its steps stand behind it."""
