"""Every change of an action is kept with the change, and what was shown reads as it was."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Engine, bindparam, text
from store_rows import METRICS, NOW, ago, log_request, seed
from test_store_write import APP, Ask, answer

from recommender.curate import compare_file, find_action, retire_action, versions_of
from recommender.errors import ConflictError, NotFoundError
from recommender.ingest import record_actions
from recommender.store.column_types import UtcInstant
from recommender.store.direct import direct
from recommender.store.engine import migrating, reading, writing
from recommender.store.read import catalogue_version, load_catalogue
from recommender.store.upgrade import migration_config, upgrade
from recommender.store.versions import catalogue_revision

WALK: dict[str, Any] = {"action_id": "walk", "title": "Walk", "domain": "activity"}


def send(engine: Engine, *records: dict[str, Any], minutes: float = 0.0) -> None:
    now = NOW + timedelta(minutes=minutes)
    report = record_actions(engine, records, metrics=METRICS, now=now, source="mine.ndjson")
    assert report.rejected == ()


def revision(engine: Engine) -> int:
    with reading(engine) as connection:
        return catalogue_revision(connection)


def test_each_change_is_a_version_and_no_change_is_none(engine: Engine) -> None:
    send(engine, WALK, WALK | {"action_id": "nap"})
    send(engine, WALK, minutes=1)
    send(engine, WALK | {"title": "Stroll"}, minutes=2)
    send(engine, WALK | {"title": "Stroll", "retired": True}, minutes=3)
    send(engine, WALK, minutes=4)
    found = versions_of(engine, "walk")
    assert [one.version for one in found] == [1, 2, 3, 4]
    assert [one.revision for one in found] == [1, 2, 3, 4]
    assert [one.content["title"] for one in found] == ["Walk", "Stroll", "Stroll", "Walk"]
    assert [one.content["retired"] for one in found] == [False, False, True, True]
    assert [one.valid_from for one in found] == [
        NOW + timedelta(minutes=minute) for minute in (0, 2, 3, 4)
    ]
    assert {one.changed_by for one in found} == {"mine.ndjson"}
    assert len({one.content_hash for one in found}) == 4
    assert [one.revision for one in versions_of(engine, "nap")] == [1]


def test_every_field_is_kept(engine: Engine) -> None:
    whole = WALK | {
        "eligible": {"min_age": 50, "sex": "female"},
        "technique": "1.4 Action planning",
        "intensity": "light",
        "reviewed_on": "2026-01-01",
        "review_by": "2027-01-01",
        "evidence": [{"source": "WHO", "grade": "A", "verified": "primary"}],
        "team": "north",
    }
    send(engine, whole)
    (one,) = versions_of(engine, "walk")
    kept = {name: one.content[name] for name in whole if name in one.content}
    assert kept | {"evidence": 0} == {n: whole[n] for n in kept} | {"evidence": 0}
    assert one.content["attributes"] == {"team": "north"}
    assert one.content["evidence"][0]["verified"] == "primary"
    with reading(engine) as connection:
        action = find_action(load_catalogue(connection), "walk")
    assert str(action.reviewed_on) == "2026-01-01"
    assert (action.eligible.min_age, action.eligible.sex) == (50, "female")


def test_a_change_that_is_undone_leaves_no_version(engine: Engine) -> None:
    with pytest.raises(RuntimeError, match="power cut"):
        _cut_off(engine)
    assert revision(engine) == 0
    with pytest.raises(NotFoundError):
        versions_of(engine, "walk")


def _cut_off(engine: Engine) -> None:
    with writing(engine) as connection:
        record_actions(connection, [WALK], metrics=METRICS, now=NOW, source="x")
        raise RuntimeError("power cut")


def test_what_was_shown_still_shows_as_it_was(engine: Engine) -> None:
    seed(engine)
    served = (
        "SELECT request_id, title, domain, action_version FROM served_recommendations"
        " ORDER BY request_id"
    )

    def shown(request_id: str, seen: int | None) -> None:
        with direct(engine) as store:
            log_request(store, answer(request_id, "ann"), Ask(), "[]", APP, seen)

    shown("a0", 0)  # the catalogue was written past the product: no version yet
    send(engine, WALK)
    shown("a1", revision(engine))
    send(engine, WALK | {"title": "Stroll", "domain": "social"}, minutes=1)
    shown("a2", 1)  # given by a process that had not heard of the change
    shown("a3", revision(engine))
    shown("a4", None)  # logged before versions were: by time, NOW is before the second one
    send(engine, WALK | {"title": "March"}, minutes=2)
    with reading(engine) as connection:
        rows = [tuple(row) for row in connection.execute(text(served))]
    assert rows == [
        ("a0", "Walk", "activity", 1),
        ("a1", "Walk", "activity", 1),
        ("a2", "Walk", "activity", 1),
        ("a3", "Stroll", "social", 2),
        ("a4", "Walk", "activity", 1),
    ]


def test_an_action_without_versions_shows_as_it_is(engine: Engine) -> None:
    seed(engine)
    with direct(engine) as store:
        log_request(store, answer("q", "ann"), Ask(as_of=ago(days=1)), "[]", APP, 0)
    with reading(engine) as connection:
        row = connection.execute(text("SELECT * FROM served_recommendations")).one()
    assert (row.title, row.domain, row.action_version) == ("Walk", "activity", None)


def test_processes_notice_a_new_version(engine: Engine) -> None:
    seen = set()
    for title in ("Walk", "Stroll", "Walk"):
        send(engine, WALK | {"title": title})  # at the same instant, which the clock can't tell
        with reading(engine) as connection:
            seen.add(catalogue_version(connection))
    assert len(seen) == 3


def test_retiring_keeps_the_entry_and_its_history(engine: Engine) -> None:
    send(engine, WALK | {"eligible": {"min_age": 50}, "team": "north"})
    assert retire_action(engine, "walk", METRICS, NOW, "catalogue retire")
    assert not retire_action(engine, "walk", METRICS, NOW, "catalogue retire")
    first, second = versions_of(engine, "walk")
    assert first.content | {"retired": True} == second.content
    assert second.changed_by == "catalogue retire"
    with pytest.raises(NotFoundError):
        retire_action(engine, "unheard-of", METRICS, NOW, "x")


def test_an_entry_that_would_not_be_taken_is_not_retired_by_halves(engine: Engine) -> None:
    seed(engine)
    with writing(engine) as connection:
        connection.execute(text("UPDATE actions SET tags = '[\"swim\"]' WHERE action_id = 'walk'"))
    with pytest.raises(ConflictError, match="mend walk first"):
        retire_action(engine, "walk", METRICS, NOW, "x")
    with reading(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM rejected_records")).scalar() == 0


def test_a_file_is_compared_with_the_database(engine: Engine, tmp_path: Any) -> None:
    send(engine, WALK, WALK | {"action_id": "nap"}, WALK | {"action_id": "sit"})
    path = tmp_path / "mine.ndjson"
    path.write_text(
        '{"action_id": "walk", "title": "Stroll", "domain": "activity"}\n'
        '{"action_id": "sit", "title": "Walk", "domain": "activity"}\n'
        '{"action_id": "run", "title": "Run", "domain": "activity"}\n'
    )
    found = [(one.action_id, one.change, one.fields) for one in compare_file(engine, str(path))]
    assert found == [
        ("nap", "missing", {}),
        ("run", "added", {}),
        ("walk", "changed", {"title": ("Walk", "Stroll")}),
    ]


def test_unknown_names_in_eligible_are_refused(engine: Engine) -> None:
    wrong = WALK | {"eligible": {"conditions_none": ["asthmaa"]}}
    report = record_actions(engine, [wrong], metrics=METRICS, now=NOW, source="x")
    assert "no condition has the name 'asthmaa'" in report.rejected[0].reason


def test_an_upgrade_keeps_what_is_there_as_the_first_version(empty_engine: Engine) -> None:
    config = migration_config()
    with migrating(empty_engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        connection.execute(
            text(
                "INSERT INTO actions (action_id, title, domain, attributes, updated_at) VALUES"
                " ('walk', 'Walk', 'activity',"
                ' \'{"technique": "1.4 Action planning", "setting": "park"}\', :at)'
            ).bindparams(bindparam("at", type_=UtcInstant())),
            {"at": ago(days=3)},
        )
    upgrade(empty_engine)
    with reading(empty_engine) as connection:
        action = find_action(load_catalogue(connection), "walk")
    assert (action.technique, action.attributes) == ("1.4 Action planning", {"setting": "park"})
    (first,) = versions_of(empty_engine, "walk")
    assert (first.version, first.valid_from, first.changed_by) == (1, ago(days=3), "upgrade")
    send(empty_engine, WALK | {"technique": "1.4 Action planning", "setting": "park"})
    assert versions_of(empty_engine, "walk") == [first]
    with migrating(empty_engine) as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0004")
        back = connection.execute(text("SELECT attributes FROM actions")).scalar()
    assert "1.4 Action planning" in str(back)
