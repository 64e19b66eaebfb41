"""The built wheel does the main job in an environment of its own, from another folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]


def _run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={name: value for name, value in os.environ.items() if "RECOMMENDER" not in name},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done


def test_the_wheel_does_the_main_job(tmp_path: Path, simulated: Path) -> None:
    _run(
        sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT,
        cwd=tmp_path,
    )  # fmt: skip
    wheel = next(tmp_path.glob("recommender-*.whl"))
    home = tmp_path / "env"
    venv.create(home, with_pip=True)
    _run(home / "bin/pip", "install", "-q", "--no-deps", "--no-index", wheel, cwd=tmp_path)
    # The dependencies come from this environment: a path file adds its packages, and not the
    # checkout that an editable install points to.
    site = next((home / "lib").glob("python3*/site-packages"))
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    command = home / "bin/recommender"
    where = _run(
        home / "bin/python", "-c", "import recommender; print(recommender.__file__)", cwd=elsewhere
    )
    assert where.stdout.startswith(str(home))
    _run(command, "upgrade", cwd=elsewhere)
    for kind in ("actions", "users", "events", "observations"):
        _run(command, "ingest", kind, simulated / f"{kind}.csv", cwd=elsewhere)
    _run(command, "train", "--force", cwd=elsewhere)
    answer = json.loads(_run(command, "recommend", "u0000002", "--json", cwd=elsewhere).stdout)
    assert len(answer["items"]) == 10
    assert (elsewhere / "recommender.db").exists()
    started = (
        "import importlib.util as u; assert u.find_spec('recommender.api.app'), 'no API inside'"
    )
    _run(home / "bin/python", "-c", started, cwd=elsewhere)
