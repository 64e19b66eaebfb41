"""A database with a few people, actions, events and readings."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine
from store_rows import seed


@pytest.fixture
def seeded(engine: Engine) -> Engine:
    """Engine of a database with three people (one without any record) and three actions."""
    seed(engine)
    return engine
