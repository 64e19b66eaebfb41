"""What is kept of compiled code can't outlive what it was made of."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from recommender.compiled import compiled, dot

PACKAGE = Path(__file__).parents[2] / "recommender"
MAY_USE = {"dot", "np"}
"""Of what a module imports, in a compiled function."""


def _compiled_functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and any(
            isinstance(each, ast.Name) and each.id == "compiled" for each in node.decorator_list
        ):
            yield node


def _imported(tree: ast.Module) -> set[str]:
    imports = (node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom))
    return {alias.asname or alias.name for node in imports for alias in node.names}


def _used(function: ast.FunctionDef) -> set[str]:
    return {
        node.id
        for part in function.body
        for node in ast.walk(part)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }


MODULES = [
    path for path in sorted(PACKAGE.rglob("*.py")) if "\n@compiled\n" in path.read_text("utf-8")
]


def test_there_are_compiled_functions() -> None:
    assert len(MODULES) > 3


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_compiled_functions_use_nothing_of_other_modules(path: Path) -> None:
    """Kept machine code is made anew when its own module changes, not when another does."""
    tree = ast.parse(path.read_text("utf-8"))
    for function in _compiled_functions(tree):
        assert not (_used(function) & _imported(tree)) - MAY_USE, function.name


def test_sums_do_not_depend_on_the_order_by_more_than_rounding() -> None:
    draws = np.random.default_rng(3)
    a, b = draws.normal(size=(2, 1001))
    assert dot(a, b) == pytest.approx(float(a @ b), rel=1e-12)
    assert dot(a[:0], b[:0]) == 0.0


def test_what_is_compiled_lets_go_of_the_lock_and_divides_as_numpy_does() -> None:
    @compiled
    def over(a: float, b: float) -> float:
        return a / b

    assert over(1.0, 0.0) == np.inf
    assert over.targetoptions["nogil"]  # type: ignore[attr-defined]


def test_it_runs_where_nothing_can_be_kept(tmp_path: Path) -> None:
    code = (
        "from numba.core import caching\n"
        "caching.CacheImpl._locator_classes = []\n"  # as where every folder is read-only
        "from recommender.compiled import dot\n"
        "import numpy as np\n"
        "print(dot(np.ones(3), np.ones(3)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent, check=True
    )
    assert done.stdout == "3.0\n"
