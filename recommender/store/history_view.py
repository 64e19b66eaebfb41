"""The view ``run_history``: a line a run, for whoever watches how trainings go."""

from __future__ import annotations

from collections.abc import Mapping

from recommender.stages.record import STAGES

_FIGURES = {
    "log_loss": "hybrid_log_loss",
    "popularity_log_loss": "popularity_log_loss",
    "ndcg_at_10": "hybrid_ndcg_at_10",
    "popularity_ndcg_at_10": "popularity_ndcg_at_10",
    "calibration_error": "hybrid_ece",
}
_RECORDS = {"people": "users", "events": "events", "observations": "observations"}

COMMENT = "One line a run: what it read, how good it is, and what each stage took."
COLUMNS: Mapping[str, str] = {
    "run_id": "Training run.",
    "status": "training, trained, held_back or failed.",
    "started_at": "When training began (UTC).",
    "finished_at": "When it ended (UTC); null if its process was lost.",
    "seconds": "Wall-clock time of all stages that ended, seconds.",
    "people": "People on record; null if it did not come to an end.",
    "events": "Events read; null if it did not come to an end.",
    "observations": "Readings read; null if it did not come to an end.",
    "log_loss": "Log loss on held-out days; less is better.",
    "popularity_log_loss": "Log loss of popularity on the same days.",
    "ndcg_at_10": "NDCG@10 of what was shown on held-out days, 0 to 1.",
    "popularity_ndcg_at_10": "NDCG@10 of popularity on the same days.",
    "calibration_error": "Expected calibration error on held-out days, 0 to 1.",
    **{f"{stage}_seconds": f"Wall-clock time of the stage {stage}, seconds." for stage in STAGES},
    "cpu_seconds": "Processor time of all threads in these stages, seconds.",
    "peak_mb": "Most memory that the process ever held, MB (10^6 bytes).",
    "last_stage": "Last stage that it came to; where it stopped if it failed.",
}


def query(dialect: str) -> str:
    """Return the view's query for a database (``sqlite`` or ``postgresql``)."""
    template = (
        "json_extract(r.card, '$.data.{name}')"
        if dialect == "sqlite"
        else "CAST(r.card -> 'data' ->> '{name}' AS bigint)"
    )
    records = [f"{template.format(name=name)} AS {column}" for column, name in _RECORDS.items()]
    columns = [
        *(f"r.{name}" for name in ("run_id", "status", "started_at", "finished_at")),
        "t.seconds",
        *records,
        *(f"m.{name}" for name in _FIGURES),
        *(f"t.{stage}_seconds" for stage in STAGES),
        "t.cpu_seconds",
        "t.peak_mb",
        _LAST,
    ]
    return _QUERY.format(
        columns=",\n    ".join(columns),
        stages=",\n        ".join(
            f"sum(CASE WHEN stage = '{stage}' THEN seconds END) AS {stage}_seconds"
            for stage in STAGES
        ),
        figures=",\n        ".join(
            f"max(CASE WHEN name = '{name}' THEN value END) AS {column}"
            for column, name in _FIGURES.items()
        ),
        names=", ".join(f"'{name}'" for name in _FIGURES.values()),
    )


_LAST = """(
        SELECT s.stage FROM run_stages s
        WHERE s.run_id = r.run_id AND s.part_of IS NULL
        ORDER BY s.place DESC LIMIT 1
    ) AS last_stage"""

_QUERY = """\
SELECT
    {columns}
FROM runs r
LEFT JOIN (
    SELECT
        run_id,
        sum(seconds) AS seconds,
        sum(cpu_seconds) AS cpu_seconds,
        max(peak_mb) AS peak_mb,
        {stages}
    FROM run_stages
    WHERE part_of IS NULL
    GROUP BY run_id
) t ON t.run_id = r.run_id
LEFT JOIN (
    SELECT
        run_id,
        {figures}
    FROM run_metrics
    WHERE segment = 'all' AND name IN ({names})
    GROUP BY run_id
) m ON m.run_id = r.run_id"""
