"""Records in: behaviour, readings, profiles and the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter

from recommender.ingest import (
    IngestReport,
    record_actions,
    record_events,
    record_observations,
    record_users,
)
from recommender.store.engine import writing

from ..access import Caller
from ..deps import App, Records, State, needs
from ..docs import problems, records_body
from ..schemas import TakenOut
from ..strict import StrictRoute

router = APIRouter(
    prefix="/v1", tags=["records"], route_class=StrictRoute, responses=problems(413, 415, 503)
)

Recorder = Callable[..., IngestReport]
Writer = Annotated[Caller, needs("write", bound=True)]
CatalogueWriter = Annotated[Caller, needs("write")]


@router.post("/events", response_model=TakenOut, openapi_extra=records_body("events"))
def post_events(state: App, caller: Writer, records: Records) -> dict[str, Any]:
    """Take in what people did with actions."""
    return _take(state, caller, "events", record_events, records)


@router.post("/observations", response_model=TakenOut, openapi_extra=records_body("observations"))
def post_observations(state: App, caller: Writer, records: Records) -> dict[str, Any]:
    """Take in biometric readings."""
    return _take(state, caller, "observations", record_observations, records)


@router.post("/users", response_model=TakenOut, openapi_extra=records_body("users"))
def post_users(state: App, caller: Writer, records: Records) -> dict[str, Any]:
    """Take in profiles."""
    return _take(state, caller, "users", record_users, records)


@router.post("/actions", response_model=TakenOut, openapi_extra=records_body("actions"))
def post_actions(state: App, caller: CatalogueWriter, records: Records) -> dict[str, Any]:
    """Take in actions of the catalogue; answers use them at once."""
    taken = _take(state, caller, "actions", record_actions, records, caller.source)
    state.published.look_again()
    return taken


def _take(
    state: State,
    caller: Caller,
    kind: str,
    record: Recorder,
    records: Sequence[Any],
    source: str = "http",
) -> dict[str, Any]:
    """A key bound to one person writes that person's records and takes over no one else's."""
    now = datetime.now(UTC)
    with writing(state.engine) as connection:
        report = record(
            connection,
            records,
            metrics=state.metrics,
            now=now,
            source=source,
            asker=caller.asker,
            only_user=caller.user_id,
        )
    outcomes = {
        "accepted": report.accepted,
        "duplicates": report.duplicates,
        "corrected": report.corrected,
    }
    state.telemetry.took(kind, {**outcomes, "rejected": report.rejected_count})
    rejected = [{"index": r.index, "reason": r.reason} for r in report.rejected]
    return {**outcomes, "rejected": rejected}
