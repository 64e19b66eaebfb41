"""What the documents' commands run against: the demo, in a folder as a new user has it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Desk:
    """A folder with the demo's database, a running server, and what the demo printed."""

    folder: Path
    port: int
    printed: str

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a line as a person would type it, in the folder."""
        tools = f"{Path(sys.executable).parent}{os.pathsep}{ROOT / 'tests/docs/bin'}"
        return subprocess.run(
            ["bash", "-c", command.replace("127.0.0.1:8000", f"127.0.0.1:{self.port}")],
            cwd=self.folder,
            env=os.environ
            | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "96"}
            # figures are as the usual settings give them, and the check takes less long
            | {"RECOMMENDER_SEARCH_SECONDS": "0"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The folder after ``make demo`` and ``make serve``."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "data").symlink_to(ROOT / "data")
    recommender = [sys.executable, "-m", "recommender.cli"]
    printed = subprocess.run(
        [*recommender, "demo"], cwd=folder, capture_output=True, text=True, timeout=600, check=True
    ).stdout
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [*recommender, "serve", "--port", str(port)], cwd=folder, stderr=subprocess.DEVNULL
    )
    try:
        _wait_until_ready(port)
        yield Desk(folder, port, printed)
    finally:
        server.terminate()
        server.wait(timeout=20)


def _wait_until_ready(port: int) -> None:
    for _ in range(200):
        try:
            if httpx.get(f"http://127.0.0.1:{port}/status/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError("the server was not ready within 20 s")
