"""Fixtures of the tests that need a trained model."""

from trained import (  # noqa: F401  # pytest finds fixtures by name
    simulated,
    trained_postgres,
    trained_postgres_url,
    trained_sqlite,
    trained_sqlite_url,
    trained_url,
)
from week_old import (  # noqa: F401
    six_weeks,
    week_old_postgres,
    week_old_sqlite,
    week_old_url,
)
