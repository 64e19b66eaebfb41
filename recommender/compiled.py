"""Loops over people and records as machine code.

A live answer looks at a few people, and numpy's price of such few is that of calling it, again and
again. What walks over one person's records is written as a plain loop instead and compiled by
numba, which also lets go of the interpreter's lock meanwhile. The machine code is kept beside the
module, in the account's cache, or where ``NUMBA_CACHE_DIR`` says; a process that may write to none
of them compiles anew when it starts. It is made anew when the text changes of its own module or of
any that this one imports from, however indirectly, so that no constant in it can be an old one.

What is compiled takes arrays and numbers and gives arrays and numbers: no dataclass, no text. Its
arithmetic is that of IEEE 754 as written, but for sums by ``dot``. Places in arrays are not
checked: what comes from outside is checked before.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np
from filelock import FileLock, Timeout
from numba import config, njit
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numpy.typing import NDArray

Given = ParamSpec("Given")
Result = TypeVar("Result")

PACKAGE = Path(__file__).parent
_PATIENCE_S = 120.0
_IMPORT = re.compile(rb"^from recommender((?:\.\w+)+) import", re.MULTILINE)


def compiled(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Have a function compiled when it is first called; a division by zero is not an error in it.

    The first call with arguments of new types compiles, which takes a second or so, or loads what
    was compiled before; every later one costs a microsecond.
    """
    return _compiled(function)


def _compiled(
    function: Callable[Given, Result], reordered: Collection[str] = ()
) -> Callable[Given, Result]:
    made = njit(nogil=True, error_model="numpy", fastmath=set(reordered))(function)
    with suppress(RuntimeError):  # there is nowhere to keep it
        made._cache = _Kept(function)
    return cast("Callable[Given, Result]", made)


class _Kept(FunctionCache):  # type: ignore[misc]
    """Where the machine code of a function is kept; what can't be read or written is made anew.

    The digest is part of the files' names: numba writes which text code belongs to before the code
    itself, so that a process that is killed in between would leave old code under a new text.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        text = stamp(Path(function.__code__.co_filename))
        name = f"{self._impl.filename_base}.{text[:16]}"
        self._cache_file = IndexDataCacheFile(self._cache_path, name, text)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Machine code for a signature, None if there is none that can be read."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # a file that was cut short, another's folder: whatever it is
            with suppress(Exception):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep machine code, if that can be done."""
        with suppress(Exception):
            super().save_overload(sig, data)


def stamp(path: Path, package: Path = PACKAGE) -> str:
    """What the machine code of a module is made of: a digest of the module, what it imports, and
    the settings of numba that the code depends on."""
    found, new = set(), {path}
    while new:
        found |= new
        new = {each for one in new for each in _imported(one, package)} - found
    digest = hashlib.sha256(repr((config.BOUNDSCHECK, config.OPT)).encode())
    for each in sorted(found):
        digest.update(_text(each))
    return digest.hexdigest()


@cache
def _imported(path: Path, package: Path) -> frozenset[Path]:
    return frozenset(
        each
        for name in _IMPORT.findall(_text(path))
        for each in _files(package.joinpath(*name.decode().split(".")[1:]))
    )


def _files(module: Path) -> Iterable[Path]:
    """The file of a module, or of a package all of its files."""
    file = module.with_suffix(".py")
    return module.glob("*.py") if module.is_dir() else [file] if file.exists() else []


@cache
def _text(path: Path) -> bytes:
    return path.read_bytes()


def _dot(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Sum of the products of two vectors, added up in the order that the processor likes best."""
    total = 0.0
    for i in range(len(a)):
        total += a[i] * b[i]
    return total


dot = _compiled(_dot, ("reassoc", "contract"))


def kept_in() -> str | None:
    """The folder that machine code is kept in; None where there is none."""
    stats = getattr(dot, "stats", None)  # none where numba is told to compile nothing
    return None if stats is None else stats.cache_path


@contextmanager
def one_after_the_other() -> Iterator[None]:
    """Hold up the other processes that keep their machine code in the same place.

    Where several start at once, the first compiles and the others load what it has made, instead
    of each compiling everything. None waits longer than ``_PATIENCE_S``.
    """
    folder = kept_in()
    if folder is None:
        yield
        return
    lock = FileLock(Path(folder) / "recommender-compiles.lock")
    with suppress(Timeout, OSError, NotImplementedError):
        lock.acquire(timeout=_PATIENCE_S)
    try:
        yield
    finally:
        lock.release()
