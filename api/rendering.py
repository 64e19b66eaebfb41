"""JSON of answers, in one way."""

from __future__ import annotations

from typing import Any

import orjson


def as_json(document: Any) -> bytes:
    """Write a document as JSON; instants are UTC and end in Z."""
    # Names of columns come from the database as a kind of str of its own: non-str keys, here.
    return orjson.dumps(document, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)
