"""The nightly picture of each run comes and goes as a whole, and nobody waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, Engine, text
from store_rows import NOW, add_run, ago, scores_for, seed

from recommender.errors import StoreError
from recommender.store import partitions
from recommender.store.access import Asker
from recommender.store.engine import Patience, connect, reading, writing
from recommender.store.retention import clean_up, make_room
from recommender.store.runs import finish_run, publish, rollback, start_run
from recommender.store.score_rows import begin_scores, write_scores, writing_scores
from recommender.store.write import erase_user

LONGEST_S = 1.0
"""What counts as not waiting; whoever waits in these tests would do so for three seconds."""
OPERATOR = Asker(None, "cli")


@pytest.fixture
def kept(postgres_url: str) -> Iterator[Engine]:
    """Engine of a PostgreSQL database with two published runs that are kept, r1 and r2."""
    engine = connect(postgres_url)
    seed(engine)
    for run_id in ("r1", "r2"):
        add_run(engine, run_id, "ann", "bea")
    yield engine
    engine.dispose()


def score(engine: Engine, run_id: str, *user_ids: str) -> None:
    """Train a run and score people as the nightly job does, up to publishing."""
    with writing(engine) as conn:
        start_run(conn, run_id, NOW, 7, "1.0", ago(minutes=5))
    with writing_scores(engine, run_id) as write:
        for user_id in user_ids:
            write(scores_for(user_id))
    with writing(engine) as conn:
        finish_run(conn, run_id, "trained", "well", {}, b"model", NOW)


def runs_seen(conn: Connection) -> set[str]:
    return set(conn.execute(text("SELECT DISTINCT run_id FROM scores")).scalars())


def tables(engine: Engine) -> dict[str, bool]:
    """Run's own table -> whether it is attached."""
    with reading(engine) as conn:
        return {table.name: table.parent is not None for table in partitions.tables(conn)}


def seconds(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def put_in_force(engine: Engine, run_id: str) -> None:
    with writing(engine) as conn:
        publish(conn, run_id, "publish", NOW)


def test_nothing_is_seen_before_publishing(kept: Engine) -> None:
    score(kept, "r3", "ann", "bea")
    with reading(kept) as conn:
        assert runs_seen(conn) == {"r1", "r2"}
    put_in_force(kept, "r3")
    with reading(kept) as conn:
        assert runs_seen(conn) == {"r1", "r2", "r3"}
        now = conn.execute(text("SELECT user_id, rank, run_id FROM current_scores ORDER BY 1, 2"))
        assert [tuple(row) for row in now] == [
            ("ann", 1, "r3"), ("ann", 2, "r3"), ("bea", 1, "r3"), ("bea", 2, "r3"),
        ]  # fmt: skip
        held = conn.execute(text("SELECT user_id, run_id FROM nightly_withheld ORDER BY 2, 1"))
        assert held.all()[-2:] == [("ann", "r3"), ("bea", "r3")]


def test_a_night_that_is_cut_short_leaves_no_row_behind(kept: Engine) -> None:
    def cut_short() -> None:
        with writing_scores(kept, "r3") as write:
            write(scores_for("ann"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut_short()
    with reading(kept) as conn:
        name = partitions.name_of("scores", "r3")
        assert conn.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar() == 0
    make_room(kept)
    assert not any("r3" in name for name in tables(kept))


def test_attaching_scans_nothing(kept: Engine) -> None:
    score(kept, "r3", "ann", "bea")
    heard: list[str] = []
    with writing(kept) as conn:
        driver = conn.connection.driver_connection
        driver.add_notice_handler(lambda notice: heard.append(notice.message_primary))
        conn.exec_driver_sql("SET LOCAL client_min_messages = debug1")
        publish(conn, "r3", "train", NOW)
    proofs = [words for words in heard if "is implied by existing constraints" in words]
    assert len(proofs) == 2, heard
    assert not any("building index" in words for words in heard)


@pytest.mark.parametrize("level", ["REPEATABLE READ", "READ COMMITTED"])
def test_publishing_waits_for_no_reader_and_no_reader_for_it(kept: Engine, level: str) -> None:
    score(kept, "r3", "ann")
    with kept.connect().execution_options(isolation_level=level) as analyst:
        before = runs_seen(analyst)
        assert seconds(lambda: put_in_force(kept, "r3")) < LONGEST_S
        assert seconds(lambda: runs_seen(analyst)) < LONGEST_S
        assert before == {"r1", "r2"}
        current = analyst.execute(text("SELECT DISTINCT run_id FROM current_scores")).scalars()
        assert set(current) == {"r2" if level == "REPEATABLE READ" else "r3"}


def test_a_publication_not_yet_committed_holds_nobody_up(kept: Engine) -> None:
    score(kept, "r3", "ann")
    with writing(kept) as conn:
        publish(conn, "r3", "train", NOW)
        with reading(kept) as other:
            other.exec_driver_sql(f"SET statement_timeout = '{LONGEST_S}s'")
            assert runs_seen(other) == {"r1", "r2"}
            other.execute(text("SELECT count(*) FROM current_scores")).scalar()


def test_erasing_and_publishing_do_not_lock_each_other_out(kept: Engine) -> None:
    score(kept, "r3", "ann", "bea")
    with kept.connect() as eraser, eraser.begin():
        erase_user(eraser, "ann", datetime.now(UTC), OPERATOR)
        publisher = threading.Thread(target=put_in_force, args=(kept, "r3"))
        publisher.start()
        publisher.join(0.3)
        assert publisher.is_alive()  # it waits for the erasure, and only for it
    publisher.join(10)
    assert not publisher.is_alive()
    with reading(kept) as conn:
        people = "SELECT DISTINCT user_id FROM {} ORDER BY 1"
        for name in partitions.PARENTS:
            assert list(conn.exec_driver_sql(people.format(name)).scalars()) == ["bea"]


def let_go_of_r1(engine: Engine) -> None:
    with writing(engine) as conn:
        clean_up(conn, keep=1)
    make_room(engine)


def test_retention_waits_for_a_reader_only_a_little(kept: Engine) -> None:
    with reading(kept) as analyst:
        analyst.execute(text("SELECT * FROM scores LIMIT 1")).all()
        room = threading.Thread(target=let_go_of_r1, args=(kept,))
        room.start()
        time.sleep(0.3)
        # While it waits for the one who still reads, nobody waits for it.
        for _ in range(5):
            with reading(kept) as other:
                assert seconds(lambda: runs_seen(other)) < LONGEST_S
        assert seconds(lambda: put_in_force(kept, "r2")) < LONGEST_S
        assert room.is_alive()
        room.join(30)
        assert not room.is_alive()
        assert runs_seen(analyst) == {"r1", "r2"}  # as it was when this reader began
        with reading(kept) as other:
            assert runs_seen(other) == {"r2"}
    put_in_force(kept, "r2")
    let_go_of_r1(kept)
    assert {name for name in tables(kept) if "r1" in name} == set()
    assert all(tables(kept).values())


def test_a_run_can_be_published_while_another_still_leaves(
    kept: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "_WAIT", "200ms")
    with reading(kept) as analyst:
        runs_seen(analyst)
        let_go_of_r1(kept)
        score(kept, "r3", "ann")
        put_in_force(kept, "r3")
        with reading(kept) as other:
            assert runs_seen(other) == {"r2", "r3"}


def test_going_back_to_a_kept_run(kept: Engine) -> None:
    with writing(kept) as conn:
        assert rollback(conn, NOW) == "r1"
    with reading(kept) as conn:
        current = conn.execute(text("SELECT DISTINCT run_id FROM current_scores")).scalars()
        assert list(current) == ["r1"]


def test_erasure_reaches_what_nobody_sees_yet(kept: Engine) -> None:
    score(kept, "r3", "ann", "bea")  # scored, and its process is lost
    with writing(kept) as conn:
        erase_user(conn, "ann", datetime.now(UTC), OPERATOR)
    with reading(kept) as conn:
        for name in tables(kept):
            people = conn.exec_driver_sql(f"SELECT DISTINCT user_id FROM {name}").scalars()
            assert list(people) == ["bea"], name


def test_erasure_does_not_wait_for_a_night_that_is_being_written(kept: Engine) -> None:
    hasty = connect(kept.url.render_as_string(hide_password=False), Patience(1.0, 2))
    with writing(kept) as conn:
        start_run(conn, "r3", NOW, 7, "1.0", ago(minutes=5))
    with writing_scores(kept, "r3") as write:
        write(scores_for("ann", "bea"))
        with writing(hasty) as conn:
            assert erase_user(conn, "ann", datetime.now(UTC), OPERATOR)["scores"] == 4
    with writing(kept) as conn:
        finish_run(conn, "r3", "trained", "well", {}, b"model", NOW)
        publish(conn, "r3", "train", NOW)
    with reading(kept) as conn:
        assert list(conn.execute(text("SELECT DISTINCT user_id FROM scores")).scalars()) == ["bea"]
    hasty.dispose()


def test_an_upgrade_under_way_does_not_spoil_the_night(kept: Engine) -> None:
    score(kept, "r3", "ann")
    with writing(kept) as conn:
        conn.exec_driver_sql("ALTER TABLE scores ADD COLUMN note text")
        conn.exec_driver_sql("ALTER TABLE scores ADD COLUMN number integer NOT NULL DEFAULT 7")
    put_in_force(kept, "r3")
    with reading(kept) as conn:
        query = text("SELECT note, number FROM scores WHERE run_id = 'r3'")
        assert conn.execute(query).all() == [(None, 7), (None, 7)]


@pytest.mark.parametrize("view", ["current_scores", "withheld_actions"])
def test_views_read_the_published_run_only(kept: Engine, view: str) -> None:
    score(kept, "r3", "ann", "bea")
    put_in_force(kept, "r3")
    with reading(kept) as conn:
        query = f"EXPLAIN (ANALYZE, TIMING off, COSTS off, SUMMARY off) SELECT * FROM {view}"
        plan = list(conn.exec_driver_sql(query).scalars())
    parent = "scores" if view == "current_scores" else "nightly_withheld"
    steps = [line for line in plan if f" on {parent}_" in line]
    assert len(steps) == 3
    left_out = {line for line in steps if "never executed" in line}
    assert left_out == {line for line in steps if partitions.name_of(parent, "r3") not in line}


def test_a_second_attempt_starts_afresh(engine: Engine) -> None:
    seed(engine)
    for _ in range(2):
        with writing(engine) as conn:
            begin_scores(conn, "r1")
            write_scores(conn, "r1", scores_for("ann"))
    add_run(engine, "r1", "bea")
    with reading(engine) as conn:
        assert list(conn.execute(text("SELECT DISTINCT user_id FROM scores")).scalars()) == ["bea"]


def test_a_published_run_is_not_written_again(kept: Engine) -> None:
    with pytest.raises(StoreError, match="exists"), writing(kept) as conn:
        begin_scores(conn, "r2")


def test_rows_need_no_vacuum(kept: Engine) -> None:
    score(kept, "r3", "ann", "bea")
    with reading(kept) as conn:
        for name in (partitions.name_of(parent, "r3") for parent in partitions.PARENTS):
            query = f"SELECT relallvisible, relpages FROM pg_class WHERE relname = '{name}'"
            assert tuple(conn.exec_driver_sql(query).one()) == (1, 1)


@pytest.mark.parametrize("run_id", ["r1", "R1", "it's 100 %", "x" * 200, "20261123T193016-abc123"])
def test_any_run_id_gives_a_name_of_its_own(postgres_url: str, run_id: str) -> None:
    engine = connect(postgres_url)
    seed(engine)
    add_run(engine, "r-1", "ann")
    add_run(engine, run_id, "ann")
    with reading(engine) as conn:
        assert runs_seen(conn) == {"r-1", run_id}
        names = {table.name for table in partitions.tables(conn)}
        assert len(names) == 4
        assert max(map(len, names)) <= 63
    engine.dispose()


def test_sqlite_publishes_while_others_read(sqlite_url: str) -> None:
    engine = connect(sqlite_url)
    seed(engine)
    add_run(engine, "r1", "ann")
    score(engine, "r2", "ann")
    with reading(engine) as analyst:
        query = text("SELECT DISTINCT run_id FROM current_scores")
        assert list(analyst.execute(query).scalars()) == ["r1"]
        assert seconds(lambda: put_in_force(engine, "r2")) < LONGEST_S
        assert seconds(lambda: let_go_of_r1(engine)) < LONGEST_S
        assert list(analyst.execute(query).scalars()) == ["r1"]
    with reading(engine) as conn:
        assert runs_seen(conn) == {"r2"}
    engine.dispose()
