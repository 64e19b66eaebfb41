"""Ids of answers: version 7 of RFC 9562, 32 hexadecimal digits without hyphens.

They begin with the time, so that new rows of the log stand side by side in its index. Ids at random
would each touch a page of their own, which the database then writes in full after a checkpoint.
"""

from __future__ import annotations

import os
import time

_VERSION, _VARIANT = 0x7 << 76, 0b10 << 62
_RANDOM = ~((0xF << 76) | (0b11 << 62))


def request_ids(count: int) -> list[str]:
    """Make ids of one moment, in no order among themselves; 74 bits of each are random.

    >>> [len(each) for each in request_ids(2)]
    [32, 32]
    """
    moment = (time.time_ns() // 1_000_000) << 80
    chance = os.urandom(10 * count)
    drawn = (int.from_bytes(chance[start : start + 10]) for start in range(0, 10 * count, 10))
    return [f"{moment | each & _RANDOM | _VERSION | _VARIANT:032x}" for each in drawn]
