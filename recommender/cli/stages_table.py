"""What the stages of a run took, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from recommender.cli.output import table
from recommender.stages.record import StageRecord

_HEADINGS = {
    "stage": "left",
    "seconds": "right",
    "share": "right",
    "CPU seconds": "right",
    "peak MB": "right",
    "rows": "right",
}


def stages_table(stages: Sequence[StageRecord]) -> Table:
    """Lay out stages, their steps indented; a stage that did not come to its end has no time."""
    total = sum(one.seconds or 0.0 for one in stages if one.part_of is None)
    rows = [
        (
            f"  {one.stage}" if one.part_of else one.stage,
            "not ended" if one.seconds is None else f"{one.seconds:.2f}",
            None if one.seconds is None or not total else f"{one.seconds / total:.0%}",
            None if one.cpu_seconds is None else f"{one.cpu_seconds:.2f}",
            None if one.peak_mb is None else f"{one.peak_mb:,.0f}",
            one.rows,
        )
        for one in stages
    ]
    return table(_HEADINGS, rows)
