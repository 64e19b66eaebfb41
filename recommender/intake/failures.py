"""Why records of a chunk can't be taken: the first reason found for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from recommender.dataset import BoolArray


class ReasonCode(StrEnum):
    """Short names of the reasons for a rejection; stable, analysts group by them."""

    NOT_AN_OBJECT = "not_an_object"
    MISSING_FIELD = "missing_field"
    BAD_ID = "bad_id"
    BAD_TEXT = "bad_text"
    BAD_NUMBER = "bad_number"
    BAD_DATE = "bad_date"
    BAD_TIME = "bad_time"
    NO_OFFSET = "no_offset"
    IN_FUTURE = "in_future"
    TOO_LONG_AGO = "too_long_ago"
    OUT_OF_RANGE = "out_of_range"
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_SEX = "unknown_sex"
    UNKNOWN_ACTION = "unknown_action"
    UNKNOWN_METRIC = "unknown_metric"
    UNKNOWN_UNIT = "unknown_unit"
    UNKNOWN_TAG = "unknown_tag"
    IMPLAUSIBLE = "implausible"
    BAD_CONDITIONS = "bad_conditions"
    BAD_CONTEXT = "bad_context"
    BAD_ATTRIBUTE = "bad_attribute"
    BAD_ACTION = "bad_action"
    OTHER_PERSON = "other_person"


Words = str | Callable[[int], str]


@dataclass
class Failures:
    """Collects failures of the records of one chunk; the first one a record meets stands.

    Attributes
    ----------
    rows
        Number of records.
    """

    rows: int
    _reason: np.ndarray[tuple[int], np.dtype[np.int16]] = field(init=False)
    _reasons: list[tuple[ReasonCode, Words]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self._reason = np.full(self.rows, -1, dtype=np.int16)

    def add(self, mask: BoolArray, code: ReasonCode, words: Words) -> None:
        """Fail the records under ``mask``.

        Parameters
        ----------
        words
            The reason, or what gives it for the number of a record. It must not repeat
            a reading, a date or anything else about a person.
        """
        if mask.any():
            self._reason[mask & (self._reason < 0)] = len(self._reasons)
            self._reasons.append((code, words))

    @property
    def passed(self) -> BoolArray:
        """True for each record that has not failed."""
        return self._reason < 0

    def failed_rows(self) -> list[int]:
        """Numbers of the failed records, ascending."""
        return [int(row) for row in np.flatnonzero(self._reason >= 0)]

    def why(self, row: int) -> tuple[ReasonCode, str]:
        """Code and words for a failed record."""
        code, words = self._reasons[self._reason[row]]
        return code, words if isinstance(words, str) else words(row)
