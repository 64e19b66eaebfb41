"""The main answer, and the scores behind it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from recommender.documents import alert_document, ranking_document
from recommender.domain import Audience, Objective
from recommender.recommend import Ask, Question, rank_with_alerts
from recommender.store.access import log_access
from recommender.store.engine import writing

from ..access import Caller
from ..deps import PLAIN_PATTERN, App, UserId, needs
from ..docs import ANSWER_EXAMPLE, problems
from ..frame import JSON_TYPE
from ..schemas import AnswerOut, RankIn, RankOut
from ..strict import StrictRoute
from ..tracing import WATCH

router = APIRouter(prefix="/v1/users/{user_id}", tags=["answers"], route_class=StrictRoute)


# Only what is unusual comes here: `shortcut` answers the rest.
@router.get(
    "/recommendations",
    response_model=AnswerOut,
    responses={200: {"content": {JSON_TYPE: {"example": ANSWER_EXAMPLE}}}, **problems(503)},
)
async def recommendations(
    state: App,
    caller: Annotated[Caller, needs("read")],
    user_id: UserId,
    limit: Annotated[int, Query(ge=1, le=1000)] = 10,
    domain: Annotated[str | None, Query(max_length=200, pattern=PLAIN_PATTERN)] = None,
    audience: Audience = Audience.USER,
    objective: Objective = Objective.BENEFIT,
) -> Response:
    """Answer what to show this person now; an unknown person gets only what is safe for anyone."""
    ask = Ask(limit, domain or None, audience, objective, asker=caller.asker)
    answer = await state.desk.ask(Question(user_id, ask, WATCH.get()))
    return Response(answer, media_type=JSON_TYPE)


@router.post("/rank", response_model=RankOut, responses=problems(404, 413, 415, 503))
def rank(
    state: App,
    caller: Annotated[Caller, needs("read")],
    user_id: UserId,
    body: RankIn | None = None,
) -> dict[str, Any]:
    """Score the asked actions (all if none are named), best first; leaves nothing out."""
    wish = body or RankIn()
    ask = Ask(audience=wish.audience, objective=wish.objective, as_of=wish.as_of)
    live, ranked, alerts = rank_with_alerts(
        state.published, user_id, wish.action_ids, ask, state.settings
    )
    with writing(state.engine) as connection:
        log_access(connection, datetime.now(UTC), caller.asker, "read", "rank", user_id)
    return {
        "user_id": user_id,
        "run_id": live.run.run_id,
        "items": ranking_document(ranked),
        "alerts": [alert_document(alert) for alert in alerts],
    }
