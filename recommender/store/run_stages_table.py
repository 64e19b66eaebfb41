"""Table of what the stages of each run took; ``schema`` puts it with the others."""

from __future__ import annotations

from sqlalchemy import Column, Double, ForeignKey, MetaData, SmallInteger, Table, Text

from recommender.store.column_types import BigId, UtcInstant


def run_stages_table(metadata: MetaData) -> Table:
    """State ``run_stages``."""
    return Table(
        "run_stages",
        metadata,
        Column(
            "run_id",
            Text,
            ForeignKey("runs.run_id", ondelete="CASCADE"),
            primary_key=True,
            comment="Training run.",
        ),
        Column(
            "place",
            SmallInteger,
            primary_key=True,
            autoincrement=False,
            comment="Where it comes in the run, from 1; the steps of a stage follow it.",
        ),
        Column(
            "stage",
            Text,
            nullable=False,
            comment="prepare, pack, read, fit, judge, score or publish; or a step of one of them.",
        ),
        Column("part_of", Text, comment="Stage that it is a step of; null for a stage."),
        Column("started_at", UtcInstant, nullable=False, comment="When it began (UTC)."),
        Column(
            "seconds",
            Double,
            comment="Wall-clock time, seconds; null if under way or its process was lost.",
        ),
        Column("cpu_seconds", Double, comment="Processor time of all threads, seconds."),
        Column(
            "peak_mb",
            Double,
            comment="Most memory the process ever held up to its end, MB (10^6 bytes).",
        ),
        Column(
            "resident_mb",
            Double,
            comment="Memory held at its end, MB (10^6 bytes); null where the system does not tell.",
        ),
        Column("rows", BigId, comment="Records read or people scored; null if nothing to count."),
        comment="What each stage of each run took; of a run that failed, up to where it came.",
    )
