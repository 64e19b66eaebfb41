"""The application: built once a process, with its state, its routes and its frame."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI
from orjson import Fragment
from threadpoolctl import threadpool_limits

from recommender import __version__
from recommender.compiled import one_after_the_other
from recommender.documents import answer_document
from recommender.domain import Catalogue
from recommender.errors import RecommenderError
from recommender.guardrails.check import Guard
from recommender.items import Draft
from recommender.knowledge import load_knowledge
from recommender.logs import Entry, fault, start_log
from recommender.published import Published
from recommender.recommend import Question, answer_each, warm_up
from recommender.settings import Settings
from recommender.store.checkpoints import checkpoints_beside
from recommender.store.engine import Engine, Patience, connect
from recommender.store.write import Logged

from . import errors
from .access import TRUST_SECONDS, Gatekeeper
from .deps import State
from .desk import Desk
from .docs import problems, with_problem_schema
from .door import KEYLESS
from .foreign import named_origins
from .present import Present
from .rate import RateLimit
from .rendering import as_json
from .routes import actions, alerts, recommendations, records, runs, status, users
from .surround import surround
from .telemetry import Telemetry
from .tokens import tokens_of
from .tracing import Tracing, tracer_of_environment

_LOG = logging.getLogger("recommender.app")
_COLLECT_AFTER = 20_000
"""New objects before garbage is looked for: sixteen answers make some thousands, none in a ring."""


def create_app(
    settings: Settings | None = None,
    *,
    engine: Engine | None = None,
    keyless: bool = True,
    trust_seconds: float = TRUST_SECONDS,
) -> FastAPI:
    """Build the application.

    Parameters
    ----------
    settings
        Read from the environment if None.
    engine
        An open database to use; the settings' one is opened if None.
    keyless
        Whether anyone is answered as long as no key was ever made; pass False where other machines
        can reach the server.
    trust_seconds
        How long a key counts as it was last seen.

    Raises
    ------
    StoreError
        If the database can't be reached.
    """
    settings = settings or Settings()
    engine = engine or connect(settings.database_url, _patience(settings))
    state = _state(settings, engine, keyless, trust_seconds)
    app = FastAPI(
        title="recommender",
        version=__version__,
        summary="Personalised, safe, explained health recommendations.",
        docs_url="/docs",
        redoc_url=None,
        # They would answer before anyone is asked for a key, and repeat the path.
        redirect_slashes=False,
        lifespan=_lifespan,
        # The framework's own would put paths, which name people, into spans (see `tracing`).
        telemetry={"tracing": False, "metrics": False, "logs": False},
        responses=problems(401, 403, 422),
    )
    app.state.recommender = state
    surround(app, state)
    tracer = tracer_of_environment(os.environ)
    if tracer is not None:
        app.add_middleware(Tracing, tracer=tracer)
    errors.install(app)
    for module in (recommendations, alerts, records, users, actions, runs):
        app.include_router(module.router, responses=problems(401, 403, 422))
    app.include_router(status.router)
    _document(app)
    return app


def from_environment() -> FastAPI:
    """Build the application of a server process: settings, log and door from the environment."""
    settings = Settings()
    start_log(settings)
    gc.set_threshold(_COLLECT_AFTER)
    return create_app(settings, keyless=os.environ.get(KEYLESS) == "1")


def _patience(settings: Settings) -> Patience:
    # Besides the requests that are let in, a few look at the state of the process.
    return Patience(settings.http_database_seconds, settings.http_concurrency + 4)


def _state(settings: Settings, engine: Engine, keyless: bool, trust_seconds: float) -> State:
    known = load_knowledge(settings)
    published = Published(engine, known.rules, known.metrics, settings.poll_seconds)
    telemetry = Telemetry(Present(published))
    return State(
        settings=settings,
        engine=engine,
        published=published,
        guard=Guard(known.rules, Catalogue(()), known.metrics),
        metrics=known.metrics,
        gatekeeper=Gatekeeper(
            engine, keyless=keyless, trust_seconds=trust_seconds, tokens=tokens_of(settings)
        ),
        telemetry=telemetry,
        desk=Desk(partial(_answers, published, telemetry, settings)),
        rate=RateLimit(settings.rate_limit),
        origins=named_origins(settings.cors_origins),
    )


def _answers(
    published: Published, telemetry: Telemetry, settings: Settings, questions: Sequence[Question]
) -> list[bytes]:
    given = answer_each(published, questions, settings, _written)
    telemetry.recommended([logged for logged, _ in given])
    return [body for _, body in given]


def _written(draft: Draft) -> list[tuple[Logged, bytes]]:
    return [
        (logged, as_json(answer_document(logged.answer, Fragment(items))))
        for logged, items in zip(draft.logged, draft.items_as_json(), strict=True)
    ]


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    state: State = app.state.recommender
    _get_ready(state)
    # An answer's matrices are too small to share out: more BLAS threads only wait for each other.
    with threadpool_limits(1, "blas"), checkpoints_beside(state.engine):
        yield
    state.desk.close()
    state.engine.dispose()


def _get_ready(state: State) -> None:
    """Spare the first answer a wait; whatever is wrong, it is the answers that say so."""
    try:
        with one_after_the_other():
            warm_up(state.published, state.settings)
    except RecommenderError:
        pass  # no model, or no database: there is nothing to get ready
    except Exception as error:
        _LOG.warning(Entry(event="not warmed up", **fault(error)))


def _document(app: FastAPI) -> None:
    """Let the OpenAPI document hold the schema of problems."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        return with_problem_schema(plain())

    app.openapi = openapi  # type: ignore[method-assign]  # the way FastAPI documents
