"""The trainings, and which one is in force."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path

from recommender.store.engine import reading, writing
from recommender.store.runs import list_runs, publish

from ..deps import USER_ID_PATTERN, App, needs
from ..docs import problems
from ..schemas import PublishedOut, RunsOut

router = APIRouter(prefix="/v1/runs", tags=["runs"], responses=problems(503))

RunId = Annotated[str, Path(min_length=1, max_length=200, pattern=USER_ID_PATTERN)]


@router.get("", response_model=RunsOut, dependencies=[needs("read")])
def get_runs(state: App) -> dict[str, Any]:
    """List the runs, newest first."""
    with reading(state.engine) as connection:
        return {"items": [asdict(run) for run in list_runs(connection)]}


@router.post(
    "/{run_id}/publish",
    response_model=PublishedOut,
    responses=problems(404, 409),
    dependencies=[needs("admin")],
)
def publish_run(state: App, run_id: RunId) -> dict[str, Any]:
    """Put a trained run in force; every process answers from it within seconds."""
    with writing(state.engine) as connection:
        publication_id = publish(connection, run_id, "publish", datetime.now(UTC))
    state.published.look_again()
    return {"run_id": run_id, "publication_id": publication_id}
