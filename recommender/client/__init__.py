"""A typed client of the HTTP interface: ``pip install 'recommender[client]'``.

::

    with Client("http://127.0.0.1:8000", key="rk_…") as client:
        client.send_events([{...}])
        for item in client.recommendations("u0000001", limit=3)["items"]:
            ...

:class:`AsyncClient` has the same methods to be awaited.
"""

from __future__ import annotations

from recommender.client.aio import AsyncClient
from recommender.client.errors import (
    ChangedMeanwhileError,
    ClientError,
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    NoAnswerError,
    NotFoundError,
    ProblemError,
    TooLargeError,
    TooManyRequestsError,
    UnauthorizedError,
    UnavailableError,
)
from recommender.client.sync import Client

__all__ = [
    "AsyncClient",
    "ChangedMeanwhileError",
    "Client",
    "ClientError",
    "ConflictError",
    "ForbiddenError",
    "InvalidRequestError",
    "NoAnswerError",
    "NotFoundError",
    "ProblemError",
    "TooLargeError",
    "TooManyRequestsError",
    "UnauthorizedError",
    "UnavailableError",
]
