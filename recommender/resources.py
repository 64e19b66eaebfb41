"""Where shipped files are: beside the code in a wheel, else in the checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def _shipped(in_wheel: str, in_checkout: str) -> Path:
    inside = _PACKAGE / in_wheel
    return inside if inside.is_dir() else _PACKAGE.parent / in_checkout


def data_path(name: str = "") -> Path:
    """Path of a file under ``data/``."""
    return _shipped("_data", "data") / name


def migrations_path() -> Path:
    """Folder of the Alembic migrations."""
    return _shipped("_migrations", "migrations")
