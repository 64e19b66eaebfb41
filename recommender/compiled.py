"""Loops over people and records as machine code.

A live answer looks at a few people, and numpy's price of such few is that of calling it, again and
again. What walks over one person's records is written as a plain loop instead and compiled by
numba, which also lets go of the interpreter's lock meanwhile. The machine code is kept beside the
module, in the account's cache, or where ``NUMBA_CACHE_DIR`` says; a process that may write to none
of them compiles anew when it starts.

What is compiled takes arrays and numbers and gives arrays and numbers: no dataclass, no text. Its
arithmetic is that of IEEE 754 as written, nothing is reordered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from numba import njit

Given = ParamSpec("Given")
Result = TypeVar("Result")


def compiled(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Have a function compiled when it is first called; a division by zero is not an error in it.

    The first call with arguments of new types compiles, which takes a second or so, or loads what
    was compiled before; every later one costs a microsecond.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        made = njit(cache=True, **options)(function)
    except RuntimeError:  # there is nowhere to keep it
        made = njit(**options)(function)
    return cast("Callable[Given, Result]", made)
