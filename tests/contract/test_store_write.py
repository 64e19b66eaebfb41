"""The request log, profiles, export, erasure and the access log."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import Engine, insert, inspect, select, text
from store_rows import NOW, action_row, add_run, ago, log_request, logged, user_row, whole_tables

from recommender.domain import (
    Action,
    Alert,
    Recommendation,
    RecommendationList,
    Sex,
    Verdict,
)
from recommender.errors import DataError, NotFoundError, TooMuchError
from recommender.store import schema
from recommender.store.access import Asker, log_access
from recommender.store.alerts import AlertRow, keep_alerts, kept_alerts
from recommender.store.direct import direct
from recommender.store.engine import reading, writing
from recommender.store.evaluations import Heading, save_evaluation
from recommender.store.keys import create_key
from recommender.store.packing import pack_changed
from recommender.store.person import export_user
from recommender.store.write import erase_user, log_requests, update_user


@dataclass(frozen=True)
class Ask:
    limit: int = 10
    domain: str | None = None
    audience: str = "user"
    objective: str = "benefit"
    as_of: datetime | None = None
    channel: str = "http"


def answer(request_id: str, user_id: str) -> RecommendationList:
    item = Recommendation(
        rank=1,
        action=Action("walk", "Walk", "activity"),
        score=0.5,
        p_complete=0.25,
        benefit=1.0,
        parts=(-1.0, -0.25, 0.125, 0.0, 0.026387711331890),
        verdict=Verdict.CAUTION,
        rule_id="knee",
        reasons=(),
        propensity=1.0,
        standard_error=0.75,
    )
    alerts = (Alert("bp_crisis", "urgent", "", ""),)
    return RecommendationList(request_id, user_id, "r1", NOW, False, (item,), alerts, 3)


APP = Asker("k", "http", purpose="care")
HEADING = Heading(NOW, NOW, NOW, 0, 2, 3, 2, {}, "0")


def _fill(engine: Engine) -> None:
    """Name ann in every table that names users, and bea as well."""
    pack_changed(engine)
    add_run(engine, "r0", "ann", "bea")
    add_run(engine, "r1", "ann", "bea")
    with direct(engine) as store:
        for user_id in ("ann", "bea"):
            verdicts = '[["nap", "withhold", "r", 1, "o1"]]'
            log_request(store, answer(f"q-{user_id}", user_id), Ask(), verdicts, APP)
            keep_alerts(store, [AlertRow(f"a-{user_id}", user_id, "x", 1, "o1", "info", NOW)])
    with writing(engine) as conn:
        conn.execute(text("UPDATE users SET updated_at = updated_at"))  # leaves marks
        for user_id in ("ann", "bea"):
            log_access(conn, NOW, Asker("k", "http"), "read", "profile", user_id)
            create_key(conn, "phone", ["read"], user_id, None, NOW)
            rejected = {"kind": "events", "record": {"user_id": user_id}, "reason": "why"}
            conn.execute(
                insert(schema.rejected_records),
                rejected
                | {"reason_code": "x", "user_id": user_id, "fingerprint": user_id}
                | {"rejected_at": NOW},
            )
        save_evaluation(conn, HEADING, _evaluated("ann", "bea"), read_at=NOW, keep=2)


def _evaluated(*people: str) -> Iterator[tuple[str, pa.Table]]:
    """A row a person in every table of an evaluation that names people."""
    shown = {"impression": [0]}
    scored = {"model": ["hybrid"], "score": [0.1]}
    for user_id in people:
        who = {"user_id": [user_id]}
        what = {**who, "action_id": ["walk"]}
        outcome = {"shown_at": [f"{NOW:%Y-%m-%dT%H:%M:%S.%fZ}"], "completed": [1], "weight": [1.0]}
        yield "evaluation_impressions", pa.table(what | shown | outcome)
        yield "evaluation_predictions", pa.table(who | shown | scored)
        yield "evaluation_relevant", pa.table(what | {"model": ["hybrid"], "rank": [1]})
        yield "evaluation_lists", pa.table(what | scored | {"rank": [1]})


def _tables_with_a_user(engine: Engine) -> list[str]:
    with reading(engine) as conn:
        found = inspect(conn)
        return [
            name
            for name in whole_tables(conn)
            if any(column["name"] == "user_id" for column in found.get_columns(name))
        ]


def _rows_naming(engine: Engine, user_id: str) -> dict[str, int]:
    """Rows that name the id anywhere in their text, by table."""
    counts = {}
    with reading(engine) as conn:
        for name in _tables_with_a_user(engine):
            rows = conn.execute(text(f"SELECT * FROM {name}")).all()
            # As a word: a hash may hold the letters by chance.
            counts[name] = sum(bool(re.search(rf"\b{user_id}\b", str(tuple(row)))) for row in rows)
    return counts


def test_request_is_kept_as_given(seeded: Engine) -> None:
    with direct(seeded) as store:
        log_request(store, answer("q1", "stranger"), Ask(limit=3, domain="sleep"), "[]", APP)
        log_request(store, answer("q2", "ann"), Ask(as_of=ago(days=1), channel="cli"), "[]", APP)
    with reading(seeded) as conn:
        first, second = conn.execute(
            schema.requests.select().order_by(schema.requests.c.request_id)
        ).all()
    assert (first.user_id, first.run_id, first.item_limit, first.domain) == (
        "stranger", "r1", 3, "sleep",
    )  # fmt: skip
    assert (first.generated_at, first.as_of, second.as_of) == (NOW, NOW, ago(days=1))
    assert (first.cold_start, first.withheld) == (False, 3)
    parts = [-1.0, -0.25, 0.125, 0.0, 0.026387711331890]
    assert first.items == [[1, "walk", 0.5, 0.25, 1.0, *parts, "caution", "knee", 1.0, 0.75]]
    assert first.alerts == [["bp_crisis", "urgent"]]


def test_who_asked_is_kept_beside_it(seeded: Engine) -> None:
    with direct(seeded) as store:
        log_request(store, answer("q1", "ann"), Ask(), "[]", APP)
        log_request(
            store, answer("q2", "ann"), Ask(channel="cli"), "[]", Asker(None, "cli", "root")
        )
    with reading(seeded) as conn:
        log = conn.execute(select(schema.access_log).order_by(text("access_id"))).all()
    assert [tuple(row)[1:] for row in log] == [
        (NOW, "k", "read", "ann", "http", "recommendations", None, "care"),
        (NOW, None, "read", "ann", "cli", "recommendations", "root", None),
    ]


def test_answers_given_together_each_say_who_asked(seeded: Engine) -> None:
    people = ["ann", "bea", "ann"]
    given = [
        logged(answer(f"q{place}", who), Ask(), "[]", Asker(f"k{place}", "http", purpose=who))
        for place, who in enumerate(people)
    ]
    with direct(seeded) as store:
        log_requests(store, given, (), list)
    with reading(seeded) as conn:
        log = conn.execute(select(schema.access_log).order_by(text("access_id"))).all()
        kept = conn.execute(text("SELECT user_id FROM requests ORDER BY request_id")).scalars()
        assert list(kept) == people
    assert [(row.user_id, row.key_id, row.purpose) for row in log] == [
        (who, f"k{place}", who) for place, who in enumerate(people)
    ]


def test_no_answer_is_kept_without_its_entry_nor_an_entry_without_its_answer(
    seeded: Engine,
) -> None:
    given = [logged(answer("q", who), Ask(), "[]", APP) for who in ("ann", "bea")]
    with direct(seeded) as store:
        with pytest.raises(seeded.dialect.loaded_dbapi.IntegrityError):
            log_requests(store, given, (), list)  # the same request twice
        assert store.rows("SELECT count(*) FROM access_log", {}) == [(0,)]
        log_requests(store, given[:1], (), list)
        assert store.rows("SELECT count(*) FROM access_log", {}) == [(1,)]
        assert store.rows("SELECT user_id FROM requests", {}) == [("ann",)]


def test_alerts_are_kept_with_the_answers_that_they_go_with_or_not_at_all(seeded: Engine) -> None:
    raised = [
        AlertRow(f"a-{who}", who, "rule", 2, seen, "critical", NOW)
        for who, seen in (("bea", None), ("ann", "o1"))
    ]
    given = [logged(answer("q", who), Ask(), "[]", APP) for who in ("ann", "bea")]
    with direct(seeded) as store:
        with pytest.raises(seeded.dialect.loaded_dbapi.IntegrityError):
            log_requests(store, given, raised, list)  # the same request twice
        assert store.rows("SELECT count(*) FROM alerts", {}) == [(0,)]
        log_requests(store, given[:1], [*raised, *raised], list)  # who asks twice at once
        later = [row._replace(raised_at=NOW + timedelta(hours=1)) for row in raised]
        keep_alerts(store, [*later[:1], *later[:1]])
    with reading(seeded) as conn:
        (ann,), (bea,) = kept_alerts(conn, "ann"), kept_alerts(conn, "bea")
    assert (ann.observation_id, ann.rule_version, ann.severity) == ("o1", 2, "critical")
    assert (ann.first_raised_at, ann.last_raised_at) == (NOW, NOW)
    assert (bea.observation_id, bea.first_raised_at) == (None, NOW)
    assert bea.last_raised_at == later[0].raised_at


def test_profile_changes_field_by_field(seeded: Engine) -> None:
    patch: dict[str, Any] = {"sex": "male", "attributes": {"diet": None, "pet": "cat"}}
    with writing(seeded) as conn:
        changed = update_user(conn, "ann", patch, NOW)
    assert (changed.sex, changed.birth_date) == (Sex.MALE, date(1960, 2, 29))
    assert changed.conditions == ("asthma", "knee pain")
    assert changed.attributes == {"shift_work": True, "pet": "cat"}
    with reading(seeded) as conn:
        stamps = dict(
            conn.execute(text("SELECT user_id, created_at = updated_at FROM users")).all()
        )
    assert not stamps["ann"]
    assert stamps["bea"]


def test_profile_that_cannot_change(seeded: Engine) -> None:
    with writing(seeded) as conn, pytest.raises(NotFoundError):
        update_user(conn, "nobody", {"sex": "male"}, NOW)
    with writing(seeded) as conn, pytest.raises(DataError):
        update_user(conn, "ann", {"user_id": "bea"}, NOW)


def test_attributes_added_bit_by_bit_are_limited(seeded: Engine) -> None:
    for start in (0, 100):
        more = {f"a{number}": 1 for number in range(start, start + 95)}
        with writing(seeded) as conn:
            update_user(conn, "ann", {"attributes": more}, NOW)
    for too_much in (
        {f"b{number}": 1 for number in range(20)},
        {"long": ["x" * 2_000] * 9},
        {f"a{number}": "x" * 2_000 for number in range(40)},
    ):
        with writing(seeded) as conn, pytest.raises(TooMuchError):
            update_user(conn, "ann", {"attributes": too_much}, NOW)


def test_export_holds_every_row_that_names_the_person(seeded: Engine) -> None:
    _fill(seeded)
    with reading(seeded) as conn:
        export = export_user(conn, "ann")
    json.dumps(export)
    assert export.pop("user_id") == "ann"
    assert sorted(export) == sorted(_tables_with_a_user(seeded))
    assert {name: len(rows) for name, rows in export.items()} == _rows_naming(seeded, "ann")
    assert all(export.values())
    assert "bea" not in str(export)
    assert export["users"][0]["birth_date"] == "1960-02-29"
    assert export["events"][0]["occurred_at"].endswith("Z")
    assert "key_hash" not in export["api_keys"][0]


def test_erasure_reaches_everything_of_one_person(seeded: Engine) -> None:
    _fill(seeded)
    before = _rows_naming(seeded, "ann")
    others = _rows_naming(seeded, "bea")
    assert all(before.values())
    with writing(seeded) as conn:
        deleted = erase_user(conn, "ann", NOW, Asker("k", "http"))
    # Erasing leaves marks of its own in PostgreSQL, and erases them too.
    assert deleted.pop("record_changes") >= before.pop("record_changes")
    assert deleted == before
    assert not any(_rows_naming(seeded, "ann").values())
    assert _rows_naming(seeded, "bea") == others
    with reading(seeded) as conn:
        proof = conn.execute(text("SELECT * FROM access_log WHERE operation = 'erase'")).one()
        assert (proof.key_id, proof.channel) == ("k", "http")
        assert conn.execute(text("SELECT count(*) FROM actions")).scalar() == 3
    with writing(seeded) as conn:
        assert erase_user(conn, "ann", NOW, Asker(None, "cli")) == {}


def test_actions_are_kept_by_their_events(seeded: Engine) -> None:
    with pytest.raises(Exception, match=r"(?i)foreign key"), writing(seeded) as conn:
        conn.execute(schema.actions.delete().where(schema.actions.c.action_id == "walk"))


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("users", user_row("x", sex="f")),
        ("actions", action_row("x", effort=6)),
        ("actions", action_row("x", minutes=-1)),
        ("access_log", {"at": NOW, "operation": "peek", "user_id": "x", "channel": "http"}),
    ],
)
def test_database_refuses_what_breaks_its_rules(engine: Engine, table: str, row: Any) -> None:
    with pytest.raises(Exception, match=f"ck_{table}_"), writing(engine) as conn:
        conn.execute(insert(schema.metadata.tables[table]), row)
