"""CSV after RFC 4180: comma, double quotes, a header line, UTF-8."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.csv as arrow_csv

from recommender.errors import MalformedFileError
from recommender.formats.blocks import Block, read_blocks
from recommender.formats.chunk import Chunk

_FIELD = rb'(?:"((?:[^"]++|"")*+)"|([^",\r\n]*+))(,|\r\n|\n|\r|\Z)'
_ONE_FIELD = re.compile(_FIELD)
# The same without groups: walks over a whole block and stops where the quoting is wrong.
_ALL_FIELDS = re.compile(rb'(?:(?:"(?:[^"]++|"")*+"|[^",\r\n]*+)(?:,|\r\n|\n|\r|\Z))*+')


def read_csv(path: str) -> Iterator[Chunk]:
    """Read a CSV file in stretches of about 8 MiB; every cell stays text.

    Raises
    ------
    MalformedFileError
        Names line and column of a wrong number of fields, wrong quoting or bytes that
        are not UTF-8; also for a header that is missing, empty or names a column twice.
    """
    names: list[str] = []
    first = 0
    for block in read_blocks(path, _whole_rows):
        body = block
        block.check_text()
        _check_quotes(block)
        if not names:
            names, body = _header(block)
        table = _parse(body, names)
        if table.num_rows:
            columns = {name: table.column(name).combine_chunks() for name in names}
            yield Chunk(table.num_rows, first, table=columns, is_text=True)
            first += table.num_rows
    if not names:
        raise MalformedFileError(path, "empty: not even a header line", line=1)


def _whole_rows(data: bytes) -> int:
    """Behind the last line end that stands outside quotes."""
    end = data.rfind(b"\n") + 1
    open_quotes = data.count(b'"', 0, end) % 2
    while end and open_quotes:
        previous = data.rfind(b"\n", 0, end - 1) + 1
        open_quotes ^= data.count(b'"', previous, end) % 2
        end = previous
    return end


def _check_quotes(block: Block) -> None:
    if b'"' not in block.data:
        return
    match = _ALL_FIELDS.match(block.data)
    end = match.end() if match else 0
    if end < len(block.data):
        raise block.malformed(
            end,
            "wrong quoting: quotes enclose a whole field, those inside are doubled",
        )


def _header(block: Block) -> tuple[list[str], Block]:
    names: list[str] = []
    position = 0
    while True:
        match = _ONE_FIELD.match(block.data, position)
        assert match is not None  # the quoting has been checked
        name = _text(match)
        if not name or name in names:
            problem = f"column {name} is named twice" if name else "a column has no name"
            raise block.malformed(position, problem)
        names.append(name)
        position = match.end()
        if match.group(3) != b",":
            break
    head = block.data[:position]
    rest = Block(block.path, block.data[position:], block.line + head.count(b"\n"))
    return names, rest


def _text(match: re.Match[bytes]) -> str:
    quoted = match.group(1)
    cell = match.group(2) if quoted is None else quoted.replace(b'""', b'"')
    return cell.decode("utf-8").strip()


def _parse(block: Block, names: list[str]) -> pa.Table:
    if not block.data.strip():
        return pa.table({name: pa.array([], pa.string()) for name in names})
    text = pa.string()
    try:
        return arrow_csv.read_csv(
            pa.BufferReader(block.data),
            # One block: positions are found by `_wrong_width`, not by the parser's threads.
            read_options=arrow_csv.ReadOptions(
                column_names=names, block_size=len(block.data) + 1, use_threads=False
            ),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=b'"' in block.data),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, text),
                strings_can_be_null=False,
                check_utf8=False,
            ),
        )
    except pa.ArrowInvalid as error:
        raise _wrong_width(block, len(names), error) from None


def _wrong_width(block: Block, width: int, cause: Exception) -> MalformedFileError:
    """Find the first row with another number of fields than the header."""
    position = row_start = fields = surplus = 0
    while position < len(block.data):
        match = _ONE_FIELD.match(block.data, position)
        assert match is not None  # the quoting has been checked
        fields += 1
        if fields == width + 1:
            surplus = position
        ended = match.group(3) != b","
        is_blank = fields == 1 and match.end(2) == row_start
        if ended and fields != width and not is_blank:
            where = surplus if fields > width else match.start(3)
            return block.malformed(where, f"{fields} fields instead of {width}")
        position = match.end()
        if ended:
            row_start, fields = position, 0
    return MalformedFileError(block.path, str(cause).split(":")[0], block.line)
