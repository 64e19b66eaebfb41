"""Every benchmark, each beside its floor in the same run: ``make bench``.

Takes some ten minutes on two cores. Single ones can be run by their own file.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PEOPLE, ACTIONS, DAYS = 5_000, 500, 30


def main() -> None:
    """Run all benchmarks in turn and print what they print."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/bench.db"
        _titled("guardrails: 500 actions, all rules", "tests/benchmarks/bench_guardrails.py")
        _titled(
            "safety, judged by an oracle of its own",
            *("-m", "tests.benchmarks.bench_safety", "--answers", "200000"),
        )
        _titled("bulk ingest beside bare inserts", "tests/benchmarks/bench_ingest.py", "100000")
        _titled(
            "quality beside the truth",
            "-m",
            "tests.benchmarks.bench_quality",
            "plain",
            "small",
            "21",
        )
        _titled(
            "the hybrid beside other models, in little (make bench-quality for all)",
            *("-m", "tests.benchmarks.bench_peers"),
            *("--worlds", "small", "--seeds", "21", "--budget", "5"),
        )
        _titled("off-policy estimates of real logs", "-m", "tests.benchmarks.bench_open_bandit")
        _fill(Path(folder), url)
        _titled(
            f"live answers beside a bare route, {PEOPLE} people, {ACTIONS} actions",
            "-m", "tests.benchmarks.bench_serve", "--database-url", url, "--scratch", folder,
        )  # fmt: skip


def _fill(folder: Path, url: str) -> None:
    sizes = ("--users", str(PEOPLE), "--actions", str(ACTIONS), "--days", str(DAYS))
    _recommender("simulate", *sizes, "--seed", "1", "--out", str(folder))
    _recommender("upgrade", "--database-url", url)
    for kind in ("actions", "users", "events", "observations"):
        _recommender("ingest", kind, str(folder / f"{kind}.csv"), "--database-url", url)
    _recommender("train", "--database-url", url)


def _recommender(*arguments: str) -> None:
    _python("-m", "recommender.cli", *arguments)


def _titled(title: str, *arguments: str) -> None:
    sys.stdout.write(f"\n== {title}\n")
    sys.stdout.flush()
    _python(*arguments)


def _python(*arguments: str) -> None:
    path = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=os.environ | {"PYTHONPATH": path}, check=True
    )


if __name__ == "__main__":
    main()
