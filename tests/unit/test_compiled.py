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


def _copy_of_the_wrapper(folder: Path) -> Path:
    copy = folder / "recommender"
    copy.mkdir()
    for name in ("__init__", "compiled"):
        (copy / f"{name}.py").write_bytes((PACKAGE / f"{name}.py").read_bytes())
    return copy


def test_a_changed_constant_of_another_module_compiles_anew(tmp_path: Path) -> None:
    """Even where the file's time and size are the old ones, as in images that are built twice."""
    copy = _copy_of_the_wrapper(tmp_path)
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


_CUT_OFF = """
import os, sys
from numba.core.caching import IndexDataCacheFile
from recommender.compiled import compiled
from recommender.ground_of_test import LIMIT

if sys.argv[1:] == ["killed"]:
    IndexDataCacheFile._save_data = lambda *_: os._exit(9)

@compiled
def limit():
    return LIMIT

print(limit())
"""


def test_a_kill_while_code_is_kept_leaves_no_old_code_under_a_new_text(tmp_path: Path) -> None:
    copy = _copy_of_the_wrapper(tmp_path)
    (copy / "loop.py").write_text(_CUT_OFF)

    def run(limit: int, *how: str) -> tuple[int, str]:
        (copy / "ground_of_test.py").write_text(_CONSTANT.format(limit))
        done = subprocess.run(
            [sys.executable, "-B", "-m", "recommender.loop", *how],
            cwd=tmp_path, capture_output=True, text=True, check=False,
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
        )  # fmt: skip
        return done.returncode, done.stdout.strip()

    assert run(15) == (0, "15")
    assert run(30, "killed") == (9, "")
    assert run(30) == (0, "30")
    assert run(15) == (0, "15")


@pytest.mark.parametrize("content", [b"", None])
def test_files_that_can_t_be_read_are_made_anew(tmp_path: Path, content: bytes | None) -> None:
    def run() -> str:
        code = (
            "from recommender.compiled import dot; import numpy as np; print(dot(np.ones(2),"
            " np.ones(2)), sum(dot.stats.cache_hits.values()))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True,
            check=True, env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)},
        )  # fmt: skip
        return done.stdout.strip()

    assert [run(), run()] == ["2.0 0", "2.0 1"]
    for path in [*tmp_path.rglob("*.nbi"), *tmp_path.rglob("*.nbc")]:
        if content is None:
            path.unlink()
            path.mkdir()  # as a disk that gives errors
        else:
            path.write_bytes(content)
    assert run() == "2.0 0"
    assert run() == ("2.0 0" if content is None else "2.0 1")


def test_code_that_checks_bounds_is_kept_by_itself(tmp_path: Path) -> None:
    code = "from recommender.compiled import PACKAGE, stamp; print(stamp(PACKAGE / 'outcomes.py'))"
    given = (os.environ, os.environ | {"NUMBA_BOUNDSCHECK": "1"})
    first, second = (
        subprocess.check_output([sys.executable, "-c", code], cwd=PACKAGE.parent, env=env)
        for env in given
    )
    assert first != second


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
