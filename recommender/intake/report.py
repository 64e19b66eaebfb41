"""What became of records, for whoever sent them."""

from __future__ import annotations

from dataclasses import dataclass

MOST_LISTED = 1000
"""Rejections that a report on files lists; the others are counted only."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A record that could not be taken.

    Attributes
    ----------
    index
        Its place in its source, counted from zero.
    source
        The file or path it came by.
    """

    index: int
    reason_code: str
    reason: str
    source: str


@dataclass(frozen=True)
class IngestReport:
    """What became of the records; the four counts add up to the records read.

    Attributes
    ----------
    accepted
        New records.
    duplicates
        Records that were known with the same content.
    corrected
        Records that were known with other content, which they replaced.
    rejected
        Records that were refused: all of them, or the first ``MOST_LISTED`` for files.
    rejected_count
        How many were refused.
    created_users
        People that were unknown and stand in the store now because records name them.
    ignored_columns
        Columns that have no meaning and were not kept.
    """

    accepted: int = 0
    duplicates: int = 0
    corrected: int = 0
    rejected: tuple[Rejection, ...] = ()
    rejected_count: int = 0
    created_users: int = 0
    ignored_columns: tuple[str, ...] = ()

    @property
    def read(self) -> int:
        """Records read."""
        return self.accepted + self.duplicates + self.corrected + self.rejected_count

    def plus(self, other: IngestReport) -> IngestReport:
        """Both together; only the first ``MOST_LISTED`` rejections stay listed."""
        return IngestReport(
            self.accepted + other.accepted,
            self.duplicates + other.duplicates,
            self.corrected + other.corrected,
            (*self.rejected, *other.rejected[: max(MOST_LISTED - len(self.rejected), 0)]),
            self.rejected_count + other.rejected_count,
            self.created_users + other.created_users,
            tuple(dict.fromkeys(self.ignored_columns + other.ignored_columns)),
        )
