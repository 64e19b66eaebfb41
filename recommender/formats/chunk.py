"""A stretch of records as they came in: columns for checking, single records for showing."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, TypeAlias

import pyarrow as pa

Column: TypeAlias = "pa.Array | list[Any]"
"""Arrow values (CSV text, Parquet types) or Python values (JSON); one entry a record."""

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_LONGEST_NUMBER = 40


@dataclass(frozen=True)
class Chunk:
    """Consecutive records of one source.

    Attributes
    ----------
    rows
        Number of records.
    first
        Place of the first one in its source, counted from zero.
    table
        Columns by name (CSV, Parquet), or None.
    values
        JSON values as received, not all of them need be objects (NDJSON, HTTP), or None.
    is_text
        True if every cell is text whose type the sender could not say (CSV).
    """

    rows: int
    first: int = 0
    table: Mapping[str, pa.Array] | None = None
    values: Sequence[Any] | None = None
    is_text: bool = False

    @cached_property
    def objects(self) -> list[dict[str, Any]]:
        """JSON values; an empty object stands for each that isn't one."""
        values = self.values or ()
        if set(map(type, values)) <= {dict}:
            return list(values)
        return [value if isinstance(value, dict) else {} for value in values]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of all columns, in the order met."""
        if self.table is not None:
            return tuple(self.table)
        return tuple(dict.fromkeys(chain.from_iterable(self.objects)))

    def column(self, name: str) -> Column | None:
        """Values of a column, or None if no record has it."""
        if self.table is not None:
            return self.table.get(name)
        if name not in self.names:
            return None
        return [record.get(name) for record in self.objects]

    def record(self, row: int, known: Collection[str]) -> Any:
        """One record as received; text cells of columns outside ``known`` become typed."""
        if self.table is None:
            assert self.values is not None
            return self.values[row]
        cells = {name: column[row].as_py() for name, column in self.table.items()}
        if not self.is_text:
            return cells
        return {name: cell if name in known else typed_cell(cell) for name, cell in cells.items()}


def typed_cell(cell: str | None) -> Any:
    """Give the value of a text cell whose type nobody stated.

    ``true`` and ``false`` become booleans, numbers in plain notation numbers (``007``
    stays text), an empty cell None; everything else is text.
    """
    text = (cell or "").strip()
    if not text:
        return None
    if text in ("true", "false"):
        return text == "true"
    match = _NUMBER.fullmatch(text) if len(text) <= _LONGEST_NUMBER else None
    if match is None:
        return text
    return _number(text, is_whole=match.group(2) is None and match.group(3) is None)


def _number(text: str, is_whole: bool) -> int | float | str:
    if is_whole and len(text) <= 18:
        return int(text)
    number = float(text)
    return text if number in (float("inf"), float("-inf")) or is_whole else number
