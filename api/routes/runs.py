"""The trainings, and which one is in force."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query
from starlette.responses import Response

from recommender.documents import run_document
from recommender.model_card.markdown import card_markdown
from recommender.store.cards import load_card
from recommender.store.engine import reading, writing
from recommender.store.runs import list_runs, publish, published_run, rollback, run_detail
from recommender.store.stages import load_stages

from ..deps import USER_ID_PATTERN, After, App, needs
from ..docs import problems
from ..frame import JSON_TYPE
from ..operator_schemas import CardOut, PublishedOut, RolledBackOut, RunDetailOut, RunsOut
from ..rendering import as_json
from ..strict import StrictRoute

router = APIRouter(
    prefix="/v1/runs", tags=["runs"], route_class=StrictRoute, responses=problems(503)
)

MARKDOWN_TYPE = "text/markdown"
_CARD_CONTENT: dict[int | str, dict[str, Any]] = {
    200: {"content": {MARKDOWN_TYPE: {"schema": {"type": "string"}}}}
}

RunId = Annotated[str, Path(min_length=1, max_length=200, pattern=USER_ID_PATTERN)]


@router.get("", response_model=RunsOut, dependencies=[needs("read")])
def get_runs(
    state: App,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    after: After = None,
) -> dict[str, Any]:
    """List the runs, newest first."""
    with reading(state.engine) as connection:
        found = list_runs(connection, after, limit + 1)
    page = [asdict(run) for run in found[:limit]]
    return {"items": page, "next": page[-1]["run_id"] if len(found) > limit else None}


@router.get(
    "/{run_id}",
    response_model=RunDetailOut,
    responses=problems(404),
    dependencies=[needs("admin")],
)
def get_run(state: App, run_id: RunId) -> dict[str, Any]:
    """Show one run with its figures, of everybody and of groups, its manifest and its stages."""
    with reading(state.engine) as connection:
        return run_document(run_detail(connection, run_id), load_stages(connection, run_id))


@router.get(
    "/{run_id}/card",
    response_model=CardOut,
    responses=_CARD_CONTENT | problems(404),
    dependencies=[needs("admin")],
)
def get_card(state: App, run_id: RunId, accept: Annotated[str | None, Header()] = None) -> Response:
    """Show a run's model card, as JSON or, with ``Accept: text/markdown``, for people to read."""
    with reading(state.engine) as connection:
        card = load_card(connection, run_id)
    if accept and MARKDOWN_TYPE in accept:
        return Response(card_markdown(card), media_type=MARKDOWN_TYPE)
    return Response(as_json(card), media_type=JSON_TYPE)


@router.post(
    "/rollback",
    response_model=RolledBackOut,
    responses=problems(409),
    dependencies=[needs("admin")],
)
def roll_back(state: App) -> dict[str, Any]:
    """Put the run in force before the present one back; every process follows within seconds."""
    with writing(state.engine) as connection:
        present = published_run(connection)
        run_id = rollback(connection, datetime.now(UTC))
    state.published.look_again()
    return {"run_id": run_id, "instead_of": present.run_id if present else None}


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
