"""Whether a server can answer, and if not, what is in the way and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from recommender.checks.finding import FAIL, OK, WARN, Finding
from recommender.errors import CatalogueError, RecommenderError
from recommender.published import LiveRun, Published
from recommender.store.engine import reading
from recommender.store.health import count_active_actions
from recommender.store.upgrade import SchemaState, not_migrated, schema_state

STALE_RUN = timedelta(hours=36)
"""A nightly run that is older than this was missed at least once."""


@dataclass(frozen=True)
class Readiness:
    """What was looked at, in the order that things depend on each other.

    Attributes
    ----------
    checks
        Up to the first that failed: what comes after it can't be told.
    live
        What is answered from; None if not ready.
    error
        What the failed check is to whoever asks; None if ready; a warning hinders nobody.
    """

    checks: tuple[Finding, ...]
    live: LiveRun | None
    error: RecommenderError | None


def readiness(published: Published, now: datetime | None = None) -> Readiness:
    """Look at the database, its schema, the published run and the catalogue."""
    found: list[Finding] = []
    try:
        for finding in _checks(published, now or datetime.now(UTC)):
            found.append(finding)
        live = published.current()
    except RecommenderError as error:
        return Readiness((*found, _failed(error, len(found))), None, error)
    return Readiness(tuple(found), live, None)


_STEPS = ("database", "migrations", "published run", "catalogue")
_FIXES = {
    "database": "start it, or check RECOMMENDER_DATABASE_URL and the network",
    "migrations": "recommender upgrade",
    "published run": "recommender train; recommender runs list says what became of the last ones",
    "catalogue": "recommender ingest actions PATH",
}


def _checks(published: Published, now: datetime) -> Iterator[Finding]:
    state, revision = schema_state(published.engine)
    yield Finding(_STEPS[0], OK, f"{published.engine.dialect.name} answers")
    yield _schema(state, revision)
    yield _run(published.current(), now)
    with reading(published.engine) as connection:
        actions = count_active_actions(connection)
    if not actions:
        raise CatalogueError("the catalogue has no actions: run `recommender ingest actions PATH`")
    yield Finding(_STEPS[3], OK, f"{actions:,} actions")


def _schema(state: SchemaState, revision: str | None) -> Finding:
    if state is SchemaState.CURRENT:
        return Finding(_STEPS[1], OK, f"up to date ({revision})")
    if state is SchemaState.NEWER:
        found = f"the database has a newer schema ({revision}) than this server knows"
        return Finding(_STEPS[1], WARN, found, "restart this server with the newer version")
    raise not_migrated(state)


def _run(live: LiveRun, now: datetime) -> Finding:
    age = now - live.run.as_of
    found = f"{live.run.run_id}, {age.total_seconds() / 3600:,.0f} h old"
    if age > STALE_RUN:
        return Finding(_STEPS[2], WARN, found, "recommender train; look at the timer or crontab")
    return Finding(_STEPS[2], OK, found)


def _failed(error: RecommenderError, step: int) -> Finding:
    name = _STEPS[min(step, len(_STEPS) - 1)]
    return Finding(name, FAIL, str(error), _FIXES[name])
