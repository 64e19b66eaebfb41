"""Ids with a slash in paths: `%2F` belongs to the id, `/` ends it.

Servers decode a path before routes see it, which makes the two alike. A control character,
which no id may hold, stands for the encoded one until the id is read.
"""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from starlette.types import Scope

_STAND_IN = "\x1f"


def keep_slashes(scope: Scope) -> None:
    """Make the path of a request tell encoded slashes from real ones."""
    raw: bytes = scope.get("raw_path") or b""
    if b"%" not in raw:
        return
    # A stand-in that was sent would be read as a slash; NUL is refused by every route.
    parts = (unquote_to_bytes(part).decode("utf-8", "replace") for part in raw.split(b"/"))
    scope["path"] = "/".join(
        part.replace(_STAND_IN, "\x00").replace("/", _STAND_IN) for part in parts
    )


def with_slashes(value: str | None) -> str | None:
    r"""Read a parameter of such a path.

    >>> with_slashes("Patient\x1f123")
    'Patient/123'
    """
    return value.replace(_STAND_IN, "/") if isinstance(value, str) else value
