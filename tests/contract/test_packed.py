"""Whoever's record changes is packed anew, whatever else happens meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from packed_people import (
    LATER,
    OPERATOR,
    TAKE,
    a_reading,
    an_event,
    assert_packed_is_stored,
    assert_same,
    both,
    fill,
    marked,
    packed_at,
)
from sqlalchemy import Engine, event, insert, select, text
from store_rows import METRICS, NOW, action_row, seed

from recommender.ingest import (
    record_events,
    record_observations,
    record_users,
    retry_rejected,
)
from recommender.people import change_profile, erase_person
from recommender.purge import purge
from recommender.settings import Retention
from recommender.store import packing, schema
from recommender.store.engine import connect, reading, writing
from recommender.store.packing import Packing, mark_everybody, pack_changed, thin_out
from recommender.store.write import erase_user

_KEEP_A_DAY = Retention(retain_events_days=1, retain_observations_days=1)
WRITERS = {
    "event": ({"ann"}, lambda e: record_events(e, [an_event(90, "ann")], **TAKE)),
    "new person": ({"new"}, lambda e: record_events(e, [an_event(91, "new")], **TAKE)),
    "reading": ({"bea"}, lambda e: record_observations(e, [a_reading(92, "bea")], **TAKE)),
    "profile": ({"bea"}, lambda e: record_users(e, [{"user_id": "bea", "sex": "male"}], **TAKE)),
    "correction": ({"ann"}, lambda e: record_events(e, [an_event(1, "ann")], **TAKE)),
    "now another's": ({"ann", "bea"}, lambda e: record_events(e, [an_event(1, "bea")], **TAKE)),
    "corrected reading": (
        {"ann"},
        lambda e: record_observations(e, [a_reading(1, "ann", value=9.0)], **TAKE),
    ),
    "patch": ({"Čeněk"}, lambda e: change_profile(e, "Čeněk", {"sex": "other"}, OPERATOR)),
    "purge": ({"ann", "bea"}, lambda e: purge(e, _KEEP_A_DAY, NOW)),
    "erasure": (set(), lambda e: erase_person(e, "ann", OPERATOR)),
    "deleted by hand": (set(), lambda e: _run(e, "DELETE FROM users WHERE user_id = 'ann'")),
    "events by hand": ({"ann", "bea"}, lambda e: _run(e, "DELETE FROM events")),
    "same again": (set(), lambda e: record_users(e, [{"user_id": "bea"}], **TAKE)),
}


def _run(engine: Engine, statement: str) -> None:
    with writing(engine) as conn:
        conn.execute(text(statement))


@pytest.mark.parametrize("name", WRITERS)
def test_every_writer_marks_whom_it_changes(seeded: Engine, name: str) -> None:
    assert pack_changed(seeded) == Packing(3, 3)
    assert marked(seeded) == set()
    expected, write = WRITERS[name]
    write(seeded)
    assert marked(seeded) == expected
    before = packed_at(seeded)
    assert pack_changed(seeded).packed == len(expected)
    after = packed_at(seeded)
    assert {who for who in after if after[who] != before.get(who)} == expected
    assert_packed_is_stored(seeded)


def test_what_was_rejected_and_is_taken_later_marks(seeded: Engine) -> None:
    record_events(seeded, [an_event(93, "bea", action_id="swim")], **TAKE)
    pack_changed(seeded)
    with writing(seeded) as conn:
        conn.execute(insert(schema.actions), action_row("swim"))
    retry_rejected(seeded, metrics=METRICS, now=NOW)
    assert marked(seeded) == {"bea"}


def test_everything_emptied_at_once(postgres_url: str) -> None:
    engine = connect(postgres_url)
    seed(engine)
    pack_changed(engine)
    _run(engine, "TRUNCATE events")
    assert marked(engine) == {"ann", "bea", "Čeněk"}
    pack_changed(engine)
    assert_packed_is_stored(engine)
    _run(engine, "TRUNCATE users CASCADE")
    assert marked(engine) == set(packed_at(engine)) == set()
    engine.dispose()


def test_an_erased_person_leaves_nothing_packed(seeded: Engine) -> None:
    pack_changed(seeded)
    record_events(seeded, [an_event(94, "ann")], **TAKE)
    deleted = erase_person(seeded, "ann", OPERATOR)
    assert deleted["packed_records"] == 1
    assert deleted["record_changes"] >= 1
    assert "ann" not in packed_at(seeded)
    assert marked(seeded) == set()


@contextmanager
def _once_read(engine: Engine, deed: Any) -> Iterator[None]:
    """Do something when the packer has read the readings, the last that it reads."""
    done: list[bool] = []
    real = packing.ordered_observations

    def then(*columns: Any) -> Any:
        found = real(*columns)
        if not done:
            done.append(True)
            deed()
        return found

    patch = pytest.MonkeyPatch()
    patch.setattr(packing, "ordered_observations", then)
    yield
    patch.undo()
    assert done


def test_whoever_is_erased_or_changed_while_we_read(postgres_url: str) -> None:
    engine = connect(postgres_url)
    seed(engine)

    def meanwhile() -> None:
        with writing(engine) as conn:
            erase_user(conn, "ann", NOW, OPERATOR)
        record_events(engine, [an_event(95, "bea")], **TAKE)

    with _once_read(engine, meanwhile):
        pack_changed(engine)
    assert set(packed_at(engine)) == {"bea", "Čeněk"}
    assert marked(engine) == {"bea"}
    pack_changed(engine)
    assert_packed_is_stored(engine)
    engine.dispose()


def _marks(engine: Engine) -> list[str]:
    with reading(engine) as conn:
        return sorted(conn.execute(select(schema.record_changes.c.user_id)).scalars())


def test_very_many_marks_become_one_a_person(postgres_url: str) -> None:
    engine = connect(postgres_url)
    seed(engine)
    for number in range(8):
        record_events(engine, [an_event(200 + number, "ann")], **TAKE)
    before = _marks(engine)
    thin_out(engine)
    assert _marks(engine) == before  # not so many that it would pay
    with engine.connect() as other, other.begin():
        other.execute(select(schema.record_changes).limit(1))
        thin_out(engine, many=5, patience="50ms")
    assert _marks(engine) == before  # somebody was at the table: left as it is
    thin_out(engine, many=5)
    assert _marks(engine) == sorted(set(before))
    record_events(engine, [an_event(300, "ann")], **TAKE)
    assert _marks(engine) == sorted([*set(before), "ann"])
    pack_changed(engine)
    assert_packed_is_stored(engine)
    assert _marks(engine) == []
    engine.dispose()


def test_what_was_cut_off_is_done_by_the_next(seeded: Engine) -> None:
    def pull_the_plug(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack_changed(seeded, at_once=1, progress=pull_the_plug)
    assert len(packed_at(seeded)) == 1
    assert len(marked(seeded)) == 2
    assert pack_changed(seeded, at_once=1).packed == 2
    assert_packed_is_stored(seeded)


def test_a_transaction_cut_off_in_the_middle_takes_nothing(seeded: Engine) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "_insert", lambda conn, rows: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            pack_changed(seeded)
    assert marked(seeded) == {"ann", "bea", "Čeněk"}
    with reading(seeded) as conn:
        assert not conn.execute(select(schema.packed_names)).first()


def test_a_rebuild_gives_the_same(seeded: Engine) -> None:
    pack_changed(seeded)
    record_events(seeded, [an_event(96, "bea"), an_event(97, "new")], **TAKE)
    pack_changed(seeded)
    before = both(seeded, LATER)[1]
    assert pack_changed(seeded, rebuild=True).packed == 4
    assert_same(before, both(seeded, LATER)[1])


def test_a_rebuild_drops_who_is_gone(seeded: Engine) -> None:
    pack_changed(seeded)
    with writing(seeded) as conn:
        row = conn.execute(select(schema.packed_records)).mappings().first()
        conn.execute(insert(schema.packed_records), {**row, "user_id": "ghost"})
        mark_everybody(conn)
    assert set(packed_at(seeded)) == {"ann", "bea", "Čeněk"}


def test_only_the_changed_are_read(seeded: Engine) -> None:
    """A change of one in many reads by ids, whatever the number of all."""
    fill(seeded, 60)
    record_events(seeded, [an_event(100, "p007")], **TAKE)
    seen: list[str] = []
    with _statements(seeded, seen):
        assert pack_changed(seeded).packed == 1
    assert not [each for each in seen if "DELETE" in each and "WHERE" not in each]
    assert len(seen) < 20


@contextmanager
def _statements(engine: Engine, seen: list[str]) -> Iterator[None]:
    def note(conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield
    event.remove(engine, "before_cursor_execute", note)
