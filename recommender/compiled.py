"""Loops over people and records as machine code.

A live answer looks at a few people, and numpy's price of such few is that of calling it, again and
again. What walks over one person's records is written as a plain loop instead and compiled by
numba, which also lets go of the interpreter's lock meanwhile. The machine code is kept beside the
module, in the account's cache, or where ``NUMBA_CACHE_DIR`` says; a process that may write to none
of them compiles anew when it starts.

What is compiled takes arrays and numbers and gives arrays and numbers: no dataclass, no text. Its
arithmetic is that of IEEE 754 as written, but for sums by ``dot``. Kept code is looked at again
only when its own module changes, so a compiled function uses nothing of another module but ``dot``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

Given = ParamSpec("Given")
Result = TypeVar("Result")


def compiled(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Have a function compiled when it is first called; a division by zero is not an error in it.

    The first call with arguments of new types compiles, which takes a second or so, or loads what
    was compiled before; every later one costs a microsecond.
    """
    return _compiled(function)


def _compiled(
    function: Callable[Given, Result], reordered: Collection[str] = ()
) -> Callable[Given, Result]:
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": set(reordered)}
    try:
        made = njit(cache=True, **options)(function)
    except RuntimeError:  # there is nowhere to keep it
        made = njit(**options)(function)
    return cast("Callable[Given, Result]", made)


def _dot(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Sum of the products of two vectors, added up in the order that the processor likes best."""
    total = 0.0
    for i in range(len(a)):
        total += a[i] * b[i]
    return total


dot = _compiled(_dot, ("reassoc", "contract"))


def kept_in() -> str | None:
    """The folder that machine code is kept in; None where there is none."""
    folder: str | None = dot.stats.cache_path  # type: ignore[attr-defined]
    return folder
