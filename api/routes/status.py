"""For whoever watches over the process."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Depends, HTTPException, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from recommender.checks.readiness import readiness

from ..deps import App
from ..docs import problems
from ..door import is_loopback
from ..errors import described, problem_response
from ..operator_schemas import LiveOut, ReadyOut

router = APIRouter(tags=["status"])


async def _near_or_key(request: Request, state: App) -> None:
    if request.client is None or not is_loopback(request.client.host):
        caller = await state.gatekeeper.admit(request.headers.get("authorization"))
        if caller.user_id is not None:
            raise HTTPException(403, "the key is bound to one person")


@router.get("/status/live", response_model=LiveOut)
async def live() -> dict[str, Any]:
    """The process is alive."""
    return {"status": "live"}


@router.get(
    "/status/ready",
    response_model=ReadyOut,
    responses=problems(401, 403, 503),
    dependencies=[Depends(_near_or_key)],
)
def ready(state: App) -> Any:
    """The database answers, is up to date, and a run is published; 503 says what is missing."""
    looked = readiness(state.published)
    checks = [asdict(finding) for finding in looked.checks]
    if looked.error is not None:
        kind = described(looked.error)[1:]
        return problem_response(503, looked.checks[-1].found, kind=kind, checks=checks)
    assert looked.live is not None
    rules = state.published.rules
    return {
        "status": "ready",
        "run_id": looked.live.run.run_id,
        "rules": {
            "label": rules.label,
            "count": len(rules),
            "own": rules.own,
            "disabled": rules.disabled,
        },
        "checks": checks,
    }


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}, **problems(401, 403)},
    dependencies=[Depends(_near_or_key)],
)
def metrics(state: App) -> Response:
    """Figures for Prometheus."""
    return Response(state.telemetry.render(), headers={"Content-Type": CONTENT_TYPE_LATEST})
