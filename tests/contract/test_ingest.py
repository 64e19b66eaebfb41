from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine, select

from recommender import ingest
from recommender.domain import MetricsList
from recommender.errors import MalformedFileError, NotTheirsError
from recommender.ingest import IngestReport, ingest_files, retry_rejected
from recommender.intake.fields import read_ids
from recommender.metrics_list import load_metrics
from recommender.resources import data_path
from recommender.store import schema
from recommender.store.access import Asker
from recommender.store.engine import reading, writing
from recommender.store.read import load_user
from recommender.store.write import erase_user

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
METRICS = load_metrics(data_path("metrics.toml"))
RECORD = {
    "users": ingest.record_users,
    "actions": ingest.record_actions,
    "events": ingest.record_events,
    "observations": ingest.record_observations,
}
WALK = {"action_id": "walk", "title": "Walk", "domain": "activity"}


def put(engine: Engine, kind: str, *records: Any, now: datetime = NOW, **more: Any) -> IngestReport:
    return RECORD[kind](engine, records, metrics=METRICS, now=now, source="test", **more)


def event(event_id: Any, **changes: Any) -> dict[str, Any]:
    usual = {
        "event_id": event_id, "user_id": "ann", "action_id": "walk", "type": "view",
        "occurred_at": "2026-05-01T08:00:00Z",
    }  # fmt: skip
    return {k: v for k, v in (usual | changes).items() if v is not ...}


def reading_of(observation_id: str, **changes: Any) -> dict[str, Any]:
    usual = {
        "observation_id": observation_id, "user_id": "ann", "metric": "glucose", "value": 100,
        "observed_at": "2026-05-01T08:00:00Z",
    }  # fmt: skip
    return {k: v for k, v in (usual | changes).items() if v is not ...}


def held(engine: Engine, kind: str) -> list[dict[str, Any]]:
    table = schema.metadata.tables[kind]
    with reading(engine) as conn:
        rows = conn.execute(select(table).order_by(next(iter(table.primary_key))))
        return [dict(row) for row in rows.mappings()]


def rejected(engine: Engine) -> list[dict[str, Any]]:
    return held(engine, "rejected_records")


def counts(report: IngestReport) -> tuple[int, int, int, int]:
    return report.accepted, report.duplicates, report.corrected, report.rejected_count


@pytest.fixture
def stocked(engine: Engine) -> Engine:
    assert counts(put(engine, "actions", WALK)) == (1, 0, 0, 0)
    return engine


def test_taking_twice_changes_nothing_and_other_content_corrects(stocked: Engine) -> None:
    assert counts(put(stocked, "events", event("e1"), event("e2"))) == (2, 0, 0, 0)
    before = held(stocked, "events")
    assert counts(put(stocked, "events", event("e1"), event("e2"))) == (0, 2, 0, 0)
    assert held(stocked, "events") == before
    assert counts(put(stocked, "events", event("e1", type="complete"))) == (0, 0, 1, 0)
    assert [row["type"] for row in held(stocked, "events")] == ["complete", "view"]


def test_the_last_of_a_batch_stands(stocked: Engine) -> None:
    batch = [event("e1"), event("e1"), event("e1", type="rate", value=4), event("e2")]
    assert counts(put(stocked, "events", *batch)) == (2, 1, 1, 0)
    assert [(row["type"], row["value"]) for row in held(stocked, "events")] == [
        ("rate", 4.0),
        ("view", None),
    ]


def test_unknown_people_are_created_once_and_have_no_profile(stocked: Engine) -> None:
    assert put(stocked, "events", event("e1"), event("e2", user_id="bob")).created_users == 2
    assert put(stocked, "observations", reading_of("o1", user_id="bob")).created_users == 0
    assert [(row["user_id"], row["sex"], row["conditions"]) for row in held(stocked, "users")] == [
        ("ann", "unknown", []),
        ("bob", "unknown", []),
    ]
    assert counts(put(stocked, "users", {"user_id": "ann", "sex": "Female"})) == (1, 0, 0, 0)


BAD_EVENTS: list[tuple[dict[str, Any], str]] = [
    ({"action_id": "fly"}, "unknown_action"),
    ({"type": "like"}, "unknown_type"),
    ({"type": ...}, "missing_field"),
    ({"user_id": " "}, "missing_field"),
    ({"user_id": "a\x00b"}, "bad_id"),
    ({"user_id": "x" * 201}, "bad_id"),
    ({"user_id": 1.5}, "bad_id"),
    ({"user_id": True}, "bad_id"),
    ({"user_id": "\ud800"}, "bad_id"),
    ({"occurred_at": "2026-05-01T08:00:00"}, "no_offset"),
    ({"occurred_at": "2026-05-01"}, "bad_time"),
    ({"occurred_at": "2026-02-30T08:00:00Z"}, "bad_time"),
    ({"occurred_at": 1777622400}, "bad_time"),
    ({"occurred_at": "2026-06-01T12:05:01Z"}, "in_future"),
    ({"occurred_at": "2026-06-01T15:00:00+02:00"}, "in_future"),
    ({"occurred_at": "1899-12-31T23:59:59Z"}, "too_long_ago"),
    ({"propensity": 0}, "out_of_range"),
    ({"propensity": 1.01}, "out_of_range"),
    ({"propensity": "often"}, "bad_number"),
    ({"propensity": True}, "bad_number"),
    ({"propensity": float("nan")}, "bad_number"),
    ({"type": "rate"}, "missing_field"),
    ({"type": "rate", "value": 6}, "out_of_range"),
    ({"value": 0.9}, "out_of_range"),
    ({"context": "{"}, "bad_context"),
    ({"context": 5}, "bad_context"),
    ({"context": {"a": "\x00"}}, "bad_context"),
    ({"context": {"a": 1}, "a": 2}, "bad_context"),
    ({"request_id": ["r"]}, "bad_id"),
]


def test_events_are_refused_with_a_reason(stocked: Engine) -> None:
    batch = [event(f"bad{place}", **changes) for place, (changes, _) in enumerate(BAD_EVENTS)]
    report = put(stocked, "events", event("good"), *batch, event("fine"))
    assert counts(report) == (2, 0, 0, len(batch))
    found = {each.index - 1: each.reason_code for each in report.rejected}
    assert found == {place: code for place, (_, code) in enumerate(BAD_EVENTS)}
    assert Counter(row["reason_code"] for row in rejected(stocked)) == Counter(found.values())


@pytest.mark.parametrize(
    ("changes", "stored"),
    [
        ({"event_id": 17}, {"event_id": "17"}),
        ({"event_id": 17.0}, {"event_id": "17"}),
        ({"user_id": " ann\t"}, {"user_id": "ann"}),
        ({"propensity": "0.25", "request_id": 9}, {"propensity": 0.25, "request_id": "9"}),
        ({"propensity": 1}, {"propensity": 1.0}),
        ({"type": "rate", "value": 5}, {"value": 5.0}),
        ({"context": '{"b":1, "a":"x"}'}, {"context": {"a": "x", "b": 1}}),
        ({"context": {"a": 1}, "screen": "home"}, {"context": {"a": 1, "screen": "home"}}),
        ({"value": None, "context": None}, {"value": None, "context": None}),
    ],
)
def test_events_are_stored_as_meant(
    stocked: Engine, changes: dict[str, Any], stored: dict[str, Any]
) -> None:
    assert counts(put(stocked, "events", event("e1") | changes)) == (1, 0, 0, 0)
    (row,) = held(stocked, "events")
    assert {name: row[name] for name in stored} == stored


@pytest.mark.parametrize(
    ("given", "utc"),
    [
        ("2026-03-29T01:59:59+01:00", datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC)),
        ("2026-03-29T03:00:00+02:00", datetime(2026, 3, 29, 1, tzinfo=UTC)),
        ("2025-10-26T02:30:00+02:00", datetime(2025, 10, 26, 0, 30, tzinfo=UTC)),
        ("2025-10-26T02:30:00+01:00", datetime(2025, 10, 26, 1, 30, tzinfo=UTC)),
        ("2026-05-01T23:30:00-05:45", datetime(2026, 5, 2, 5, 15, tzinfo=UTC)),
        ("2026-05-01t08:00:00.1234567z", datetime(2026, 5, 1, 8, 0, 0, 123456, tzinfo=UTC)),
        ("2026-06-01T12:04:59Z", NOW + timedelta(minutes=4, seconds=59)),
    ],
)
def test_instants_are_stored_in_utc(stocked: Engine, given: str, utc: datetime) -> None:
    # A broken neighbour must not change how the others are read.
    broken = event("bad", occurred_at="2026-02-30T00:00:00Z")
    put(stocked, "events", event("e1", occurred_at=given), broken)
    assert held(stocked, "events")[0]["occurred_at"] == utc


@pytest.mark.parametrize(
    ("metric", "value", "unit", "stored"),
    [
        ("glucose", 5.5, "mmol/L", 99.088),
        ("2345-7", 100, None, 100.0),
        ("hba1c", 48, "mmol/mol", 6.54304),
        ("systolic_bp", 16, "kPa", 120.00985),
        ("body_weight", 150, "[lb_av]", 68.0388555),
        ("body_weight", "150", "lbs", 68.0388555),
        ("body_temperature", 98.6, "[degF]", 37.0),
        ("body_height", 70, "[in_i]", 177.8),
        ("sleep_duration", 450, "min", 7.5),
    ],
)
def test_values_are_stored_in_the_metrics_unit(
    stocked: Engine, metric: str, value: Any, unit: str | None, stored: float
) -> None:
    report = put(stocked, "observations", reading_of("o1", metric=metric, value=value, unit=unit))
    assert counts(report) == (1, 0, 0, 0)
    (row,) = held(stocked, "observations")
    known = METRICS.metrics[METRICS.index[row["metric"]]]
    assert row["value"] == pytest.approx(stored, rel=1e-6)
    assert (row["unit"], row["raw_value"]) == (known.unit, float(value))
    assert row["raw_unit"] == (unit or known.unit)


BAD_OBSERVATIONS: list[tuple[dict[str, Any], str]] = [
    ({"metric": "mood"}, "unknown_metric"),
    ({"metric": ...}, "missing_field"),
    ({"unit": "kPa"}, "unknown_unit"),
    ({"unit": 7}, "bad_text"),
    ({"value": 9}, "implausible"),
    ({"value": 84, "unit": "mmol/L"}, "implausible"),
    ({"value": None}, "missing_field"),
    ({"value": "high"}, "bad_number"),
    ({"value": "1e999"}, "bad_number"),
    ({"value": 10**400}, "bad_number"),
    ({"observed_at": "2026-06-02T00:00:00Z"}, "in_future"),
    ({"observed_at": None}, "missing_field"),
    ({"source": "a\nb"}, "bad_text"),
]


def test_observations_are_refused_with_a_reason(stocked: Engine) -> None:
    batch = [
        reading_of(f"bad{place}", **changes) for place, (changes, _) in enumerate(BAD_OBSERVATIONS)
    ]
    report = put(stocked, "observations", reading_of("good"), *batch, reading_of("fine"))
    assert counts(report) == (2, 0, 0, len(batch))
    found = {each.index - 1: each.reason_code for each in report.rejected}
    assert found == {place: code for place, (_, code) in enumerate(BAD_OBSERVATIONS)}
    assert Counter(row["reason_code"] for row in rejected(stocked)) == Counter(found.values())


def test_the_quarantine_names_record_and_person(stocked: Engine) -> None:
    put(stocked, "observations", reading_of("o1", value=9), {"user_id": 7})
    kept = [(row["kind"], row["record_id"], row["user_id"]) for row in rejected(stocked)]
    assert kept == [("observations", "o1", "ann"), ("observations", None, "7")]


def test_reasons_do_not_repeat_what_was_measured(stocked: Engine) -> None:
    report = put(stocked, "observations", reading_of("o1", value=4321.5))
    assert "4321" not in report.rejected[0].reason


def test_columns_that_observations_do_not_keep_are_reported(stocked: Engine) -> None:
    assert put(stocked, "observations", reading_of("o1", mood="x")).ignored_columns == ("mood",)


def test_profiles_keep_what_a_record_does_not_mention(engine: Engine) -> None:
    first = {
        "user_id": "ann", "birth_date": "1980-02-29", "sex": "FEMALE",
        "conditions": ["Type 2 diabetes", "pregnancy"], "steps_goal": 8000, "smoker": False,
    }  # fmt: skip
    assert counts(put(engine, "users", first)) == (1, 0, 0, 0)
    later = NOW + timedelta(hours=1)
    partial = {"user_id": "ann", "birth_date": None, "smoker": True, "steps_goal": None}
    assert counts(put(engine, "users", partial, now=later)) == (0, 0, 1, 0)
    (row,) = held(engine, "users")
    assert (row["birth_date"], row["sex"]) == (None, "female")
    assert row["conditions"] == ["pregnancy", "type_2_diabetes"]
    assert row["attributes"] == {"smoker": True}
    assert (row["created_at"], row["updated_at"]) == (NOW, later)


def test_an_unchanged_profile_is_not_touched(engine: Engine) -> None:
    put(engine, "users", {"user_id": "ann", "sex": "male"})
    report = put(engine, "users", {"user_id": "ann"}, now=NOW + timedelta(days=1))
    assert counts(report) == (0, 1, 0, 0)
    assert held(engine, "users")[0]["updated_at"] == NOW


BAD_USERS: list[tuple[dict[str, Any], str]] = [
    ({"birth_date": "2026-06-02"}, "in_future"),
    ({"birth_date": "1899-12-31"}, "too_long_ago"),
    ({"birth_date": "1980-02-30"}, "bad_date"),
    ({"birth_date": 1980}, "bad_date"),
    ({"sex": "f"}, "unknown_sex"),
    ({"conditions": [1]}, "bad_conditions"),
    ({"conditions": {"a": 1}}, "bad_conditions"),
    ({"note": "\x00"}, "bad_attribute"),
    ({"user_id": None}, "missing_field"),
]


def test_profiles_are_refused_with_a_reason(engine: Engine) -> None:
    batch = [{"user_id": f"bad{place}"} | changes for place, (changes, _) in enumerate(BAD_USERS)]
    report = put(engine, "users", {"user_id": "good"}, *batch, {"user_id": "fine"})
    assert counts(report) == (2, 0, 0, len(batch))
    found = {each.index - 1: each.reason_code for each in report.rejected}
    assert found == {place: code for place, (_, code) in enumerate(BAD_USERS)}
    assert Counter(row["reason_code"] for row in rejected(engine)) == Counter(found.values())


def test_actions_are_whole_entries_that_can_be_retired(engine: Engine) -> None:
    full = WALK | {
        "effort": 2, "minutes": 20, "targets": ["glucose"], "tags": ["light_exercise"],
        "evidence": [{"source": "WHO", "grade": "guideline"}], "season": "any",
    }  # fmt: skip
    assert counts(put(engine, "actions", full)) == (1, 0, 0, 0)
    assert counts(put(engine, "actions", full, now=NOW + timedelta(1))) == (0, 1, 0, 0)
    (row,) = held(engine, "actions")
    assert row["updated_at"] == NOW
    assert (row["targets"], row["tags"], row["attributes"]) == (
        ["glucose"], ["light_exercise"], {"season": "any"},
    )  # fmt: skip
    assert counts(put(engine, "actions", WALK | {"retired": True})) == (0, 0, 1, 0)
    (row,) = held(engine, "actions")
    assert (row["effort"], row["retired_at"]) == (None, NOW)
    put(engine, "actions", WALK | {"effort": 3}, now=NOW + timedelta(1))
    assert held(engine, "actions")[0]["retired_at"] == NOW
    put(engine, "actions", WALK | {"retired": "false"})
    assert held(engine, "actions")[0]["retired_at"] is None


BAD_ACTIONS: list[tuple[dict[str, Any], str]] = [
    ({"tags": ["fun"]}, "unknown_tag"),
    ({"targets": ["mood"]}, "unknown_metric"),
    ({"effort": 6}, "out_of_range"),
    ({"minutes": -1}, "out_of_range"),
    ({"title": ""}, "bad_action"),
    ({"evidence": "often"}, "bad_action"),
    ({"title": "a\x00"}, "bad_text"),
    ({"action_id": None}, "missing_field"),
]


def test_actions_are_refused_with_a_reason(engine: Engine) -> None:
    batch = [
        WALK | {"action_id": f"bad{place}"} | changes
        for place, (changes, _) in enumerate(BAD_ACTIONS)
    ]
    report = put(engine, "actions", WALK, *batch, WALK | {"action_id": "run"})
    assert counts(report) == (2, 0, 0, len(batch))
    found = {each.index - 1: each.reason_code for each in report.rejected}
    assert found == {place: code for place, (_, code) in enumerate(BAD_ACTIONS)}
    assert Counter(row["reason_code"] for row in rejected(engine)) == Counter(found.values())


def test_what_is_no_object_is_refused(stocked: Engine) -> None:
    report = put(stocked, "events", 5, None, [event("e1")], event("e2"))
    assert [(each.index, each.reason_code) for each in report.rejected] == [
        (place, "not_an_object") for place in range(3)
    ]
    assert counts(report) == (1, 0, 0, 3)
    assert counts(retry_rejected(stocked, metrics=METRICS, now=NOW)) == (0, 0, 0, 3)
    assert len(rejected(stocked)) == 3


def test_a_rejected_record_is_kept_once_until_its_id_is_taken(stocked: Engine) -> None:
    for _ in range(2):
        put(stocked, "events", event("e1", type="like"))
    assert len(rejected(stocked)) == 1
    put(stocked, "events", event("e1"))
    assert rejected(stocked) == []


def test_a_rejection_later_in_the_batch_outlives_the_good_one(stocked: Engine) -> None:
    put(stocked, "events", event("e1", type="like"), event("e1"))
    assert rejected(stocked) == []
    put(stocked, "events", event("e2"), event("e2", type="like"))
    assert [row["record_id"] for row in rejected(stocked)] == ["e2"]


def test_retry_takes_what_has_been_mended(stocked: Engine) -> None:
    put(stocked, "events", event("e1", action_id="swim"), event("e2", type="like"))
    swim = WALK | {"action_id": "swim"}
    put(stocked, "actions", swim)
    report = retry_rejected(stocked, metrics=METRICS, now=NOW)
    assert counts(report) == (1, 0, 0, 1)
    assert [row["event_id"] for row in held(stocked, "events")] == ["e1"]
    (left,) = rejected(stocked)
    assert (left["record_id"], left["source"]) == ("e2", "test")
    assert report.rejected[0].index == left["rejected_id"]


def test_retry_mends_actions_before_what_needs_them(engine: Engine) -> None:
    put(engine, "events", event("e1"))
    put(engine, "actions", WALK | {"targets": ["mood"]})
    with writing(engine) as conn:
        record = schema.rejected_records.c.record
        conn.execute(
            schema.rejected_records.update()
            .where(schema.rejected_records.c.kind == "actions")
            .values({record: WALK})
        )
    assert counts(retry_rejected(engine, metrics=METRICS, now=NOW, kinds=("users",))) == (0,) * 4
    assert counts(retry_rejected(engine, metrics=METRICS, now=NOW)) == (2, 0, 0, 0)


def test_retry_takes_versions_in_the_order_they_came(
    stocked: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "_RETRY_ROWS", 1)
    for propensity in (0.1, 0.2):
        put(stocked, "events", event("e1", action_id="swim", propensity=propensity))
    put(stocked, "actions", WALK | {"action_id": "swim"})
    assert counts(retry_rejected(stocked, metrics=METRICS, now=NOW)) == (1, 0, 1, 0)
    assert held(stocked, "events")[0]["propensity"] == 0.2
    assert rejected(stocked) == []


def test_a_callers_transaction_is_the_callers(stocked: Engine) -> None:
    def twice_then_fail() -> None:
        with writing(stocked) as conn:
            for number in range(2):
                batch = [event("e1"), event(f"e{number}")]
                ingest.record_events(conn, batch, metrics=METRICS, now=NOW, source="test")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        twice_then_fail()
    assert held(stocked, "events") == []


Save = Callable[[str, Any], str]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def _save(name: str, content: Any) -> str:
        path = tmp_path / name
        if isinstance(content, pa.Table):
            pq.write_table(content, path)
        else:
            path.write_text(content)
        return str(path)

    return _save


def files(engine: Engine, kind: str, *paths: str, metrics: MetricsList = METRICS) -> IngestReport:
    return ingest_files(engine, kind, paths, metrics=metrics, now=NOW)


def test_all_formats_end_the_same(engine: Engine, save: Save) -> None:
    put(engine, "actions", WALK)
    csv = save(
        "events.csv",
        "event_id,user_id,action_id,type,occurred_at,propensity,value,context\n"
        '1,7,walk,impression,2026-05-01T10:00:00+02:00,0.5,,"{""a"": 1}"\n'
        "2,7,walk,rate,2026-05-01T08:00:00Z,,4,\n",
    )
    assert counts(files(engine, "events", csv)) == (2, 0, 0, 0)
    shared = {"user_id": 7, "action_id": "walk", "occurred_at": "2026-05-01T08:00:00Z"}
    one = shared | {"event_id": 1, "type": "impression", "propensity": 0.5, "context": {"a": 1}}
    two = shared | {"event_id": 2, "type": "rate", "value": 4}
    ndjson = save("events.ndjson", json.dumps(one) + "\n" + json.dumps(two) + "\n")
    assert counts(files(engine, "events", ndjson)) == (0, 2, 0, 0)
    at = pa.array([datetime(2026, 5, 1, 8, tzinfo=UTC)] * 2, pa.timestamp("ns", tz="Europe/Berlin"))
    table = pa.table(
        {
            "event_id": [1, 2], "user_id": [7, 7], "occurred_at": at,
            "action_id": pa.array(["walk", "walk"]).dictionary_encode(),
            "type": ["impression", "rate"], "propensity": [0.5, None], "value": [None, 4],
            "context": ['{"a":1}', None],
        }
    )  # fmt: skip
    assert counts(files(engine, "events", save("events.parquet", table))) == (0, 2, 0, 0)


def test_parquet_without_time_zone_has_no_offset(stocked: Engine, save: Save) -> None:
    table = pa.table(
        {**{k: [v] for k, v in event("e1").items()}, "occurred_at": [datetime(2026, 1, 1)]}
    )
    report = files(stocked, "events", save("x.parquet", table))
    assert [each.reason_code for each in report.rejected] == ["no_offset"]


def test_users_csv_types_its_attributes(engine: Engine, save: Save) -> None:
    path = save(
        "users.csv",
        "user_id,birth_date,sex,conditions,goal,zip,smoker,empty\n"
        "1,1980-01-31,female,hypertension; asthma;,8000,01234,true,\n"
        "2,2190-01-01,male,,7.5,x,false,\n",
    )
    assert counts(files(engine, "users", path)) == (1, 0, 0, 1)
    (row,) = held(engine, "users")
    assert row["conditions"] == ["asthma", "hypertension"]
    assert row["attributes"] == {"goal": 8000, "zip": "01234", "smoker": True}
    # What is retried must be read as the file would be.
    retry_rejected(engine, metrics=METRICS, now=datetime(2200, 1, 1, tzinfo=UTC))
    assert held(engine, "users")[1]["attributes"] == {"goal": 7.5, "zip": "x", "smoker": False}


def test_users_parquet_lists_and_dates(engine: Engine, save: Save) -> None:
    table = pa.table(
        {"user_id": ["a", "b"], "birth_date": [datetime(1980, 1, 31).date(), None],
         "conditions": [["asthma"], None], "goal": [1.5, None]}
    )  # fmt: skip
    assert counts(files(engine, "users", save("u.parquet", table))) == (2, 0, 0, 0)
    assert [(row["conditions"], row["attributes"]) for row in held(engine, "users")] == [
        (["asthma"], {"goal": 1.5}),
        ([], {}),
    ]


def test_actions_csv_as_the_contract_spells_it(engine: Engine, save: Save) -> None:
    path = save(
        "actions.csv",
        "action_id,title,domain,description,effort,minutes,targets,tags,repeat_after_days,evidence,"
        'setting\nwalk,Walk,activity,,2,20,glucose;hba1c,light_exercise,1,"[{""source"": ""WHO"",'
        ' ""grade"": ""guideline""}]",park\n',
    )
    assert counts(files(engine, "actions", path)) == (1, 0, 0, 0)
    (row,) = held(engine, "actions")
    assert row["evidence"][0]["grade"] == "guideline"
    assert (row["effort"], row["attributes"]) == (2, {"setting": "park"})


def test_a_file_without_a_required_column_is_malformed(engine: Engine, save: Save) -> None:
    with pytest.raises(MalformedFileError, match=r"users\.csv, line 1: no column user_id"):
        files(engine, "users", save("users.csv", "id,sex\n1,male\n"))


def test_what_stands_before_a_broken_line_may_be_taken_again(
    stocked: Engine, save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recommender.formats.blocks.BLOCK_BYTES", 256)
    lines = [json.dumps(event(f"e{number}")) for number in range(10)]
    path = save("events.ndjson", "\n".join([*lines[:7], "{oops", *lines[7:]]))
    with pytest.raises(MalformedFileError, match=r"line 8, column 2: .*\(6 records before were"):
        files(stocked, "events", path)
    assert len(held(stocked, "events")) == 6
    mended = save("events.ndjson", "\n".join(lines))
    assert counts(files(stocked, "events", mended)) == (4, 6, 0, 0)


def test_files_list_so_many_rejections_and_count_all(
    stocked: Engine, save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recommender.intake.report.MOST_LISTED", 3)
    bad = "\n".join(json.dumps(event(f"e{number}", type="like")) for number in range(9))
    seen: list[int] = []
    report = ingest_files(
        stocked, "events", [save("e.ndjson", bad)], metrics=METRICS, now=NOW, progress=seen.append
    )
    assert (len(report.rejected), report.rejected_count, report.read) == (3, 9, 9)
    assert seen == [9]


def test_ids_can_be_read_beforehand_as_they_will_be_taken() -> None:
    given = [" a\t", 7, 7.0, True, None, "", "x\x00", ["a"], "\u00a0b"]
    assert read_ids(given) == ["a", "7", "7", None, None, None, None, None, "b"]


def test_synonyms_of_conditions_are_understood_and_unknown_ones_kept(engine: Engine) -> None:
    given = ["Pregnant", "Anorexia nervosa", "T1D", "hay fever"]
    ingest.record_users(
        engine, [{"user_id": "u", "conditions": given}], metrics=METRICS, now=NOW, source="test"
    )
    with reading(engine) as connection:
        user = load_user(connection, "u")
    assert user is not None
    assert user.conditions == ("eating_disorder", "hay_fever", "pregnancy", "type_1_diabetes")


@pytest.mark.parametrize("kind", ["events", "observations"])
def test_a_sender_of_one_persons_records_takes_over_none_of_anothers(
    stocked: Engine, kind: str
) -> None:
    make = event if kind == "events" else reading_of
    put(stocked, kind, make("theirs"), make("own", user_id="bob"))
    before = held(stocked, kind)
    batches = [
        [make(" theirs\t", user_id="bob")],
        [make("new", user_id="bob"), make("theirs", user_id="bob")],
        [make("new", user_id="bob"), make("new2")],
        [make("new", user_id="bob"), make("new2", type="?", metric="?", user_id="cyd")],
        [make("new", user_id=...)],
        ["bob"],
    ]
    for batch in batches:
        with pytest.raises(NotTheirsError):
            put(stocked, kind, *batch, only_user="bob")
    assert held(stocked, kind) == before
    assert rejected(stocked) == []
    later = dict.fromkeys(("occurred_at", "observed_at"), "2026-05-02T08:00:00Z")
    own = make("own", user_id=" bob ", **later)
    assert counts(put(stocked, kind, own, only_user="bob")) == (0, 0, 1, 0)


@pytest.mark.parametrize("kind", ["events", "observations"])
def test_a_record_is_not_taken_over_by_one_sent_at_the_same_time(
    stocked: Engine, kind: str
) -> None:
    make = event if kind == "events" else reading_of
    found: list[Exception] = []

    def take_over() -> None:
        try:
            put(stocked, kind, make("first", user_id="bob"), only_user="bob")
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=take_over)
    with writing(stocked) as conn:
        RECORD[kind](conn, [make("first")], metrics=METRICS, now=NOW, source="test")
        thread.start()
        time.sleep(0.3)  # by now it waits for this transaction
    thread.join()
    assert [type(error) for error in found] == [NotTheirsError]
    assert [row["user_id"] for row in held(stocked, kind)] == ["ann"]


@pytest.mark.parametrize("kind", ["events", "observations"])
def test_a_rejected_record_is_not_released_by_another_persons(stocked: Engine, kind: str) -> None:
    make = event if kind == "events" else reading_of
    bad = {"action_id": "swim", "metric": "grip"}
    put(stocked, kind, make("e1", **bad), make("e1", user_id=..., **bad), make("e2", **bad))
    put(stocked, kind, make("e1", user_id="bob"), make("e2", user_id="bob"), make("e2"))
    left = [(row["record_id"], row["user_id"]) for row in rejected(stocked)]
    assert left == [("e1", "ann"), ("e1", None)]
    put(stocked, kind, make("e3", **bad), make("e3", user_id="bob"))
    assert ("e3", "ann") in [(row["record_id"], row["user_id"]) for row in rejected(stocked)]


def test_retry_takes_over_no_record_of_another_person(stocked: Engine) -> None:
    late = {"user_id": "bob", "action_id": "swim"}
    put(stocked, "events", event("e1", **late), event("e2", **late), event("e2", action_id="swim"))
    put(stocked, "events", event("e1"))
    put(stocked, "actions", WALK | {"action_id": "swim"})
    report = retry_rejected(stocked, metrics=METRICS, now=NOW)
    assert counts(report) == (1, 0, 0, 2)
    assert {each.reason_code for each in report.rejected} == {"other_person"}
    owners = [(row["event_id"], row["user_id"]) for row in held(stocked, "events")]
    assert owners == [("e1", "ann"), ("e2", "bob")]
    left = [(row["record_id"], row["user_id"], row["reason_code"]) for row in rejected(stocked)]
    assert left == [("e1", "bob", "other_person"), ("e2", "ann", "other_person")]
    assert [row["source"] for row in rejected(stocked)] == ["test", "test"]


def test_retry_lets_go_of_what_it_takes_whomever_it_was_kept_for(stocked: Engine) -> None:
    """Older versions may have kept a record without the person it names."""
    put(stocked, "events", event("e1", action_id="swim"))
    with writing(stocked) as conn:
        conn.execute(schema.rejected_records.update().values(user_id=None))
    put(stocked, "actions", WALK | {"action_id": "swim"})
    assert counts(retry_rejected(stocked, metrics=METRICS, now=NOW)) == (1, 0, 0, 0)
    assert rejected(stocked) == []


TOO_MUCH: list[tuple[dict[str, Any], str]] = [
    ({f"a{number}": 1 for number in range(201)}, "bad_attribute"),
    ({"n" * 201: 1}, "bad_attribute"),
    ({"long": "x" * 16 * 1024}, "bad_attribute"),
    ({f"a{number}": "x" * 16_000 for number in range(5)}, "bad_attribute"),
    ({"conditions": [f"c{number}" for number in range(201)]}, "bad_conditions"),
]


def test_a_profile_holds_so_much_and_no_more(engine: Engine) -> None:
    batch = [{"user_id": f"u{place}"} | changes for place, (changes, _) in enumerate(TOO_MUCH)]
    report = put(engine, "users", *batch, {"user_id": "fine"})
    assert [each.reason_code for each in report.rejected] == [code for _, code in TOO_MUCH]
    assert [row["record_id"] for row in rejected(engine)] == [each["user_id"] for each in batch]
    assert rejected(engine)[2]["record"] == batch[2]
    assert [row["user_id"] for row in held(engine, "users")] == ["fine"]


def test_attributes_are_limited_over_all_records_of_a_person(engine: Engine) -> None:
    pieces = [
        {"user_id": "ann", **{f"a{first + more}": "x" * 200 for more in range(50)}}
        for first in range(0, 250, 50)
    ]
    for batch in (pieces[:2], pieces[2:]):
        report = put(engine, "users", *batch)
    assert counts(report) == (0, 0, 2, 1)
    assert (report.rejected[0].index, report.rejected[0].reason_code) == (2, "bad_attribute")
    assert len(held(engine, "users")[0]["attributes"]) == 200
    assert counts(retry_rejected(engine, metrics=METRICS, now=NOW)) == (0, 0, 0, 1)
    assert counts(put(engine, "users", {"user_id": "ann", "a0": 1, "sex": "male"})) == (0, 0, 1, 0)
    swapped = {"user_id": "ann", "a0": None, "b0": 1}
    assert counts(put(engine, "users", swapped)) == (0, 0, 1, 0)


def test_what_was_too_much_before_may_stay_and_shrink(engine: Engine) -> None:
    put(engine, "users", {"user_id": "ann"})
    old = {f"a{number}": "x" * 500 for number in range(300)}
    with writing(engine) as conn:
        conn.execute(schema.users.update().values(attributes=old))
    assert counts(put(engine, "users", {"user_id": "ann", "sex": "male"})) == (0, 0, 1, 0)
    assert counts(put(engine, "users", {"user_id": "ann", "a0": None, "a1": 1})) == (0, 0, 1, 0)
    assert counts(put(engine, "users", {"user_id": "ann", "a0": 1})) == (0, 0, 0, 1)


NAMED_OTHERWISE: list[Any] = [
    {"userId": "PERSON"}, ["ar", "PERSON"], "PERSON", {"user_id": {"id": "PERSON"}},
    {"userId": "\u00a0PERSON\n"}, {"PERSON": [1]}, [[{"a": [{"b": "PERSON"}]}]],
    {"event_id": "x", "user_id": "bob", "carer": "PERSON"},
]  # fmt: skip
NOT_NAMED: list[Any] = [
    {"note": "carer of PERSON"}, {"userId": "PERSON2"}, ["xPERSON"], {"user_id": "bob"}, 7, None,
    {"event_id": "y", "user_id": "bob", "note": "PERSON?"},
]  # fmt: skip


@pytest.mark.parametrize("person", ["ann", 'a"n\\n', "Čeněk 🙂", "%_", "a\u2028n", "7"])
def test_erasure_reaches_rejected_records_that_name_the_person_otherwise(
    stocked: Engine, person: str
) -> None:
    def of_person(records: list[Any]) -> list[Any]:
        spelled = json.dumps(person)[1:-1]
        return [json.loads(json.dumps(each).replace("PERSON", spelled)) for each in records]

    put(stocked, "events", *of_person(NOT_NAMED))
    before = [row["record"] for row in rejected(stocked)]
    put(stocked, "events", *of_person(NAMED_OTHERWISE), {"user_id": person})
    assert len(rejected(stocked)) == len(before) + len(NAMED_OTHERWISE) + 1
    with writing(stocked) as conn:
        deleted = erase_user(conn, person, NOW, Asker(None, "cli"))
    assert deleted["rejected_records"] == len(NAMED_OTHERWISE) + 1
    assert [row["record"] for row in rejected(stocked)] == before
