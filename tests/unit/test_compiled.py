"""What is kept of compiled code can't outlive what it was made of."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock, Timeout

from recommender import compiled as module
from recommender.compiled import PACKAGE, compiled, dot, stamp

_CONSTANT = "LIMIT = {}\n"
_LOOP = """
from recommender.compiled import compiled
from recommender.ground_of_test import LIMIT
_TWICE = 2 * LIMIT

@compiled
def over(value):
    return value > _TWICE

print(over(3), over.stats.cache_hits[(over.signatures[0])] if over.stats.cache_hits else 0)
"""


def test_a_changed_constant_of_another_module_compiles_anew(tmp_path: Path) -> None:
    """Even where the file's time and size are the old ones, as in images that are built twice."""
    copy = tmp_path / "recommender"
    copy.mkdir()
    for name in ("__init__", "compiled"):
        (copy / f"{name}.py").write_bytes((PACKAGE / f"{name}.py").read_bytes())
    (copy / "loop.py").write_text(_LOOP)
    ground = copy / "ground_of_test.py"

    def run(limit: int) -> str:
        ground.write_text(_CONSTANT.format(limit))
        os.utime(ground, (1, 1))
        done = subprocess.run(
            [sys.executable, "-B", "-m", "recommender.loop"],
            cwd=tmp_path, capture_output=True, text=True, check=True,
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
        )  # fmt: skip
        return done.stdout.strip()

    assert run(1) == "True 0"
    assert run(1) == "True 1"
    assert run(9) == "False 0"


def test_a_stamp_holds_whatever_is_imported(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    files = {
        "top.py": "from recommender.middle import A\n",
        "middle.py": "from recommender.deep import part\nA = 1\n",
        "deep/part.py": "B = 1\n",
        "other.py": "C = 1\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    def changed(name: str) -> bool:
        code = (
            "import sys; from pathlib import Path; from recommender.compiled import stamp;"
            "print(stamp(Path(sys.argv[1]) / 'top.py', Path(sys.argv[1])))"
        )

        def now() -> str:
            command = [sys.executable, "-c", code, str(tmp_path)]
            return subprocess.check_output(command, text=True, cwd=PACKAGE.parent)

        before = now()
        (tmp_path / name).write_text(files[name] + "# later\n")
        return now() != before

    assert {name: changed(name) for name in files} == {
        "top.py": True, "middle.py": True, "deep/part.py": True, "other.py": False,
    }  # fmt: skip


def test_the_product_s_own_constants_are_in_its_stamps() -> None:
    guardrails = PACKAGE / "guardrails"
    assert stamp(guardrails / "deciding.py") != stamp(guardrails / "standing.py")


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


def test_it_runs_where_nothing_can_be_kept() -> None:
    code = (
        "from numba.core import caching\n"
        "caching.CacheImpl._locator_classes = []\n"  # as where every folder is read-only
        "from recommender.compiled import dot, kept_in\n"
        "import numpy as np\n"
        "print(dot(np.ones(3), np.ones(3)), kept_in())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent, check=True
    )
    assert done.stdout == "3.0 None\n"


def test_processes_that_share_a_place_compile_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "kept_in", lambda: str(tmp_path))
    with module.one_after_the_other():
        (lock,) = tmp_path.iterdir()
        with pytest.raises(Timeout):
            FileLock(lock).acquire(timeout=0)
        monkeypatch.setattr(module, "_PATIENCE_S", 0.01)
        with module.one_after_the_other():
            pass  # waited long enough
    with FileLock(lock).acquire(timeout=0):
        pass
    monkeypatch.setattr(module, "kept_in", lambda: None)
    with module.one_after_the_other():
        assert list(tmp_path.iterdir()) == [lock]
