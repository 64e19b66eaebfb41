"""Figures of each person apart, so that every line of the leaderboard can be added up again."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from recommender.leaderboard.board import Judged
from recommender.leaderboard.held_out import HeldOut


@dataclass(frozen=True)
class People:
    """Everybody judged, with what each adds to every figure."""

    held: HeldOut
    entrants: Sequence[Judged]

    def write(self, path: Path) -> None:
        """Write CSV: user_id, model, figure, above, below; a figure is sum(above) / sum(below)."""
        ids = self.held.past.users.ids[self.held.users]
        with path.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(("user_id", "model", "figure", "above", "below"))
            for one in self.entrants:
                for name, tally in one.tallies.items():
                    some = tally.below != 0
                    rows.writerows(
                        (user, one.entrant.name, name, above, below)
                        for user, above, below in zip(
                            ids[some],
                            tally.above[some].tolist(),
                            tally.below[some].tolist(),
                            strict=True,
                        )
                    )
