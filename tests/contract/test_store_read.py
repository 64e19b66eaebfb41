"""What is stored comes back as the arrays that models read, for one person as for everybody."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, insert, update
from store_rows import (
    METRICS,
    NOW,
    action_row,
    ago,
    event_row,
    observation_row,
    user_row,
)

from recommender.dataset import Events, Observations, Records
from recommender.domain import EVENT_CODES, SEX_CODES, Catalogue, Sex, User
from recommender.store import schema
from recommender.store.alerts import AlertRow, acknowledge, keep_alerts
from recommender.store.bulk import load_records, user_id_chunks
from recommender.store.direct import Direct, direct
from recommender.store.engine import reading, writing
from recommender.store.read import (
    action_page,
    catalogue_version,
    load_catalogue,
    load_user,
    load_user_record,
    load_user_records,
    user_exists,
)


def _one(engine: Engine, user_id: str, as_of: datetime = NOW) -> Records:
    with reading(engine) as conn:
        catalogue = load_catalogue(conn)
    with direct(engine) as store:
        return load_user_record(store, user_id, as_of, catalogue, METRICS).records


def _all(engine: Engine, users: tuple[str, str] | None = None) -> Records:
    with reading(engine) as conn:
        return load_records(conn, NOW, load_catalogue(conn), METRICS, users)


def test_catalogue_is_in_order_of_ids(seeded: Engine) -> None:
    with writing(seeded) as conn:
        conn.execute(
            insert(schema.actions),
            action_row(
                "scan",
                effort=2,
                minutes=15.5,
                targets=["steps"],
                tags=["screening:x"],
                evidence=[{"source": "USPSTF", "grade": "B", "url": None, "date": "2021"}],
                attributes={"place": "clinic"},
                retired_at=ago(days=1),
            ),
        )
    with reading(seeded) as conn:
        catalogue = load_catalogue(conn)
    assert catalogue.ids == ("Zumba", "nap", "scan", "walk")
    scan = catalogue.actions[2]
    assert (scan.effort, scan.minutes, scan.targets) == (2, 15.5, ("steps",))
    assert (scan.tags, scan.attributes, scan.retired) == (
        ("screening:x",),
        {"place": "clinic"},
        True,
    )
    assert (scan.evidence[0].source, scan.evidence[0].grade) == ("USPSTF", "B")
    assert not catalogue.actions[0].retired


def test_catalogue_version_changes_with_any_change(seeded: Engine) -> None:
    seen = set()

    def look() -> None:
        with reading(seeded) as conn:
            seen.add(catalogue_version(conn))

    look()
    look()
    assert len(seen) == 1
    row = schema.actions.c
    for statement in (
        update(schema.actions).where(row.action_id == "nap").values(updated_at=NOW),
        # A clock set back: older than the newest.
        update(schema.actions).where(row.action_id == "walk").values(updated_at=ago(days=5)),
        insert(schema.actions).values(action_row("swim")),
    ):
        with writing(seeded) as conn:
            conn.execute(statement)
        look()
    assert len(seen) == 4


def test_pages_of_actions(seeded: Engine) -> None:
    with reading(seeded) as conn:
        every, end = action_page(conn, None, 10)
        first, after = action_page(conn, None, 2)
        rest, last = action_page(conn, after, 2)
    assert (len(every), end, last) == (3, None, None)
    assert first + rest == every
    assert after == first[-1].action_id


class _Counted(Direct):
    """Counts the statements sent."""

    def __init__(self, store: Direct) -> None:
        super().__init__(store.dialect, store._cursor)
        self.sent = 0

    def rows(self, statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        self.sent += 1
        return super().rows(statement, values)


def test_acknowledgements_come_with_the_record_to_the_microsecond(seeded: Engine) -> None:
    at = NOW.replace(microsecond=123_457)
    with direct(seeded) as store:
        keep_alerts(
            store,
            [
                AlertRow(name, who, "rule", 1, None, "info", NOW)
                for name, who in (("seen", "ann"), ("new", "ann"), ("other", "bea"))
            ],
        )
        with writing(seeded) as conn:
            for name, who in (("seen", "ann"), ("other", "bea")):
                acknowledge(conn, who, name, None, at)
        held = load_user_record(store, "ann", NOW, Catalogue(()), METRICS)
        both = load_user_records(store, ["ann", "bea"], NOW, Catalogue(()), METRICS)
    assert held.acknowledged == {"seen": at}
    assert both.acknowledged == {"seen": at, "other": at}


def test_one_person(seeded: Engine) -> None:
    with reading(seeded) as conn:
        catalogue = load_catalogue(conn)
    with direct(seeded) as store:
        counted = _Counted(store)
        records = load_user_record(counted, "ann", NOW, catalogue, METRICS).records
    assert counted.sent == 1
    users, events, readings = records.users, records.events, records.observations
    assert list(users.ids) == ["ann"]
    assert users.born_at[0] == datetime(1960, 2, 29, tzinfo=UTC).timestamp()
    assert users.sex[0] == SEX_CODES["female"]
    assert list(users.condition_name) == ["asthma", "knee pain"]
    assert {name: column[0] for name, column in users.attributes.items()} == {
        "diet": "vegan",
        "shift_work": True,
    }
    names = [catalogue.ids[place] for place in events.action]
    assert names == ["nap", "walk", "walk", "walk"]
    assert list(events.kind) == [EVENT_CODES[k] for k in ("impression",) * 2 + ("complete", "rate")]
    assert list(events.at) == [
        moment.timestamp()
        for moment in (*[ago(days=2, microseconds=1)] * 2, ago(days=1), ago(hours=1))
    ]
    assert events.request[0] == events.request[1] >= 0
    assert events.request[2] not in (events.request[0], -1)
    assert events.request[3] == -1
    np.testing.assert_array_equal(events.propensity, [0.5, 0.25, np.nan, np.nan])
    np.testing.assert_array_equal(events.value, [np.nan, np.nan, np.nan, 4.0])
    assert readings.ids is not None
    assert list(readings.ids) == ["o4", "o1", "o2", "o3"]
    assert list(readings.value) == [700.0, 150.0, 128.5, 131.0]


def test_unknown_person(seeded: Engine) -> None:
    records = _one(seeded, "nobody")
    assert list(records.users.ids) == ["nobody"]
    assert np.isnan(records.users.born_at[0])
    assert records.users.sex[0] == 0
    assert not records.users.attributes
    assert (
        len(records.events) == len(records.observations) == len(records.users.condition_user) == 0
    )
    with reading(seeded) as conn:
        assert not user_exists(conn, "nobody")
        assert load_user(conn, "nobody") is None


def test_profile(seeded: Engine) -> None:
    with reading(seeded) as conn:
        assert user_exists(conn, "ann")
        assert load_user(conn, "ann") == User(
            "ann",
            date(1960, 2, 29),
            Sex.FEMALE,
            ("asthma", "knee pain"),
            {"shift_work": True, "diet": "vegan"},
        )


def test_nothing_after_the_instant(seeded: Engine) -> None:
    before = _one(seeded, "ann", ago(days=1, microseconds=1))
    assert len(before.events) == 2
    assert list(before.observations.value) == [150.0]
    later = _one(seeded, "ann", NOW + timedelta(microseconds=1))
    assert (len(later.events), len(later.observations)) == (5, 5)


def test_action_the_caller_lacks_is_left_out(seeded: Engine) -> None:
    with reading(seeded) as conn:
        whole = load_catalogue(conn)
        known = Catalogue(tuple(a for a in whole.actions if a.action_id != "nap"))
        every = load_records(conn, NOW, known, METRICS)
    with direct(seeded) as store:
        one = load_user_record(store, "ann", NOW, known, METRICS).records
    assert {known.ids[place] for place in one.events.action} == {"walk"}
    assert {known.ids[place] for place in every.events.action} == {"walk", "Zumba"}


def test_everybody_equals_each_one(seeded: Engine) -> None:
    _assert_same_people(seeded, _all(seeded))


def test_chunks_cover_everybody_once(seeded: Engine) -> None:
    with reading(seeded) as conn:
        for size in (1, 2, 3, 10):
            chunks = user_id_chunks(conn, size)
            found = [list(_all(seeded, chunk).users.ids) for chunk in chunks]
            assert all(len(ids) <= size for ids in found)
            assert sorted(each for ids in found for each in ids) == ["ann", "bea", "Čeněk"]
    for chunk in chunks:
        _assert_same_people(seeded, _all(seeded, chunk))


def test_empty_database(engine: Engine) -> None:
    records = _all(engine)
    assert len(records.users) == len(records.events) == len(records.observations) == 0
    with reading(engine) as conn:
        assert user_id_chunks(conn, 5) == []
        assert len(load_catalogue(conn)) == 0


_MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(2026, 2, 1)).map(
    lambda moment: moment.replace(tzinfo=UTC)
)
# A few instants only, so that ties are common.
_TIED = st.one_of(st.sampled_from([ago(days=1), ago(days=2)]), _MOMENTS)
_PEOPLE = st.sampled_from(["ann", "bea", "Čeněk", 'o"d, d\n'])
_EVENTS = st.tuples(
    _PEOPLE,
    st.sampled_from(["walk", "nap", "Zumba"]),
    st.sampled_from(sorted(EVENT_CODES)),
    _TIED,
    st.sampled_from([None, "r1", "", "r,2"]),
    st.one_of(st.none(), st.floats(1e-6, 1.0)),
)
_READINGS = st.tuples(
    _PEOPLE, st.sampled_from(METRICS.names), st.floats(allow_nan=False, width=32), _TIED
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(events=st.lists(_EVENTS, max_size=30), readings=st.lists(_READINGS, max_size=20))
def test_any_records_are_the_same_for_one_and_for_all(
    seeded: Engine, events: list[Any], readings: list[Any]
) -> None:
    # Of events that are alike in all but their requests nothing tells which comes first, and
    # nothing depends on it.
    requests: dict[Any, str | None] = {}
    events = [
        event
        for event in events
        if requests.setdefault((*event[:4], event[5]), event[4]) == event[4]
    ]
    with writing(seeded) as conn:
        conn.execute(delete(schema.events))
        conn.execute(delete(schema.observations))
        conn.execute(delete(schema.users).where(schema.users.c.user_id == 'o"d, d\n'))
        conn.execute(insert(schema.users), user_row('o"d, d\n'))
        for n, (user, action, kind, at, request, propensity) in enumerate(events):
            row = event_row(str(n), user, action, at)
            more = {"type": kind, "request_id": request, "propensity": propensity}
            conn.execute(insert(schema.events), row | more)
        for n, (user, name, value, at) in enumerate(readings):
            finite = value if np.isfinite(value) else 0.0
            conn.execute(
                insert(schema.observations), observation_row(str(n), user, name, finite, at)
            )
    every = _all(seeded)
    assert len(every.events) == len(events)
    assert len(every.observations) == len(readings)
    assert list(every.users.ids) == sorted(every.users.ids)
    _assert_same_people(seeded, every)


def _assert_same_people(engine: Engine, every: Records) -> None:
    for place, user_id in enumerate(every.users.ids):
        one = _one(engine, user_id)
        np.testing.assert_array_equal(one.users.born_at, every.users.born_at[[place]])
        assert one.users.sex[0] == every.users.sex[place]
        conditions = every.users.condition_name[every.users.condition_user == place]
        assert list(one.users.condition_name) == list(conditions)
        for name, column in every.users.attributes.items():
            assert one.users.attributes.get(name, [None])[0] == column[place]
        _assert_same_rows(one.events, every.events, place)
        _assert_same_rows(one.observations, every.observations, place)


def _assert_same_rows(one: Events | Observations, every: Events | Observations, place: int) -> None:
    mine = every.user == place
    assert np.all(np.diff(every.user) >= 0)
    for field in dataclasses.fields(one):
        if field.name in ("user", "ids"):
            continue
        left, right = getattr(one, field.name), getattr(every, field.name)[mine]
        if field.name == "request":
            # Only which ones are equal is told.
            assert ((left == -1) == (right == -1)).all()
            left, right = left[:, None] == left, right[:, None] == right
        np.testing.assert_array_equal(left, right)
        assert left.dtype == right.dtype


def test_instants_are_exact(seeded: Engine) -> None:
    moments = [datetime(2026, 2, 3, 4, 5, 6, us, tzinfo=UTC) for us in range(0, 1_000_000, 7919)]
    with writing(seeded) as conn:
        rows = [event_row(f"x{n}", "bea", "walk", each) for n, each in enumerate(moments)]
        conn.execute(insert(schema.events), rows)
    expected = [ago(days=3).timestamp(), *(each.timestamp() for each in moments)]
    assert sorted(_one(seeded, "bea").events.at) == sorted(expected)


@pytest.mark.parametrize("offset", [-5, 0, 3])
def test_as_of_in_any_time_zone(seeded: Engine, offset: int) -> None:

    shifted = (NOW + timedelta(hours=offset)).replace(tzinfo=None)
    zone = datetime.strptime(f"{offset:+03d}00", "%z").tzinfo
    assert len(_one(seeded, "ann", shifted.replace(tzinfo=zone)).events) == 4
