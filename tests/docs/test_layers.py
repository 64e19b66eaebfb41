"""Every module stands in a layer of the import contract, so that none escapes it."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def _layered() -> set[str]:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = pyproject["tool"]["importlinter"]["contracts"]
    layers = next(c for c in contracts if c["type"] == "layers")["layers"]
    return {name.strip() for layer in layers for name in layer.replace(":", "|").split("|")}


def test_every_module_stands_in_a_layer() -> None:
    modules = {"api"}
    for path in (ROOT / "recommender").iterdir():
        if path.is_dir() and (path / "__init__.py").exists():
            modules.add(f"recommender.{path.name}")
        elif path.suffix == ".py" and path.name != "__init__.py":
            modules.add(f"recommender.{path.stem}")
    assert modules - _layered() == set()
