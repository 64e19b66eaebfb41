"""How much a person's attributes may hold: a profile is read for every answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

MOST = 200
"""Attributes of one person."""
LONGEST_NAME = 200
"""Characters."""
LARGEST_VALUE = 16 * 1024
"""Bytes of one value as JSON."""
LARGEST = 64 * 1024
"""Bytes of all of a person's attributes as JSON."""


def excess(before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    """Why attributes may not become what they would, or None if they may.

    What an older version took beyond the limits may stay, and may shrink.
    """
    size = _size(after)
    if (
        size <= LARGEST_VALUE
        and len(after) <= MOST
        and max(map(len, after), default=0) <= LONGEST_NAME
    ):
        return None
    changed = {name: value for name, value in after.items() if before.get(name) != value}
    if any(len(name) > LONGEST_NAME for name in changed):
        return f"the name of an attribute has over {LONGEST_NAME} characters"
    if any(_size(value) > LARGEST_VALUE for value in changed.values()):
        return f"an attribute has over {LARGEST_VALUE // 1024} KiB"
    if len(after) > max(MOST, len(before)):
        return f"the person would have over {MOST} attributes"
    if size > max(LARGEST, _size(before)):
        return f"the person's attributes would have over {LARGEST // 1024} KiB"
    return None


def _size(value: Any) -> int:
    return len(orjson.dumps(value))
