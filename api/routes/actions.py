"""The catalogue, page by page."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from recommender.documents import action_document
from recommender.store.engine import reading
from recommender.store.read import action_page

from ..deps import App, needs
from ..docs import problems
from ..schemas import ActionPage, Word

router = APIRouter(prefix="/v1/actions", tags=["catalogue"], responses=problems(503))


@router.get("", response_model=ActionPage, dependencies=[needs("read", bound=True)])
def get_actions(
    state: App,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    after: Annotated[Word | None, Query(description="``next`` of the page before.")] = None,
) -> dict[str, Any]:
    """List the actions with every field, retired ones included, in order of ``action_id``."""
    with reading(state.engine) as connection:
        actions, following = action_page(connection, after, limit)
    return {"items": [action_document(action) for action in actions], "next": following}
