"""What each stage of a run took, and a view with a line a run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create both."""
    op.create_table(
        "run_stages",
        sa.Column(
            "run_id",
            sa.Text(),
            nullable=False,
            comment="Training run.",
        ),
        sa.Column(
            "place",
            sa.SmallInteger(),
            autoincrement=False,
            nullable=False,
            comment="Where it comes in the run, from 1; the steps of a stage follow it.",
        ),
        sa.Column(
            "stage",
            sa.Text(),
            nullable=False,
            comment="prepare, pack, read, fit, judge, score or publish; or a step of one of them.",
        ),
        sa.Column(
            "part_of",
            sa.Text(),
            comment="Stage that it is a step of; null for a stage.",
        ),
        sa.Column(
            "started_at",
            INSTANT,
            nullable=False,
            comment="When it began (UTC).",
        ),
        sa.Column(
            "seconds",
            sa.Double(),
            comment="Wall-clock time, seconds; null if under way or its process was lost.",
        ),
        sa.Column(
            "cpu_seconds",
            sa.Double(),
            comment="Processor time of all threads, seconds.",
        ),
        sa.Column(
            "peak_mb",
            sa.Double(),
            comment="Most memory the process ever held up to its end, MB (10^6 bytes).",
        ),
        sa.Column(
            "resident_mb",
            sa.Double(),
            comment="Memory held at its end, MB (10^6 bytes); null where the system does not tell.",
        ),
        sa.Column(
            "rows",
            BIG,
            comment="Records read or people scored; null if nothing to count.",
        ),
        sa.PrimaryKeyConstraint("run_id", "place", name="pk_run_stages"),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.run_id"], name="fk_run_stages_run_id_runs", ondelete="CASCADE"
        ),
        comment="What each stage of each run took; of a run that failed, up to where it came.",
    )
    dialect = op.get_bind().dialect.name
    op.execute(sa.text(f"CREATE VIEW run_history AS\n{QUERY.format(**RECORDS[dialect])}"))
    if dialect == "postgresql":
        op.execute(sa.text(f"COMMENT ON VIEW run_history IS '{COMMENT}'"))
        for column, meaning in COLUMNS.items():
            op.execute(sa.text(f"COMMENT ON COLUMN run_history.{column} IS '{meaning}'"))


def downgrade() -> None:
    """Drop both again."""
    op.execute(sa.text("DROP VIEW run_history"))
    op.drop_table("run_stages")


RECORDS = {
    "sqlite": {
        name: f"json_extract(r.card, '$.data.{name}')"
        for name in ("users", "events", "observations")
    },
    "postgresql": {
        name: f"CAST(r.card -> 'data' ->> '{name}' AS bigint)"
        for name in ("users", "events", "observations")
    },
}
COMMENT = "One line a run: what it read, how good it is, and what each stage took."
COLUMNS = {
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
    "prepare_seconds": "Wall-clock time of the stage prepare, seconds.",
    "pack_seconds": "Wall-clock time of the stage pack, seconds.",
    "read_seconds": "Wall-clock time of the stage read, seconds.",
    "fit_seconds": "Wall-clock time of the stage fit, seconds.",
    "judge_seconds": "Wall-clock time of the stage judge, seconds.",
    "score_seconds": "Wall-clock time of the stage score, seconds.",
    "publish_seconds": "Wall-clock time of the stage publish, seconds.",
    "cpu_seconds": "Processor time of all threads in these stages, seconds.",
    "peak_mb": "Most memory that the process ever held, MB (10^6 bytes).",
    "last_stage": "Last stage that it came to; where it stopped if it failed.",
}
QUERY = """SELECT
    r.run_id,
    r.status,
    r.started_at,
    r.finished_at,
    t.seconds,
    {users} AS people,
    {events} AS events,
    {observations} AS observations,
    m.log_loss,
    m.popularity_log_loss,
    m.ndcg_at_10,
    m.popularity_ndcg_at_10,
    m.calibration_error,
    t.prepare_seconds,
    t.pack_seconds,
    t.read_seconds,
    t.fit_seconds,
    t.judge_seconds,
    t.score_seconds,
    t.publish_seconds,
    t.cpu_seconds,
    t.peak_mb,
    (
        SELECT s.stage FROM run_stages s
        WHERE s.run_id = r.run_id AND s.part_of IS NULL
        ORDER BY s.place DESC LIMIT 1
    ) AS last_stage
FROM runs r
LEFT JOIN (
    SELECT
        run_id,
        sum(seconds) AS seconds,
        sum(cpu_seconds) AS cpu_seconds,
        max(peak_mb) AS peak_mb,
        sum(CASE WHEN stage = 'prepare' THEN seconds END) AS prepare_seconds,
        sum(CASE WHEN stage = 'pack' THEN seconds END) AS pack_seconds,
        sum(CASE WHEN stage = 'read' THEN seconds END) AS read_seconds,
        sum(CASE WHEN stage = 'fit' THEN seconds END) AS fit_seconds,
        sum(CASE WHEN stage = 'judge' THEN seconds END) AS judge_seconds,
        sum(CASE WHEN stage = 'score' THEN seconds END) AS score_seconds,
        sum(CASE WHEN stage = 'publish' THEN seconds END) AS publish_seconds
    FROM run_stages
    WHERE part_of IS NULL
    GROUP BY run_id
) t ON t.run_id = r.run_id
LEFT JOIN (
    SELECT
        run_id,
        max(CASE WHEN name = 'hybrid_log_loss' THEN value END) AS log_loss,
        max(CASE WHEN name = 'popularity_log_loss' THEN value END) AS popularity_log_loss,
        max(CASE WHEN name = 'hybrid_ndcg_at_10' THEN value END) AS ndcg_at_10,
        max(CASE WHEN name = 'popularity_ndcg_at_10' THEN value END) AS popularity_ndcg_at_10,
        max(CASE WHEN name = 'hybrid_ece' THEN value END) AS calibration_error
    FROM run_metrics
    WHERE segment = 'all' AND name IN ('hybrid_log_loss', 'popularity_log_loss', 'hybrid_ndcg_at_10', 'popularity_ndcg_at_10', 'hybrid_ece')
    GROUP BY run_id
) m ON m.run_id = r.run_id"""
