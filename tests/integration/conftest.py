"""Fixtures of the tests that need a trained model."""

from trained import (  # noqa: F401  # pytest finds fixtures by name
    simulated,
    trained_postgres,
    trained_postgres_url,
    trained_sqlite,
    trained_sqlite_url,
    trained_url,
)
