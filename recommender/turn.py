"""A training's turn: whether it still has it, and what is kept of it if it fails."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from recommender.errors import LockLostError, NotMigratedError, RecommenderError, StoreError
from recommender.store.engine import Engine, reading, writing
from recommender.store.under_way import fail_run, require_in_charge, status_of


@dataclass(frozen=True)
class Before:
    """How things stood before anything was read.

    Attributes
    ----------
    erasures
        How many people had been erased.
    revision
        Of the database's schema.
    instant
        By a clock that nobody sets, seconds.
    """

    erasures: int
    revision: str | None
    instant: float


def require_its_turn(engine: Engine, run_id: str, revision_before: str | None) -> None:
    """Raise LockLostError or NotMigratedError if a training need not go on."""
    with reading(engine) as connection:
        require_in_charge(connection, run_id, revision_before)


def came_through(engine: Engine, run_id: str, status: str) -> bool:
    """Tell whether a run has ended with a status, although the word of it was lost."""
    with suppress(StoreError), reading(engine) as connection:
        return status_of(connection, run_id) == status
    return False


def record_failure(
    engine: Engine, run_id: str, revision_before: str | None, error: BaseException
) -> BaseException:
    """Keep why a run failed, drop what it wrote, and return what is to be told of it.

    What lies behind an error, that another train took over, or an upgrade, is told instead of it.
    """
    try:
        require_its_turn(engine, run_id, revision_before)
    except (LockLostError, NotMigratedError) as behind:
        error = behind
    except StoreError:
        pass  # the database is away; the next training tidies up
    with suppress(StoreError), writing(engine) as connection:
        fail_run(connection, run_id, _why(error), datetime.now(UTC))
    return error


def _why(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    # In words only where they are ours and so name no person.
    return str(error) if isinstance(error, RecommenderError) else type(error).__name__
