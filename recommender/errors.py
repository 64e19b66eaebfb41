"""Every error the product raises on purpose.

The command line turns them into exit codes, ``api/errors.py`` into HTTP statuses;
nothing else decides how an error is shown.

::

    RecommenderError
    ├── SettingsError            a setting or command-line value can't be used
    ├── DataError                shipped or supplied data breaks its own rules
    │   ├── CatalogueError       an action of the catalogue is malformed
    │   ├── MetricError          a metric, unit or conversion is unknown
    │   ├── RuleError            a guardrail rule does not parse or refers to nothing
    │   └── MalformedFileError   an input file can't be read; names line and column
    ├── TooMuchError             more than may be kept of one person
    ├── StoreError               the database can't be used
    │   ├── NotMigratedError     its schema is older or newer than the code
    │   ├── RefusedError         it works, and refused what it was given
    │   ├── LockHeldError        another train holds the lock
    │   └── LockLostError        this train lost the lock, and with it its turn
    ├── IdentityProviderError    the identity provider's keys can't be had
    ├── ServeError               the server can't listen where it was told to
    ├── NotFoundError            the thing asked for does not exist
    ├── ConflictError            the request contradicts the state of things
    │   ├── NotTheirsError       a record belongs to another person than it may
    │   └── ChangedMeanwhileError  what was to be changed is no longer as the sender knew it
    ├── NoPublishedRunError      nothing has been trained yet
    └── NothingToLearnError      the records hold nothing a model could learn from
"""

from __future__ import annotations


class RecommenderError(Exception):
    """Root of every deliberate error; its text is safe to show and names no person's data."""


class SettingsError(RecommenderError):
    """A setting or command-line value can't be used."""


class DataError(RecommenderError):
    """Shipped or supplied data breaks its own rules."""


class CatalogueError(DataError):
    """An action of the catalogue is malformed."""


class MetricError(DataError):
    """A metric, a unit or a conversion is unknown."""


class RuleError(DataError):
    """A guardrail rule does not parse, or refers to something that does not exist."""


class MalformedFileError(DataError):
    """An input file can't be read.

    Parameters
    ----------
    path
        The file as the user named it (``-`` for standard input).
    reason
        What is wrong, in words.
    line, column
        Where, counted from one; None where the format has no such position.
    """

    def __init__(
        self, path: str, reason: str, line: int | None = None, column: int | None = None
    ) -> None:
        self.path, self.reason, self.line, self.column = path, reason, line, column
        where = "".join(
            f", {name} {number}"
            for name, number in (("line", line), ("column", column))
            if number is not None
        )
        super().__init__(f"{path}{where}: {reason}")


class TooMuchError(RecommenderError):
    """More than may be kept of one person."""


class StoreError(RecommenderError):
    """The database can't be used."""


class NotMigratedError(StoreError):
    """The database's schema is older or newer than this code."""


class RefusedError(StoreError):
    """The database works, and refused what it was given: asking for something else may do."""


class LockHeldError(StoreError):
    """Another train holds the lock."""


class LockLostError(StoreError):
    """This train lost the lock before it could publish."""


class IdentityProviderError(RecommenderError):
    """The identity provider's keys can't be had, so that no token can be checked."""


class ServeError(RecommenderError):
    """The server can't listen where it was told to."""


class NotFoundError(RecommenderError):
    """The thing asked for does not exist."""


class ConflictError(RecommenderError):
    """The request contradicts the state of things."""


class NotTheirsError(ConflictError):
    """A record belongs, or is stored as belonging, to another person than it may."""


class ChangedMeanwhileError(ConflictError):
    """What was to be changed is no longer as the sender knew it."""


class NoPublishedRunError(RecommenderError):
    """Nothing has been trained and published yet."""


class NothingToLearnError(RecommenderError):
    """The records hold nothing a model could learn from."""
