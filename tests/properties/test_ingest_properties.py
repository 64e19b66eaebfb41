from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, select

from recommender.formats.blocks import Block
from recommender.formats.chunk import Chunk
from recommender.formats.delimited import read_csv
from recommender.ingest import (
    IngestReport,
    record_actions,
    record_events,
    record_observations,
    record_users,
)
from recommender.intake.checked import json_text, storable
from recommender.intake.observations import check_observations
from recommender.metrics_list import load_metrics
from recommender.resources import data_path
from recommender.store import schema
from recommender.store.engine import connect, reading, writing
from recommender.store.upgrade import upgrade

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
METRICS = load_metrics(data_path("metrics.toml"))
RECORD = {"users": record_users, "events": record_events, "observations": record_observations}

_ids = st.sampled_from(["a", "b", "c", 4, 4.0, " a ", None, 1.5, "x\x00"])
_times = st.sampled_from(
    ["2026-05-01T08:00:00Z", "2026-05-01T10:00:00+02:00", "2026-05-01T08:00:00",
     "2026-02-30T00:00:00Z", "2027-01-01T00:00:00Z", None, 7]
)  # fmt: skip
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2)
    ),
    max_leaves=4,
)  # fmt: skip
_events = st.fixed_dictionaries(
    {"event_id": _ids, "user_id": _ids, "action_id": st.sampled_from(["walk", "swim", "fly"]),
     "type": st.sampled_from(["view", "rate", "like"]), "occurred_at": _times},
    optional={"value": st.sampled_from([1, 5, 5.0, "5", 6, True, float("nan")]),
              "propensity": st.sampled_from([0.5, "0.5", 1, 0]), "context": _json, "extra": _json},
)  # fmt: skip
_observations = st.fixed_dictionaries(
    {"observation_id": _ids, "user_id": _ids, "observed_at": _times,
     "metric": st.sampled_from(["glucose", "2345-7", "body_weight", "mood"]),
     "value": st.sampled_from([100, "100", 100.0, 5.5, 1e9, True, None, "x", 2**60 + 1])},
    optional={"unit": st.sampled_from(["mmol/L", "mg/dL", "kg", "", None, "furlong"])},
)  # fmt: skip
_users = st.fixed_dictionaries(
    {"user_id": _ids},
    optional={"sex": st.sampled_from(["female", "Male", "", "f"]), "note": _json,
              "conditions": st.sampled_from([["a", "b"], "b;a", [], None, [1]]),
              "birth_date": st.sampled_from(["1980-01-31", None, "1980-02-30", "2190-01-01"])},
)  # fmt: skip
_batches = st.one_of(
    st.tuples(st.just("events"), st.lists(_events | _json, max_size=8)),
    st.tuples(st.just("observations"), st.lists(_observations, max_size=8)),
    st.tuples(st.just("users"), st.lists(_users, max_size=8)),
)


@contextmanager
def _database() -> Iterator[Engine]:
    with tempfile.TemporaryDirectory() as folder:
        engine = connect(f"sqlite:///{Path(folder) / 'x.db'}")
        upgrade(engine)
        _stock(engine)
        yield engine
        engine.dispose()


def _stock(engine: Engine) -> None:
    entries = [{"action_id": name, "title": "x", "domain": "y"} for name in ("walk", "swim")]
    record_actions(engine, entries, metrics=METRICS, now=NOW, source="test")


@pytest.fixture(scope="module")
def sqlite_engine() -> Iterator[Engine]:
    with _database() as engine:
        yield engine


def _take(engine: Engine, kind: str, batch: list[Any]) -> IngestReport:
    return RECORD[kind](engine, batch, metrics=METRICS, now=NOW, source="test")


def _state(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    state = {}
    with reading(engine) as conn:
        for name in ("users", "events", "observations", "rejected_records"):
            table = schema.metadata.tables[name]
            wanted = [c for c in table.c if c.name != "rejected_id"]
            rows = conn.execute(select(*wanted))
            state[name] = sorted((tuple(row) for row in rows), key=repr)
    return state


def _emptied(engine: Engine) -> None:
    with writing(engine) as conn:
        for name in ("events", "observations", "rejected_records", "users"):
            conn.execute(delete(schema.metadata.tables[name]))


def _check_parting(engine: Engine, kind: str, batch: list[Any], cuts: list[int]) -> None:
    """One batch, the same in parts, and the parts sent again end the same; totals add up."""
    _emptied(engine)
    whole = _take(engine, kind, batch)
    assert whole.read == len(batch)
    together = _state(engine)
    _emptied(engine)
    edges = sorted({0, len(batch), *(cut % (len(batch) + 1) for cut in cuts)})
    parts = [batch[low:high] for low, high in pairwise(edges)]
    reports = [_take(engine, kind, part) for part in parts]
    assert _state(engine) == together
    assert sum(report.read for report in reports) == len(batch)
    codes = [each.reason_code for report in reports for each in report.rejected]
    assert codes == [each.reason_code for each in whole.rejected]
    # Killed after any part and run again from the start.
    for part in (*parts[:1], *parts):
        _take(engine, kind, part)
    assert _state(engine) == together


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(batch=_batches, cuts=st.lists(st.integers(0, 8), max_size=3))
def test_batches_may_be_parted_and_repeated(
    sqlite_engine: Engine, batch: tuple[str, list[Any]], cuts: list[int]
) -> None:
    _check_parting(sqlite_engine, *batch, cuts)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(batch=_batches, cuts=st.lists(st.integers(0, 8), max_size=3))
def test_batches_may_be_parted_and_repeated_in_postgresql(
    postgres_engine: Engine, batch: tuple[str, list[Any]], cuts: list[int]
) -> None:
    _check_parting(postgres_engine, *batch, cuts)


@pytest.fixture(scope="module")
def postgres_engine(postgres_server: str) -> Iterator[Engine]:
    # One database for all examples: each empties it itself.
    engine = connect(postgres_server)
    upgrade(engine)
    _stock(engine)
    yield engine
    with writing(engine) as conn:
        conn.exec_driver_sql("DROP SCHEMA public CASCADE")
        conn.exec_driver_sql("CREATE SCHEMA public")
    engine.dispose()


_distinct = st.lists(
    st.tuples(st.integers(0, 50), st.sampled_from(["ann", "bob"]), st.integers(1, 5)),
    unique_by=lambda row: row[0],
    max_size=20,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=_distinct, order=st.randoms(use_true_random=False), copies=st.integers(1, 3))
def test_order_and_repetition_do_not_matter(
    sqlite_engine: Engine, rows: list[tuple[int, str, int]], order: Any, copies: int
) -> None:
    records = [
        {"event_id": number, "user_id": user, "action_id": "walk", "type": "rate",
         "occurred_at": "2026-05-01T08:00:00Z", "value": value}
        for number, user, value in rows
    ]  # fmt: skip
    _emptied(sqlite_engine)
    _take(sqlite_engine, "events", records)
    expected = _state(sqlite_engine)
    _emptied(sqlite_engine)
    shuffled = records * copies
    order.shuffle(shuffled)
    report = _take(sqlite_engine, "events", shuffled)
    assert _state(sqlite_engine) == expected
    assert (report.accepted, report.duplicates) == (len(rows), len(rows) * (copies - 1))


@settings(deadline=None)
@given(value=_json)
def test_anything_can_be_set_aside_once(value: Any) -> None:
    plain = storable(value)
    assert json_text(storable(plain)) == json_text(plain)
    assert "\\u0000" not in json_text(plain).replace("\\\\", "")


@settings(deadline=None)
@given(value=st.floats(2, 600), unit=st.sampled_from(["kg", "g", "[lb_av]", "[stone_av]"]))
def test_conversion_does_not_depend_on_the_neighbours(value: float, unit: str) -> None:
    record = {
        "observation_id": "a", "user_id": "u", "metric": "body_weight", "value": value,
        "unit": unit, "observed_at": "2026-05-01T08:00:00Z",
    }  # fmt: skip
    others = [record | {"unit": other, "value": "70"} for other in ("kg", "g", "furlong")]
    alone = check_observations(Chunk(1, values=[record]), "-", METRICS, NOW)
    among = check_observations(Chunk(4, values=[*others, record]), "-", METRICS, NOW)
    expected = alone.rows["value"].to_pylist()
    found = among.rows["value"].to_pylist()[-len(expected) or 99 :]
    assert found == expected


_cells = st.text(st.sampled_from('ab,"\n\r é0'), max_size=5)


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(st.lists(_cells, min_size=2, max_size=2), max_size=6), size=st.integers(1, 40))
def test_csv_reads_back_what_was_written(rows: list[list[str]], size: int) -> None:
    def quoted(cell: str) -> str:
        return '"' + cell.replace('"', '""') + '"'

    text = "a,b\n" + "".join(",".join(map(quoted, row)) + "\n" for row in rows)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("recommender.formats.blocks.BLOCK_BYTES", size)
        path = Path(folder) / "x.csv"
        path.write_bytes(text.encode())
        found = [
            [chunk.table[name][row].as_py() for name in ("a", "b")]
            for chunk in read_csv(str(path))
            if chunk.table is not None
            for row in range(chunk.rows)
        ]
    assert found == rows


@settings(deadline=None)
@given(data=st.binary(max_size=30), offset=st.integers(0, 30))
def test_places_count_lines_and_characters_from_one(data: bytes, offset: int) -> None:
    line, column = Block("-", data, line=1).place(min(offset, len(data)))
    assert line == 1 + data[:offset].count(b"\n")
    assert column >= 1
