"""Whether everything is in order, and what to do where it is not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from recommender.catalogue import load_conditions
from recommender.checks.finding import FAIL, OK, WARN, Finding
from recommender.checks.machine import blas_threads, clocks, compiled_code, disk
from recommender.checks.operation import keys, retention, trainings
from recommender.checks.readiness import STALE_RUN
from recommender.errors import RecommenderError
from recommender.knowledge import load_knowledge
from recommender.settings import Settings
from recommender.store.engine import Connection, Engine, connect, reading
from recommender.store.health import (
    count_active_actions,
    people_by_condition,
    rejected_by_reason,
)
from recommender.store.runs import published_run
from recommender.store.upgrade import SchemaState, not_migrated, schema_state
from recommender.store.versions import catalogue_revision

__all__ = ["FAIL", "OK", "WARN", "Finding", "examine"]

_MOST_NAMED = 5


def examine(settings: Settings, now: datetime | None = None) -> list[Finding]:
    """Look at the machine, the data shipped, the database, its contents and how it is run."""
    findings = [_knowledge(settings), blas_threads(), compiled_code()]
    try:
        engine = connect(settings.database_url)
    except RecommenderError as error:
        return [*findings, Finding("database", FAIL, str(error), "check --database-url")]
    findings.append(Finding("database", OK, f"{engine.dialect.name} answers"))
    try:
        findings += _inside(engine, settings, now or datetime.now(UTC))
    finally:
        engine.dispose()
    return findings


def _inside(engine: Engine, settings: Settings, now: datetime) -> list[Finding]:
    state, revision = schema_state(engine)
    if state is not SchemaState.CURRENT:
        newer = state is SchemaState.NEWER
        fix = "install the newer recommender" if newer else "recommender upgrade"
        return [Finding("migrations", FAIL, str(not_migrated(state)), fix)]
    with reading(engine) as connection:
        return [
            Finding("migrations", OK, f"up to date ({revision})"),
            *_contents(connection, now),
            *_operation(engine, connection, settings, now),
        ]


def _operation(
    engine: Engine, connection: Connection, settings: Settings, now: datetime
) -> Iterator[Finding]:
    run = published_run(connection)
    yield trainings(engine, connection)
    yield clocks(connection, run.as_of if run else None)
    yield disk(engine, connection)
    yield keys(connection, now)
    yield retention(settings)


def _knowledge(settings: Settings) -> Finding:
    try:
        known = load_knowledge(settings)
    except RecommenderError as error:
        return Finding("rules", FAIL, str(error), "mend the file, or install the product again")
    rules = known.rules
    found = (
        f"{len(rules)} rules ({len(rules.own)} of your own), {len(known.metrics)} metrics; "
        f"{rules.label.split()[0]}"
    )
    if rules.disabled:
        off = f"{found}; switched off: {', '.join(rules.disabled)}"
        return Finding("rules", WARN, off, "RECOMMENDER_RULES_DISABLED lists them; is it meant?")
    return Finding("rules", OK, found)


def _contents(connection: Connection, now: datetime) -> Iterator[Finding]:
    yield _catalogue(connection)
    yield _published(connection, now)
    yield _conditions(connection)
    yield _quarantine(connection)


def _catalogue(connection: Connection) -> Finding:
    actions = count_active_actions(connection)
    if actions:
        revision = catalogue_revision(connection)
        return Finding("catalogue", OK, f"{actions:,} actions, revision {revision}")
    return Finding("catalogue", FAIL, "no actions", "recommender ingest actions PATH")


def _published(connection: Connection, now: datetime) -> Finding:
    run = published_run(connection)
    if run is None:
        return Finding("published run", FAIL, "none", "recommender train")
    age = now - run.as_of
    found = f"{run.run_id}, {age.total_seconds() / 3600:,.0f} h old"
    if age > STALE_RUN:
        return Finding("published run", WARN, found, "recommender train; look at the crontab")
    return Finding("published run", OK, found)


def _conditions(connection: Connection) -> Finding:
    names = load_conditions()
    in_use = people_by_condition(connection)
    unmapped = sorted((name for name in in_use if name not in names), key=lambda n: -in_use[n])
    if not unmapped:
        return Finding("conditions", OK, f"all {len(in_use)} in use are known to the rules")
    named = ", ".join(f"{name} ({in_use[name]:,})" for name in unmapped[:_MOST_NAMED])
    return Finding(
        "conditions",
        WARN,
        f"{len(unmapped)} that no rule knows: {named}",
        "send them under the names of data/conditions.toml",
    )


def _quarantine(connection: Connection) -> Finding:
    waiting = rejected_by_reason(connection)
    if not waiting:
        return Finding("rejected records", OK, "none waiting")
    named = ", ".join(f"{kind} {code} ({many:,})" for kind, code, many in waiting[:_MOST_NAMED])
    total = sum(many for _, _, many in waiting)
    return Finding(
        "rejected records",
        WARN,
        f"{total:,} waiting: {named}",
        "mend the cause, then recommender retry-rejected",
    )
