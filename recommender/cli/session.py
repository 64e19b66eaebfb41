"""What a command needs before it can call a flow: settings, and a database that is ready."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError

from recommender.cli.options import database_url
from recommender.errors import SettingsError
from recommender.settings import Settings
from recommender.store.engine import Engine, connect
from recommender.store.upgrade import require_current


def settings(**given: Any) -> Settings:
    """Settings from the environment, overridden by what the command line says (None: nothing).

    Raises
    ------
    SettingsError
        If one has no sense; names the setting and not what it was set to.
    """
    chosen = {"database_url": database_url(), **given}
    try:
        return Settings(**{name: value for name, value in chosen.items() if value is not None})
    except ValidationError as error:
        wrong = "; ".join(
            f"RECOMMENDER_{'_'.join(map(str, flaw['loc'])).upper()}: {flaw['msg']}"
            for flaw in error.errors(include_input=False, include_url=False)
        )
        raise SettingsError(f"a setting can't be used: {wrong}") from None


@contextmanager
def database(chosen: Settings, *, migrated: bool = True, newer: bool = False) -> Iterator[Engine]:
    """Open the database of the settings for one command and close it afterwards.

    Parameters
    ----------
    newer
        Whether a schema of a newer version will do.

    Raises
    ------
    NotMigratedError
        If ``migrated`` is asked for and it is not; the message says what to do.
    """
    engine = connect(chosen.database_url)
    try:
        if migrated:
            require_current(engine, newer=newer)
        yield engine
    finally:
        engine.dispose()
