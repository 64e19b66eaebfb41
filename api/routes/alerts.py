"""One person's alerts: what holds, what was raised before, and what was seen."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path

from recommender.alerts import StoredAlert
from recommender.documents import alert_document
from recommender.domain import Audience
from recommender.people import acknowledge_alert, read_alerts

from ..access import Caller
from ..deps import USER_ID_PATTERN, App, UserId, needs
from ..docs import problems
from ..schemas import AcknowledgedOut, KeptAlertsOut
from ..strict import StrictRoute

router = APIRouter(
    prefix="/v1/users/{user_id}/alerts",
    tags=["alerts"],
    route_class=StrictRoute,
    responses=problems(503),
)

Reader = Annotated[Caller, needs("read")]
Writer = Annotated[Caller, needs("write")]
AlertId = Annotated[str, Path(min_length=1, max_length=200, pattern=USER_ID_PATTERN)]


@router.get("", response_model=KeptAlertsOut)
def get_alerts(
    state: App, caller: Reader, user_id: UserId, audience: Audience = Audience.USER
) -> dict[str, Any]:
    """Check today's record and list every alert, what holds first; needs no published run."""
    found = read_alerts(
        state.engine,
        state.guard,
        state.metrics,
        user_id,
        audience,
        state.settings.country,
        caller.asker,
    )
    return {"user_id": user_id, "items": [_document(each) for each in found]}


@router.post(
    "/{alert_id}/acknowledge", response_model=AcknowledgedOut, responses=problems(404, 413, 415)
)
def acknowledge(state: App, caller: Writer, user_id: UserId, alert_id: AlertId) -> dict[str, Any]:
    """Say that an alert was seen; it is marked so, and sent on while its cause holds."""
    kept = acknowledge_alert(state.engine, user_id, alert_id, caller.asker)
    return {name: asdict(kept)[name] for name in AcknowledgedOut.model_fields}


def _document(stored: StoredAlert) -> dict[str, Any]:
    kept = asdict(stored.kept)
    history = (
        "rule_version", "observation_id", "first_raised_at", "last_raised_at", "acknowledged_by",
    )  # fmt: skip
    return {
        **alert_document(stored.alert),
        **{name: kept[name] for name in history},
        "holds": stored.holds,
    }
