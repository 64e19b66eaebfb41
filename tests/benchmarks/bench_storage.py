"""A night's scores in PostgreSQL: what writing them costs, their size, how fast they answer.

``PYTHONPATH=. python tests/benchmarks/bench_storage.py URL [PEOPLE]``; makes and drops a database
of its own on that server, which must run on this machine: the time of its process is read as well.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psycopg
from sqlalchemy import Engine, make_url, text

from recommender.dataset import ObjectArray
from recommender.store.columnar import append
from recommender.store.engine import Connection, connect, reading, writing
from recommender.store.retention import make_room
from recommender.store.runs import clean_up, finish_run, publish, start_run
from recommender.store.score_rows import ScoreBatch, _score_table, writing_scores
from recommender.store.upgrade import upgrade

RANKS, ACTIONS, AT_ONCE = 50, 500, 2_000
NIGHTS = ("20261121T021500-aaaaaa", "20261122T021500-bbbbbb")
HELD = '[["action-001-walk","rule_bp_high_vigorous","2",null]]'
PERSON = "SELECT * FROM current_scores WHERE user_id = 'u0000077' ORDER BY rank"
FIRST = "SELECT * FROM current_scores LIMIT 10"


def batch(ids: ObjectArray) -> ScoreBatch:
    draws, rows = np.random.default_rng(0), len(ids) * RANKS
    actions = np.array([f"action-{n:03d}-walk" for n in range(ACTIONS)], dtype=object)
    rule = np.where(draws.random(rows) < 0.2, "caution_knee_pain", None)
    return ScoreBatch(
        user_id=np.repeat(ids, RANKS),
        rank=np.tile(np.arange(1, RANKS + 1), len(ids)),
        action_id=actions[draws.integers(0, ACTIONS, rows)],
        score=draws.random(rows),
        p_complete=draws.random(rows),
        benefit=draws.random(rows),
        parts=draws.normal(size=(rows, 5)),
        verdict=np.where(rule == None, "allow", "caution").astype(object),  # noqa: E711
        rule_id=rule.astype(object),
        standard_error=draws.random(rows),
        withheld=[(user_id, HELD) for user_id in ids],
    )


@contextmanager
def clocks(name: str, conn: Connection, rows: int) -> Iterator[None]:
    """Print CPU seconds of both processes and the time on the wall for a million rows."""
    pid = conn.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    before = time.perf_counter(), time.process_time(), _cpu(pid)
    yield
    after = time.perf_counter(), time.process_time(), _cpu(pid)
    wall, client, server = (
        (end - start) / rows * 1e6 for start, end in zip(before, after, strict=True)
    )
    print(f"{name:34s} client {client:5.2f}  server {server:5.2f}  wall {wall:6.2f} s a million")


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def nights(engine: Engine, people: ObjectArray) -> None:
    now, rows = datetime.now(UTC), len(people) * RANKS
    batches = [batch(people[at : at + AT_ONCE]) for at in range(0, len(people), AT_ONCE)]
    with writing(engine) as conn:
        conn.exec_driver_sql(
            "INSERT INTO actions (action_id, title, domain, updated_at) "
            "SELECT 'action-' || lpad(CAST(i AS text), 3, '0') || '-walk', 'Walk', 'activity', "
            f"now() FROM generate_series(0, {ACTIONS - 1}) AS i"
        )
        conn.exec_driver_sql("CREATE TABLE one_table (LIKE scores)")
        conn.exec_driver_sql("ALTER TABLE one_table ADD PRIMARY KEY (run_id, user_id, rank)")
        with clocks("CSV into one table with its key", conn, rows):
            for some in batches:
                append(conn, "one_table", _score_table(NIGHTS[0], some))
    for run_id in NIGHTS:
        with writing(engine) as conn:
            start_run(conn, run_id, now, 1, "1", now)
        with writing_scores(engine, run_id) as write:
            conn = write.args[0]  # type: ignore[attr-defined]
            with clocks("binary into the run's own table", conn, rows):
                for some in batches:
                    write(replace(some, withheld=[]))
        with writing(engine) as conn:
            finish_run(conn, run_id, "trained", "", {}, b"m", now)
            timed("publish", lambda: publish(conn, run_id, "train", now))  # noqa: B023


def timed(name: str, work: Callable[[], object], times: int = 1) -> None:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        took.append(1000 * (time.perf_counter() - began))
    print(f"{name:34s} median {np.median(took):8.1f} ms, longest {max(took):8.1f} ms")


def answers(engine: Engine) -> None:
    with reading(engine) as conn:
        assert len(conn.execute(text(PERSON)).all()) == RANKS
        timed("current_scores of a person", lambda: conn.execute(text(PERSON)).all(), 50)
        timed("first rows of current_scores", lambda: conn.execute(text(FIRST)).all(), 50)
        sizes = (
            "SELECT pg_table_size(c.oid), pg_indexes_size(c.oid), c.reltuples FROM pg_class c "
            "WHERE relname LIKE 'scores_2%' AND relkind = 'r' OR relname = 'one_table'"
        )
        for heap, index, rows in conn.exec_driver_sql(sizes.replace("%", "%%")):
            print(f"{heap / max(rows, 1):6.1f} + {index / max(rows, 1):5.1f} bytes a row")


def main(server: str, people: int) -> None:
    url = make_url(server).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as admin:
        admin.execute("CREATE DATABASE bench_storage")
        try:
            engine = connect(url.set(database="bench_storage").render_as_string(False))
            upgrade(engine)
            nights(engine, np.array([f"u{n:07d}" for n in range(people)], dtype=object))
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
                conn.exec_driver_sql("ANALYZE one_table")
            answers(engine)
            with writing(engine) as conn:
                clean_up(conn, keep=1)
            timed("drop an old run", lambda: make_room(engine))
            engine.dispose()
        finally:
            admin.execute("DROP DATABASE bench_storage WITH (FORCE)")


if __name__ == "__main__":
    main(sys.argv[1], int((sys.argv[2:] or ["20000"])[0]))
