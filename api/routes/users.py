"""One person's profile: read, change, export, erase; each leaves a line in the access log."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException
from starlette.responses import Response

from recommender.documents import user_document
from recommender.people import (
    change_profile,
    erase_person,
    erasure_receipt,
    export_person,
    read_profile,
)
from recommender.store.access import SELF

from ..access import Caller
from ..deps import App, UserId, needs
from ..docs import problems
from ..frame import JSON_TYPE
from ..rendering import as_json
from ..schemas import ChangedOut, ErasedOut, UserOut, UserPatch
from ..strict import StrictRoute
from ..versions import IfMatch, still_known, versioned

router = APIRouter(
    prefix="/v1/users/{user_id}",
    tags=["people"],
    route_class=StrictRoute,
    responses=problems(404, 503),
)

Reader = Annotated[Caller, needs("read")]
Writer = Annotated[Caller, needs("write")]


@router.get("", response_model=UserOut)
def get_user(state: App, caller: Reader, user_id: UserId, answer: Response) -> dict[str, Any]:
    """Read a person's profile; ``ETag`` is its version."""
    return versioned(user_document(read_profile(state.engine, user_id, caller.asker)), answer)


@router.patch("", response_model=UserOut | ChangedOut, responses=problems(412, 413, 415))
def patch_user(
    state: App,
    caller: Writer,
    user_id: UserId,
    patch: UserPatch,
    answer: Response,
    if_match: IfMatch = None,
) -> dict[str, Any]:
    """Change the given fields of a profile; attributes are merged.

    Who may not read it is told its ``user_id`` alone.
    """
    if patch.birth_date is not None and patch.birth_date > datetime.now(UTC).date():
        raise HTTPException(422, "birth_date must not be in the future")
    known = still_known(if_match, user_document)
    user = change_profile(state.engine, user_id, patch.given(), caller.asker, known)
    document = versioned(user_document(user), answer)
    return document if caller.may("read") else {"user_id": user_id}


@router.delete("", response_model=ErasedOut)
def delete_user(state: App, caller: Writer, user_id: UserId) -> dict[str, Any]:
    """Erase a person from every table; answers with a receipt."""
    _admin_or_own(caller)
    # What stays of an erasure names no one, whatever the person's own token calls them.
    asker = caller.asker if caller.user_id is None else replace(caller.asker, caller=SELF)
    deleted = erase_person(state.engine, user_id, asker)
    receipt, _ = erasure_receipt(state.engine, user_id)
    return {"user_id": user_id, "deleted": deleted, "receipt": receipt}


@router.get("/export", responses={200: {"content": {JSON_TYPE: {}}}})
def get_export(state: App, caller: Reader, user_id: UserId) -> Response:
    """Everything held on a person, table by table."""
    _admin_or_own(caller)
    held = export_person(state.engine, user_id, caller.asker)
    return Response(as_json(held), media_type=JSON_TYPE)


def _admin_or_own(caller: Caller) -> None:
    if caller.user_id is None and not caller.may("admin"):
        raise HTTPException(403, "that needs the scope admin, or a key bound to this person")
