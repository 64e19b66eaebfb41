"""Whether everything is in order, and what to do where it is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from recommender.catalogue import load_conditions
from recommender.errors import RecommenderError
from recommender.knowledge import load_knowledge
from recommender.store.engine import Connection, Engine, connect, reading
from recommender.store.health import (
    count_active_actions,
    people_by_condition,
    rejected_by_reason,
)
from recommender.store.runs import published_run
from recommender.store.upgrade import require_current

OK = "ok"
WARN = "warn"
FAIL = "fail"

STALE_RUN = timedelta(hours=36)
"""A nightly run that is older than this was missed at least once."""
_MOST_NAMED = 5


@dataclass(frozen=True)
class Finding:
    """One thing looked at: ``status`` is ok, warn or fail; ``fix`` is empty where all is well."""

    name: str
    status: str
    found: str
    fix: str = ""


def examine(database_url: str, now: datetime | None = None) -> list[Finding]:
    """Look at the data shipped, the database, the published run and what waits for someone."""
    findings = [_knowledge()]
    try:
        engine = connect(database_url)
    except RecommenderError as error:
        return [*findings, Finding("database", FAIL, str(error), "check --database-url")]
    findings.append(Finding("database", OK, f"{engine.dialect.name} answers"))
    try:
        findings += _inside(engine, now or datetime.now(UTC))
    finally:
        engine.dispose()
    return findings


def _inside(engine: Engine, now: datetime) -> list[Finding]:
    try:
        require_current(engine)
    except RecommenderError as error:
        return [Finding("migrations", FAIL, str(error), "recommender upgrade")]
    with reading(engine) as connection:
        return [Finding("migrations", OK, "up to date"), *_contents(connection, now)]


def _knowledge() -> Finding:
    try:
        known = load_knowledge()
    except RecommenderError as error:
        return Finding("rules", FAIL, str(error), "mend the file, or install the product again")
    rules = known.rules
    found = f"{len(rules)} rules ({len(rules.own)} of your own), {len(known.metrics)} metrics"
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
        return Finding("catalogue", OK, f"{actions:,} actions")
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
