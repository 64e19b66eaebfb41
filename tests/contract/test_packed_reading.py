"""Packed records are what the tables hold, bit for bit, whatever was done to the tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packed_people import (
    LATER,
    OPERATOR,
    PEOPLE,
    TAKE,
    a_reading,
    an_event,
    assert_packed_is_stored,
    assert_same,
    both,
    fill,
    packed_at,
)
from sqlalchemy import Engine, delete, insert, select, text, update
from store_rows import METRICS, NOW, action_row, ago, event_row, observation_row

from recommender.dataset import Records
from recommender.ingest import (
    record_events,
    record_observations,
    record_users,
)
from recommender.people import erase_person
from recommender.purge import purge
from recommender.settings import Retention
from recommender.store import packed, schema
from recommender.store.engine import reading, writing
from recommender.store.packing import Packing, pack_changed
from recommender.store.read import load_catalogue
from recommender.store.record_arrays import ordered_events
from recommender.store.write import erase_user


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_chunks_are_everybody_in_order(seeded: Engine, size: int) -> None:
    fill(seeded, 17)
    with reading(seeded) as conn:
        catalogue = load_catalogue(conn)
        every = packed.load_records(conn, NOW, catalogue, METRICS)
        counts = packed.packed_counts(conn)
    assert (counts.users, counts.events, counts.observations) == (20, 23, 7)
    chunks = list(packed.record_chunks(seeded, NOW, catalogue, METRICS, size))
    assert all(0 < len(chunk.users) <= size for chunk in chunks)
    ids = [user_id for chunk in chunks for user_id in chunk.users.ids]
    assert ids == sorted(ids) == list(every.users.ids)
    for name in ("at", "action", "kind"):
        joined = np.concatenate([getattr(chunk.events, name) for chunk in chunks])
        np.testing.assert_array_equal(joined, getattr(every.events, name))
    sizes = [len(chunk.observations) for chunk in chunks]
    assert sum(sizes) == len(every.observations)


def test_chunks_see_one_picture(seeded: Engine) -> None:
    """What comes in while a training runs is not seen; who is erased is."""
    pack_changed(seeded)
    with reading(seeded) as conn:
        catalogue = load_catalogue(conn)
    chunks = packed.record_chunks(seeded, LATER, catalogue, METRICS, 1)
    assert list(next(chunks).users.ids) == ["ann"]
    record_events(seeded, [an_event(98, "bea"), an_event(99, "cid")], **TAKE)
    record_users(seeded, [{"user_id": "bea", "sex": "male"}], **TAKE)
    erase_person(seeded, "Čeněk", OPERATOR)
    rest = list(chunks)
    assert [list(chunk.users.ids) for chunk in rest] == [["bea"]]
    assert (len(rest[0].events), rest[0].users.sex[0]) == (1, 0)


def test_samples_are_random_by_id_and_keep(seeded: Engine) -> None:
    fill(seeded, 60)

    def sample(size: int, seed: int = 3) -> Records:
        with reading(seeded) as conn:
            known = load_catalogue(conn)
            return packed.load_records(conn, NOW, known, METRICS, sample=size, seed=seed)

    ten = sample(10)
    assert len(ten.users) == 10
    assert list(ten.users.ids) == sorted(ten.users.ids)
    assert list(ten.users.ids) == list(sample(10).users.ids)
    assert set(ten.users.ids) < set(sample(20).users.ids)
    assert set(ten.users.ids) != set(sample(10, seed=4).users.ids)
    assert list(ten.users.ids) != sorted(sample(63).users.ids)[:10]
    assert_same(sample(63), sample(1000))
    assert_same(sample(1000), both(seeded, NOW)[1])


def test_an_empty_database(engine: Engine) -> None:
    assert pack_changed(engine) == pack_changed(engine, rebuild=True) == Packing(0, 0)
    assert_same(*both(engine, NOW))
    assert list(packed.record_chunks(engine, NOW, load_nothing(engine), METRICS, 5)) == []


def load_nothing(engine: Engine) -> Any:
    with reading(engine) as conn:
        return load_catalogue(conn)


def test_an_action_that_is_learned_of_later(seeded: Engine) -> None:
    """Codes last: what is packed before the catalogue grows means the same after."""
    pack_changed(seeded)
    with writing(seeded) as conn:
        conn.execute(insert(schema.actions), [action_row("aerobics"), action_row("oats")])
        conn.execute(insert(schema.events), event_row("e77", "bea", "aerobics", ago(days=1)))
        conn.execute(update(schema.users).values(updated_at=datetime.now(UTC)))
    pack_changed(seeded)
    assert_packed_is_stored(seeded)


_TIED = st.sampled_from([ago(days=1), ago(days=2), ago(hours=3), NOW + timedelta(days=2)])
_WHO = st.sampled_from(PEOPLE)
_DEEDS = st.lists(
    st.one_of(
        st.tuples(
            st.just("event"),
            st.integers(0, 12),
            _WHO,
            st.sampled_from(["walk", "nap", "Zumba"]),
            _TIED,
            st.sampled_from([None, "r1", "", "r,2"]),
            st.sampled_from([None, 0.25, 1.0]),
        ),
        st.tuples(
            st.just("reading"),
            st.integers(0, 12),
            _WHO,
            st.sampled_from(["steps", "systolic_bp"]),
            _TIED,
            st.floats(0, 900, allow_nan=False),
        ),
        st.tuples(st.just("profile"), _WHO, st.sampled_from(["male", "other"])),
        st.tuples(st.just("erase"), _WHO),
        st.tuples(st.just("purge"), st.integers(1, 3)),
        st.tuples(st.just("metric"), st.integers(0, 12), _WHO),
        st.tuples(st.just("pack"), st.sampled_from([None, 1, 2])),
    ),
    max_size=25,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(deeds=_DEEDS)
def test_after_any_history_packed_is_what_is_stored(engine: Engine, deeds: list[Any]) -> None:
    with writing(engine) as conn:
        for table in (schema.events, schema.observations, schema.users, schema.action_versions):
            conn.execute(delete(table))
        conn.execute(delete(schema.actions))
        conn.execute(insert(schema.actions), [action_row(x) for x in ("walk", "nap", "Zumba")])
    for what, *rest in deeds:
        _do(engine, what, *rest)
    pack_changed(engine)
    assert_packed_is_stored(engine)
    with reading(engine) as conn:
        known = set(conn.scalars(select(schema.users.c.user_id)))
    assert set(packed_at(engine)) == known


def _do(engine: Engine, what: str, *rest: Any) -> None:
    take = {**TAKE, "now": LATER}
    if what == "event":
        number, who, action, at, request, propensity = rest
        row = an_event(number, who, action_id=action, occurred_at=at.isoformat(), type="impression")
        record_events(engine, [row | {"request_id": request, "propensity": propensity}], **take)
    elif what == "reading":
        number, who, metric, at, value = rest
        row = a_reading(number, who, metric=metric, observed_at=at.isoformat(), value=value)
        record_observations(engine, [row], **take)
    elif what == "profile":
        record_users(engine, [{"user_id": rest[0], "sex": rest[1], "plan": "x"}], **take)
    elif what == "erase":
        with writing(engine) as conn:
            erase_user(conn, rest[0], NOW, OPERATOR)
    elif what == "purge":
        kept = Retention(retain_events_days=rest[0], retain_observations_days=rest[0])
        purge(engine, kept, NOW)
    elif what == "metric":
        with writing(engine) as conn:
            known = conn.scalar(select(schema.users.c.user_id))
            if known:
                name = observation_row(f"w{rest[0]}", known, f"odd {rest[0]}", 1.0, NOW)
                conn.execute(
                    delete(schema.observations).where(text(f"observation_id = 'w{rest[0]}'"))
                )
                conn.execute(insert(schema.observations), name)
    else:
        pack_changed(engine, at_once=rest[0])


@given(st.randoms(use_true_random=False))
def test_order_never_depends_on_how_rows_came(random: Any) -> None:
    rows = [(0, n % 2, 0, 5.0, n % 3, (0.5, np.nan)[n % 2], 1.0) for n in range(12)]
    shuffled = random.sample(rows, len(rows))
    dtypes = (np.int32, np.int32, np.int8, np.float64, np.int64, np.float64, np.float64)

    def ordered(given_rows: list[Any]) -> Any:
        columns = zip(*given_rows, strict=True)
        return ordered_events(*(np.array(c, d) for c, d in zip(columns, dtypes, strict=True)))

    assert_same(ordered(rows), ordered(shuffled))
