"""The catalogue, page by page, and the versions of an action."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query

from recommender.curate import retire_action, versions_of
from recommender.documents import action_document
from recommender.store.engine import reading
from recommender.store.read import action_page

from ..access import Caller
from ..deps import ActionId, After, App, needs
from ..docs import problems
from ..schemas import ActionPage, RetiredOut, VersionsOut
from ..strict import StrictRoute

router = APIRouter(
    prefix="/v1/actions", tags=["catalogue"], route_class=StrictRoute, responses=problems(503)
)


@router.get("", response_model=ActionPage, dependencies=[needs("read", bound=True)])
def get_actions(
    state: App,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    after: After = None,
) -> dict[str, Any]:
    """List the actions with every field, retired ones included, in order of ``action_id``."""
    with reading(state.engine) as connection:
        actions, following = action_page(connection, after, limit)
    return {"items": [action_document(action) for action in actions], "next": following}


@router.get(
    "/{action_id}/versions",
    response_model=VersionsOut,
    dependencies=[needs("read")],
    responses=problems(404),
)
def get_versions(state: App, action_id: ActionId) -> dict[str, Any]:
    """Every version of an action, oldest first, each whole as it was."""
    return {"items": [asdict(version) for version in versions_of(state.engine, action_id)]}


@router.delete("/{action_id}", response_model=RetiredOut, responses=problems(404, 409))
def delete_action(
    state: App, caller: Annotated[Caller, needs("write")], action_id: ActionId
) -> dict[str, Any]:
    """Retire an action: it is recommended no more, and what was shown of it stays."""
    changed = retire_action(
        state.engine, action_id, state.metrics, datetime.now(UTC), caller.source
    )
    state.published.look_again()
    return {"action_id": action_id, "changed": changed}
