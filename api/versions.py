"""``ETag`` and ``If-Match``: whoever changes something can say which version they know."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import Header
from starlette.responses import Response

T = TypeVar("T")
IfMatch = Annotated[
    str | None,
    Header(
        max_length=1000,
        description="`ETag` of the version to change; 412 if it is no longer that.",
        examples=['"0b4f3c5d6e7f8091a2b3c4d5e6f70819"'],
    ),
]


def versioned(document: dict[str, Any], answer: Response) -> dict[str, Any]:
    """Name a document's version in the answer's headers and give the document back."""
    answer.headers["ETag"] = etag(document)
    return document


def etag(document: dict[str, Any]) -> str:
    """The version of a document: equal content, equal version.

    >>> etag({"a": 1}) == etag({"a": 1}), etag({"a": 1}) == etag({"a": 2})
    (True, False)
    """
    content = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def still_known(
    if_match: str | None, document: Callable[[T], dict[str, Any]]
) -> Callable[[T], bool] | None:
    """Tell how to find out whether something is of a version the sender knows; None if any is."""
    if if_match is None or if_match.strip() == "*":
        return None
    known = {each.strip() for each in if_match.split(",")}
    return lambda thing: etag(document(thing)) in known
