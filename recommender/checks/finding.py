"""One thing that was looked at, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

OK = "ok"
WARN = "warn"
FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One thing looked at: ``status`` is ok, warn or fail; ``fix`` is empty where all is well."""

    name: str
    status: str
    found: str
    fix: str = ""
