"""How the simulated world is written down: tables with the columns of the contract."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recommender import columns
from recommender.dataset import FloatArray, IntArray
from recommender.domain import EVENT_CODES, SECONDS_PER_DAY, SEX_CODES
from recommender.simulation.behaviour import Happenings
from recommender.simulation.people import ATTRIBUTES, People, condition_lists
from recommender.simulation.readings import SOURCES, Readings
from recommender.simulation.world import MEASURES, SLATE_SIZE, ActionRow, Menu

_LIST_COLUMNS = (columns.TARGETS, columns.TAGS)
_KINDS = sorted(EVENT_CODES, key=EVENT_CODES.__getitem__)
_SEXES = sorted(SEX_CODES, key=SEX_CODES.__getitem__)
TRUTH_SCHEMA = pa.schema(
    {columns.USER_ID: pa.string(), columns.ACTION_ID: pa.string(), columns.P_COMPLETE: pa.float32()}
)
_CONTEXTS = [json.dumps({"position": place}) for place in range(1, SLATE_SIZE + 1)]


def user_ids(number: IntArray) -> pa.Array:
    """``u0000001`` for person number 1."""
    return _padded("u", number)


def users_table(people: People) -> pa.Table:
    """One row a person: the contract's columns, then ``people.ATTRIBUTES``."""
    known = {
        columns.USER_ID: user_ids(people.number),
        columns.BIRTH_DATE: pa.array(people.born, pa.date32()),
        columns.SEX: _pick(_SEXES, people.sex),
        columns.CONDITIONS: pa.array([text or None for text in condition_lists(people)]),
    }
    more = {name: _plain(pa.Array.from_pandas(people.attributes[name])) for name in ATTRIBUTES}
    return pa.table(known | more)


def _plain(values: pa.Array) -> pa.Array:
    """Integers as 64 bit, anything else as text: the same type whatever a block holds."""
    return values.cast(pa.int64() if pa.types.is_integer(values.type) else pa.string())


def events_table(
    people: People, happenings: Happenings, menu: Menu, end_at: datetime, days: int
) -> pa.Table:
    """One row an event, by person and time; instants are UTC, to the second."""
    number = people.number[happenings.person]
    nowhere = happenings.position < 0
    request = pc.binary_join_element_wise(
        _padded("r", number), _padded("", happenings.request, 5), "-"
    )
    return pa.table(
        {
            columns.EVENT_ID: _running_ids("e", happenings.person, number),
            columns.USER_ID: user_ids(number),
            columns.ACTION_ID: _pick(menu.ids, happenings.action),
            columns.TYPE: _pick(_KINDS, happenings.kind),
            columns.OCCURRED_AT: _instants(happenings.day, end_at, days),
            columns.PROPENSITY: _known(happenings.propensity),
            columns.REQUEST_ID: pc.if_else(
                pa.array(happenings.request >= 0), request, pa.scalar(None, pa.string())
            ),
            columns.VALUE: _known(happenings.value),
            columns.CONTEXT: pa.array(_CONTEXTS).take(
                pa.array(np.maximum(happenings.position - 1, 0), mask=nowhere)
            ),
        }
    )


def observations_table(people: People, readings: Readings, end_at: datetime, days: int) -> pa.Table:
    """One row a reading, by person and time; instants are UTC, to the second."""
    number = people.number[readings.person]
    return pa.table(
        {
            columns.OBSERVATION_ID: _running_ids("o", readings.person, number),
            columns.USER_ID: user_ids(number),
            columns.METRIC: _pick([kind.name for kind in MEASURES], readings.metric),
            columns.VALUE: pa.array(readings.value),
            columns.UNIT: _pick([kind.unit for kind in MEASURES], readings.metric),
            columns.OBSERVED_AT: _instants(readings.day, end_at, days),
            columns.SOURCE: _pick(SOURCES, readings.source),
        }
    )


def truth_table(people: People, menu: Menu, chance: FloatArray) -> pa.Table:
    """One row a person and action with the true probability of completing within 7 days.

    ``chance`` is [n_people, n_actions].
    """
    person, action = np.divmod(np.arange(chance.size), len(menu))
    return pa.table(
        {
            columns.USER_ID: user_ids(people.number).take(pa.array(person)),
            columns.ACTION_ID: _pick(menu.ids, action),
            columns.P_COMPLETE: pa.array(chance.ravel().astype(np.float32)),
        },
        schema=TRUTH_SCHEMA,
    )


class CsvFile:
    """A CSV file that tables are appended to; instants become RFC 3339 text.

    Only cells that need it are quoted, and a missing value is an empty cell.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._empty = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def append(self, table: pa.Table) -> None:
        """Write the rows of a table, after the header if it is the first."""
        if self._empty:
            self._file.write((",".join(table.column_names) + "\n").encode())
            self._empty = False
        for batch in table.combine_chunks().to_batches():
            cells = [_as_text(column) for column in batch.columns]
            rows = pc.binary_join_element_wise(*cells, ",", null_handling="replace")
            lines = pc.binary_join_element_wise(rows, "\n", "")
            whole = pa.ListArray.from_arrays(pa.array([0, len(lines)], pa.int32()), lines)
            self._file.write(pc.binary_join(whole, "")[0].as_buffer())


def write_actions(rows: Sequence[ActionRow], path: Path) -> None:
    """Write catalogue entries as CSV: lists joined with ``;``, evidence as JSON."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _cell(name, row.get(name)) for name in names} for row in rows)


def _cell(name: str, value: Any) -> Any:
    if name in _LIST_COLUMNS:
        return ";".join(value or ())
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value


def _padded(prefix: str, number: IntArray, width: int = 7) -> pa.Array:
    digits = pc.utf8_lpad(pa.array(number).cast(pa.string()), width, "0")
    return pc.binary_join_element_wise(prefix, digits, "") if prefix else digits


def _running_ids(prefix: str, person: IntArray, number: IntArray) -> pa.Array:
    """Ids that count on within each person; ``person`` comes in runs of equal numbers."""
    starts = np.flatnonzero(np.diff(person, prepend=-1))
    lengths = np.diff(starts, append=len(person))
    within = np.arange(len(person)) - np.repeat(starts, lengths) + 1
    return pc.binary_join_element_wise(_padded(prefix, number), _padded("", within, 4), "-")


def _pick(names: Sequence[str], place: Any) -> pa.Array:
    return pa.array(names, pa.string()).take(pa.array(place))


def _known(values: FloatArray) -> pa.Array:
    return pa.array(values, mask=np.isnan(values))


def _instants(day: FloatArray, end_at: datetime, days: int) -> pa.Array:
    start = end_at.timestamp() - days * SECONDS_PER_DAY
    seconds = np.floor(start + day * SECONDS_PER_DAY).astype(np.int64)
    return pa.array(seconds, pa.timestamp("s", tz="UTC"))


def _as_text(column: pa.Array) -> pa.Array:
    """Cells of a CSV column, quoted where they hold a comma, a quote or a line break."""
    if pa.types.is_timestamp(column.type):
        return _rfc3339(column)
    text = column.cast(pa.string())
    special = pc.match_substring_regex(text, '[",\r\n]')
    if not pc.any(special).as_py():
        return text
    doubled = pc.replace_substring(text, '"', '""')
    return pc.if_else(special, pc.binary_join_element_wise('"', doubled, '"', ""), text)


def _rfc3339(instants: pa.Array) -> pa.Array:
    seconds = instants.cast(pa.timestamp("s", tz="UTC")).cast(pa.int64()).to_numpy()
    date, time = np.divmod(seconds, int(SECONDS_PER_DAY))
    dates = pa.array(date.astype(np.int32)).cast(pa.date32()).cast(pa.string())
    times = pa.array(time.astype(np.int32)).cast(pa.time32("s")).cast(pa.string())
    zoned = pc.binary_join_element_wise(times, "Z", "")
    return pc.binary_join_element_wise(dates, zoned, "T")
