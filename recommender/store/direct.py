"""Statements that need no transaction around them: the few of a live answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from recommender.store.engine import SQLITE, Engine, in_plain_words

Given = TypeVar("Given")


class Direct:
    """A driver's own connection, on which every statement is a transaction of its own.

    One statement sees one snapshot and is kept as a whole, so that nothing has to be begun or
    ended: for the few statements of a live answer, of which SQLAlchemy's part is half the time.

    Attributes
    ----------
    dialect
        ``sqlite`` (values are named ``:name`` in statements) or ``postgresql`` (``%(name)s``).
    """

    __slots__ = ("_cursor", "dialect")

    def __init__(self, dialect: str, cursor: Any) -> None:
        self.dialect = dialect
        self._cursor = cursor

    def rows(self, statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Rows that a statement gives."""
        found: list[tuple[Any, ...]] = self._cursor.execute(statement, values).fetchall()
        return found

    def run_meanwhile(
        self, statement: str, values: Mapping[str, Any], work: Callable[[], Given]
    ) -> Given:
        """Run a statement for what it changes, and something else while the server is at it.

        PostgreSQL only. What ``work`` gives is not given before the statement is done; if both
        fail, it is the statement's error that is raised.
        """
        fault: Exception | None = None
        with self._cursor.connection.pipeline():
            self._cursor.execute(statement, values)
            try:
                given = work()
            except Exception as error:  # else psycopg logs the statement's, with what it quotes
                fault = error
        if fault is not None:
            raise fault
        return given

    def run(self, statement: str, values: Mapping[str, Any]) -> None:
        """Run a statement for what it changes."""
        self._cursor.execute(statement, values)

    def run_together(self, statements: Iterable[tuple[str, Sequence[Sequence[Any]]]]) -> None:
        """Run statements, each for rows of values of its ``?``, of which all is kept or nothing.

        SQLite only, PostgreSQL needs but one.
        """
        cursor = self._cursor
        cursor.execute("SAVEPOINT together")  # BEGIN can't where threads share a connection
        try:
            for statement, rows in statements:
                cursor.executemany(statement, rows)
        except BaseException:
            cursor.connection.rollback()  # of nothing, where a full disk has undone it
            raise
        cursor.execute("RELEASE together")


def placeholder(dialect: str, name: str) -> str:
    """How a statement for ``Direct`` refers to a value."""
    return f":{name}" if dialect == SQLITE else f"%({name})s"


@contextmanager
def direct(engine: Engine) -> Iterator[Direct]:
    """Give a connection for statements that need no transaction around them."""
    with in_plain_words(engine):
        pooled = engine.raw_connection()
        try:
            with _self_committing(engine.dialect.name, pooled.driver_connection) as cursor:
                yield Direct(engine.dialect.name, cursor)
        finally:
            pooled.close()


@contextmanager
def _self_committing(dialect: str, driver: Any) -> Iterator[Any]:
    if dialect == SQLITE:  # `_prepare_sqlite` made it so
        yield driver.cursor()
        return
    driver.autocommit = True
    try:
        with driver.cursor(binary=True) as cursor:
            yield cursor
    finally:
        if not driver.closed:
            driver.autocommit = False
