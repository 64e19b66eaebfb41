"""Whatever befalls a training: nobody sees a change, and the next one needs no help.

The quick part; ``make faults`` goes through many more moments with the command, on both databases.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from trained import SETTINGS

import recommender.train as flow
from recommender.errors import LockHeldError, LockLostError, NotMigratedError, StoreError
from recommender.knowledge import load_knowledge
from recommender.store import schema
from recommender.store.access import Asker
from recommender.store.engine import Engine, connect, writing
from recommender.store.lock import train_lock
from recommender.store.runs import published_run, rollback
from recommender.store.write import erase_user
from tests.faults.night import PERSON, TRAIN, complaints, go_on, kill, look, query, run, stopped_at

CUT = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"


def train(engine: Engine) -> flow.TrainReport:
    known = load_knowledge()
    return flow.train_and_publish(
        engine, rules=known.rules, metrics=known.metrics, settings=SETTINGS, force=True
    )


def train_again(url: str) -> str:
    engine = connect(url)
    report = train(engine)
    engine.dispose()
    return "" if report.published else "held back"


def just_before(monkeypatch: pytest.MonkeyPatch, step: str, happens: Callable[[], object]) -> None:
    """Let something happen the first time that the training comes to a step."""
    call = getattr(flow, step)
    left = [happens]

    def wrapped(*arguments: Any, **named: Any) -> Any:
        if left:
            left.pop()()
        return call(*arguments, **named)

    monkeypatch.setattr(flow, step, wrapped)


def change(url: str, statement: str) -> None:
    """Change something from a connection of its own."""
    engine = connect(url)
    with writing(engine) as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


@pytest.fixture
def trained(trained_url: str) -> Any:
    engine = connect(trained_url)
    yield engine
    engine.dispose()


def test_a_killed_training_leaves_the_old_run_and_the_next_succeeds(trained_url: str) -> None:
    before = look(trained_url)
    with stopped_at(trained_url, "commit") as process:
        assert kill(process).code == -signal.SIGKILL
    assert complaints(trained_url, before, train_again) == []


def test_a_second_train_ends_at_once_with_five_and_says_which_is_at_work(trained_url: str) -> None:
    before = look(trained_url)
    engine = connect(trained_url)
    change(trained_url, "UPDATE runs SET status = 'training'")
    with train_lock(engine):
        second = run(trained_url, *TRAIN)
    change(trained_url, "UPDATE runs SET status = 'trained'")
    assert second.code == 5
    assert f"another train holds the lock: run {before.run_id}, since 20" in second.said
    assert look(trained_url).run_id == before.run_id
    engine.dispose()


def test_a_machine_that_is_gone_loses_its_turn(trained_postgres_url: str) -> None:
    url = trained_postgres_url
    with stopped_at(url, "scored", env={"RECOMMENDER_TRAIN_LEASE_SECONDS": "2"}) as process:
        with pytest.raises(LockHeldError, match=r"process .+:\d+"):
            train_again(url)
        time.sleep(2.5)
        assert train_again(url) == ""
        before = look(url)
        back = go_on(process)
    assert back.code == 1
    assert "another train took over" in back.said
    assert complaints(url, before, train_again) == []


def test_its_own_session_cut_the_lock_is_taken_again(
    trained_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = look(trained_postgres_url)
    just_before(monkeypatch, "judge", lambda: change(trained_postgres_url, CUT))
    assert train_again(trained_postgres_url) == ""
    assert look(trained_postgres_url).run_id != before.run_id


def test_cut_in_the_last_transaction_it_fails_and_the_next_succeeds(
    trained_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = look(trained_postgres_url)
    just_before(monkeypatch, "publish", lambda: change(trained_postgres_url, CUT))
    engine = connect(trained_postgres_url)
    with pytest.raises(StoreError, match="terminat"):
        train(engine)
    assert query(engine, "SELECT count(*) FROM runs WHERE status = 'failed'") == [(1,)]
    engine.dispose()
    assert complaints(trained_postgres_url, before, train_again) == []


def test_overtaken_just_before_the_last_transaction_it_publishes_nothing(
    trained_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = look(trained_url)
    taken_over = "UPDATE runs SET status = 'failed', message = 'lost' WHERE status = 'training'"
    just_before(monkeypatch, "model_card", lambda: change(trained_url, taken_over))
    engine = connect(trained_url)
    with pytest.raises(LockLostError, match="another train took over"):
        train(engine)
    told = "SELECT message FROM runs WHERE status = 'failed'"
    assert query(engine, told) == [("lost",)]
    engine.dispose()
    assert complaints(trained_url, before, train_again) == []


def test_an_upgrade_in_between_is_noticed(
    trained_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = look(trained_url)
    later = "UPDATE alembic_version SET version_num = '{}'"
    [(present,)] = query(connect(trained_url), "SELECT version_num FROM alembic_version")
    just_before(monkeypatch, "model_card", lambda: change(trained_url, later.format("later")))
    with pytest.raises(NotMigratedError, match="upgraded while this train ran"):
        train(connect(trained_url))
    change(trained_url, later.format(present))
    assert complaints(trained_url, before, train_again) == []


def test_a_full_disk_is_named_and_nothing_changes(trained_sqlite_url: str) -> None:
    before = look(trained_sqlite_url)
    # A file may not grow: what a full disk comes to, without one.
    limited = (
        "import resource, sys; from recommender.cli import main; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)); main(sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited, *TRAIN, "--database-url", trained_sqlite_url],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "disk" in done.stderr
    assert complaints(trained_sqlite_url, before, train_again) == []


def test_a_commit_whose_word_is_lost_counts(
    trained: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def cut_after(engine: Engine) -> Any:
        with writing(engine) as connection:
            yield connection
        raise StoreError("the connection ended")

    just_before(
        monkeypatch, "require_its_turn", lambda: monkeypatch.setattr(flow, "writing", cut_after)
    )
    assert train(trained).published


def test_a_clock_set_back_confuses_nothing(trained: Engine) -> None:
    # As if the run in force had been trained while the clock was two years ahead.
    ahead = datetime.now(UTC) + timedelta(days=730)
    with writing(trained) as connection:
        old = published_run(connection)
        assert old is not None
        times = ("as_of", "started_at", "finished_at")
        connection.execute(update(schema.runs), dict.fromkeys(times, ahead))
        connection.execute(update(schema.publications), {"published_at": ahead})
    reports = [train(trained) for _ in range(2)]
    with writing(trained) as connection:
        run_in_force = published_run(connection)
        assert run_in_force is not None
        assert run_in_force.run_id == reports[1].run_id
        assert all(report.seconds > 0 for report in reports)
        assert rollback(connection, datetime.now(UTC)) == reports[0].run_id
        assert rollback(connection, datetime.now(UTC)) == old.run_id


def test_erased_by_a_clock_that_is_behind_they_are_left_out(
    trained: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def erase() -> None:
        with writing(trained) as connection:
            behind = datetime.now(UTC) - timedelta(days=2)
            erase_user(connection, PERSON, behind, Asker(None, "cli"))

    just_before(monkeypatch, "score_everyone", erase)
    report = train(trained)
    left = f"SELECT count(*) FROM scores WHERE user_id = '{PERSON}' AND run_id = '{report.run_id}'"
    assert query(trained, left) == [(0,)]
