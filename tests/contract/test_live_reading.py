"""An answer reads a person's behaviour and readings out of indexes alone, whatever the ids are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Engine, insert
from store_rows import METRICS, NOW, action_row, ago, event_row, observation_row, user_row

from recommender.intake.fields import LONGEST_TEXT
from recommender.store import schema
from recommender.store.direct import Direct, direct
from recommender.store.engine import reading, writing
from recommender.store.read import load_catalogue, load_user_record, load_user_records

LONGEST = "\U0001f642" * LONGEST_TEXT
"""As many characters as an id may have, of four bytes each, which is the most one takes."""
PEOPLE = [f"p{number:03}" for number in range(300)]


def fill(engine: Engine) -> None:
    days = range(1, 6)
    with writing(engine) as conn:
        conn.execute(insert(schema.actions), action_row("walk"))
        conn.execute(insert(schema.users), [user_row(who) for who in PEOPLE])
        conn.execute(
            insert(schema.events),
            [
                event_row(f"{who}{day}", who, "walk", ago(days=day))
                for who in PEOPLE
                for day in days
            ],
        )
        conn.execute(
            insert(schema.observations),
            [
                observation_row(f"{who}{day}", who, "systolic_bp", 120.0, ago(days=day))
                for who in PEOPLE
                for day in days
            ],
        )


class Planner(Direct):
    """Notes the plan of every question instead of asking it."""

    def rows(self, statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        how = "QUERY PLAN" if self.dialect == "sqlite" else "(FORMAT JSON)"
        self.plan = super().rows(f"EXPLAIN {how} {statement}", values)
        return []


def visits(engine: Engine) -> dict[str, str]:
    """How the big tables of a record are read."""
    with reading(engine) as conn:
        catalogue = load_catalogue(conn)
    with engine.connect() as conn:
        driver: Any = conn.connection.driver_connection
        if engine.dialect.name == "postgresql":
            driver.autocommit = True
            # So small a table is read whole; a big one isn't.
            for setting in ("enable_seqscan", "enable_bitmapscan"):
                driver.execute(f"SET {setting} = off")
            driver.execute("VACUUM (ANALYZE) events, observations")
        planner = Planner(engine.dialect.name, driver.cursor())
        load_user_records(planner, PEOPLE[:2], NOW, catalogue, METRICS)
        if engine.dialect.name == "sqlite":
            steps = [str(row[3]).split(maxsplit=2) for row in planner.plan]
            return {step[1]: " ".join(step[2:]) for step in steps if step[0] in ("SEARCH", "SCAN")}
        found = planner.plan[0][0]
        plan = found if isinstance(found, list) else json.loads(found)
        conn.invalidate()  # it has settings of its own
    return {node["Relation Name"]: node["Node Type"] for node in nodes(plan[0]["Plan"])}


def nodes(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if "Relation Name" in node:
        yield node
    for each in node.get("Plans", ()):
        yield from nodes(each)


def test_a_record_is_read_without_visiting_its_tables(engine: Engine) -> None:
    fill(engine)
    found = visits(engine)
    for table in ("events", "observations"):
        covered = "Index Only Scan" if engine.dialect.name == "postgresql" else "COVERING INDEX"
        assert covered in found[table], found


def test_the_longest_ids_there_may_be_fit_into_the_indexes(engine: Engine) -> None:
    at = ago(days=1)
    with writing(engine) as conn:
        conn.execute(insert(schema.actions), action_row(LONGEST))
        conn.execute(insert(schema.users), user_row(LONGEST))
        shown = event_row(LONGEST, LONGEST, LONGEST, at, request_id=LONGEST, propensity=0.5)
        conn.execute(insert(schema.events), shown)
        conn.execute(
            insert(schema.observations),
            observation_row(LONGEST, LONGEST, "systolic_bp", 120.0, at),
        )
    with reading(engine) as conn:
        catalogue = load_catalogue(conn)
    with direct(engine) as store:
        record = load_user_record(store, LONGEST, NOW, catalogue, METRICS).records
    assert (len(record.events), len(record.observations)) == (1, 1)
    assert record.observations.ids is not None
    assert record.observations.ids.tolist() == [LONGEST]
