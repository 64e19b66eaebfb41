"""The nightly picture: what is kept of each person, and writing beside scoring."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.assess import Assessor
from recommender.dataset import Records, take_users
from recommender.domain import Audience, Objective, Verdict
from recommender.errors import StoreError
from recommender.knowledge import load_knowledge
from recommender.nightly import WAITING, chunks_of, one_ahead, score_everyone
from recommender.picture import Picture, best_first
from recommender.published import Published
from recommender.store.bulk import load_records
from recommender.store.engine import connect, reading, writing
from recommender.store.partitions import attach
from recommender.store.queries import run_query
from recommender.store.runs import start_run
from recommender.store.score_rows import ScoreBatch

KEEP = 12


@pytest.fixture(scope="module")
def known(trained_sqlite: object) -> tuple[Assessor, Records, float]:
    """A published run, everybody's records and its instant."""
    knowledge = load_knowledge()
    engine = connect(f"sqlite:///{trained_sqlite}")
    live = Published(engine, knowledge.rules, knowledge.metrics).current()
    with reading(engine) as connection:
        catalogue = live.assessor.catalogue
        records = load_records(connection, live.run.as_of, catalogue, knowledge.metrics)
    engine.dispose()
    return live.assessor, records, live.run.as_of.timestamp()


@given(
    st.lists(
        st.lists(
            st.sampled_from([0.1, 0.25, 0.25 + 1e-16, 0.5, 0.9, -np.inf]), min_size=7, max_size=7
        ),
        min_size=1,
        max_size=5,
    ),
    st.integers(1, 9),
)
def test_the_best_are_those_of_a_stable_sort(scores: list[list[float]], keep: int) -> None:
    found = best_first(np.array(scores), keep)
    expected = np.argsort(-np.array(scores), axis=1, kind="stable")[:, :keep]
    np.testing.assert_array_equal(found, expected)


def _rows(batch: ScoreBatch, one: int) -> tuple[object, ...]:
    texts = (str(batch.user_id[one]), int(batch.rank[one]), str(batch.action_id[one]))
    verdict, rule = str(batch.verdict[one]), batch.rule_id[one].as_py()
    return (*texts, verdict, rule)


def test_the_picture_is_what_the_assessment_says_person_by_person(
    known: tuple[Assessor, Records, float],
) -> None:
    assessor, records, at = known
    batch = Picture(assessor, KEEP).of(records, at)
    whole = assessor.assess(records, at, Audience.USER)
    score, error = whole.score(Objective.BENEFIT), assessor.standard_error(whole)
    row, cautions, withheld = 0, 0, dict(batch.withheld)
    for user, user_id in enumerate(records.users.ids):
        may = [a for a in range(len(assessor.catalogue)) if not whole.withheld[user, a]]
        may = [a for a in may if assessor.active[a]]
        best = sorted(may, key=lambda a: (-score[user, a], a))[:KEEP]
        for rank, action in enumerate(best, start=1):
            rule = assessor.guard.rule_id(whole.decisions.rule[user, action])
            verdict = list(Verdict)[whole.decisions.verdict[user, action]].value
            cautions += verdict == "caution"
            expected = (user_id, rank, assessor.catalogue.ids[action], verdict, rule)
            assert _rows(batch, row) == expected
            figures = [batch.score, batch.p_complete, batch.benefit, batch.standard_error]
            assert [each[row] for each in figures] == pytest.approx(
                [each[user, action] for each in (score, whole.p_complete, whole.benefit, error)]
            )
            np.testing.assert_array_equal(batch.parts[row], whole.parts[user, action])
            row += 1
        held = np.flatnonzero(whole.withheld[user] & assessor.active).tolist()
        rules = [whole.decisions.rule[user, action] for action in held]
        assert json.loads(withheld.get(user_id, "[]")) == [
            [assessor.catalogue.ids[a], assessor.guard.rule_ids[r], assessor.guard.rule_versions[r],
             None]
            for a, r in zip(held, rules, strict=True)
        ]  # fmt: skip
    assert row == len(batch.rank)
    assert cautions
    assert withheld


def test_in_chunks_of_any_size_the_picture_is_the_same(
    known: tuple[Assessor, Records, float],
) -> None:
    assessor, records, at = known
    whole = Picture(assessor, KEEP).of(records, at)
    for size in (1, 7, 50):
        picture = Picture(assessor, KEEP)
        some = [picture.of(chunk, at) for chunk in chunks_of(records, size)]
        for name in ("score", "p_complete", "benefit", "parts", "standard_error"):
            joined = np.concatenate([getattr(batch, name) for batch in some])
            np.testing.assert_allclose(joined, getattr(whole, name), rtol=0, atol=1e-9)
        for name in ("user_id", "action_id", "verdict", "rule_id"):
            told = [text for batch in some for text in getattr(batch, name).to_pylist()]
            assert told == getattr(whole, name).to_pylist()
        assert [each for batch in some for each in batch.withheld] == whole.withheld


def test_items_are_used_in_order_beside_the_making_of_the_next() -> None:
    makes, used, told, threads = [0], [], [], set()

    def items() -> Iterator[int]:
        for number in range(20):
            makes[0] += 1
            assert makes[0] - len(used) <= WAITING + 2  # in use, waiting, and this one
            yield number

    def use(number: int) -> int:
        time.sleep(0.002)
        threads.add(threading.get_ident())
        used.append(number)
        return number

    one_ahead(items(), use, told.append)
    assert used == told == list(range(20))
    assert threads.isdisjoint({threading.get_ident()})
    assert len(threads) == 1


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_in_making_ends_the_using(error: type[BaseException]) -> None:
    used = []

    def items() -> Iterator[int]:
        yield from range(3)
        raise error("in the fourth")

    def use(number: int) -> int:
        time.sleep(0.02)
        used.append(number)
        return number

    with pytest.raises(error, match="in the fourth"):
        one_ahead(items(), use, lambda number: None)
    at_the_end = len(used)
    assert at_the_end < 3  # what waited was dropped
    time.sleep(0.06)
    assert len(used) == at_the_end  # nothing goes on in the background


def test_an_error_in_using_ends_the_making() -> None:
    made = []

    def items() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    def use(number: int) -> int:
        if number == 2:
            raise RuntimeError("the third")
        return number

    with pytest.raises(RuntimeError, match="the third"):
        one_ahead(items(), use, lambda number: None)
    assert len(made) <= 3 + WAITING + 1


def _score_again(url: str, known: tuple[Assessor, Records, float], size: int) -> list[float]:
    """Score everybody as a run named ``again``; the progress that was told."""
    assessor, records, at = known
    engine, told = connect(url), []
    as_of = datetime.fromtimestamp(at, UTC)
    with writing(engine) as connection:
        start_run(connection, "again", as_of, 1, "1", as_of)
    chunks = chunks_of(records, size)
    try:
        score_everyone(
            engine, "again", assessor, chunks, len(records.users), as_of, 20,
            lambda stage, share: told.append(share),
        )  # fmt: skip
    finally:
        engine.dispose()
    return told


def test_chunks_of_any_source_become_the_rows_of_the_run(
    trained_url: str, known: tuple[Assessor, Records, float]
) -> None:
    told = _score_again(trained_url, known, 7)
    assert told == sorted(told)
    assert told[-1] == 1.0
    engine = connect(trained_url)
    with writing(engine) as connection:
        attach(connection, "again")
    columns = "user_id, rank, action_id, score, base_part, factor_part, verdict, rule_id"
    with reading(engine) as connection:
        query = f"SELECT {columns} FROM scores WHERE run_id {{}} 'again' ORDER BY user_id, rank"
        ours, trained = (run_query(connection, query.format(how))[1] for how in ("=", "<>"))
    engine.dispose()
    assert len(ours) == len(trained) > 1000
    # two trainings of the fixture may differ in the last digits
    assert [row[:2] for row in ours] == [row[:2] for row in trained]


def test_what_the_database_refuses_ends_the_scoring(
    trained_url: str, known: tuple[Assessor, Records, float]
) -> None:
    engine = connect(trained_url)
    with writing(engine) as connection:
        connection.exec_driver_sql("ALTER TABLE scores RENAME TO elsewhere")
    engine.dispose()
    with pytest.raises(StoreError, match="upgrade"):
        _score_again(trained_url, known, 7)
    assert not [one for one in threading.enumerate() if one.name.startswith("nightly-writer")]


def test_nobody_makes_no_chunk(known: tuple[Assessor, Records, float]) -> None:
    _, records, _ = known
    assert not list(chunks_of(take_users(records, 0, 0), 5))
    people = [len(some.users) for some in chunks_of(take_users(records, 0, 11), 5)]
    assert people == [5, 5, 1]
