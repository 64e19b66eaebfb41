"""NDJSON: one JSON value a line, UTF-8, blank lines ignored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from recommender.formats.blocks import Block, read_blocks
from recommender.formats.chunk import Chunk


def read_ndjson(path: str) -> Iterator[Chunk]:
    """Read a file of JSON lines in stretches of about 8 MiB.

    Raises
    ------
    MalformedFileError
        Names line and column where a line stops being JSON.
    """
    first = 0
    for block in read_blocks(path):
        values = _parse(block)
        if values:
            yield Chunk(len(values), first, values=values)
            first += len(values)


def parse_ndjson(body: bytes, path: str) -> list[Any]:
    """Return the values of JSON lines that are already in memory.

    Parameters
    ----------
    path
        What to call them in an error.

    Raises
    ------
    MalformedFileError
        Names line and column where a line stops being JSON.
    """
    return _parse(Block(path, body, line=1))


def _parse(block: Block) -> list[Any]:
    lines = block.data.split(b"\n")
    try:
        return list(map(orjson.loads, filter(None, lines)))
    except orjson.JSONDecodeError:
        return _parse_slowly(block, lines)


def _parse_slowly(block: Block, lines: list[bytes]) -> list[Any]:
    """Skip lines of white space; tell where a line is wrong."""
    block.check_text()
    values, offset = [], 0
    for line in lines:
        try:
            if line.strip():
                values.append(orjson.loads(line))
        except orjson.JSONDecodeError as error:
            # The decoder counts characters, and a blank before the error is not the error.
            behind = len(line.decode("utf-8")[: error.pos].encode("utf-8"))
            raise block.malformed(offset + behind, f"not JSON: {error.msg}") from None
        offset += len(line) + 1
    return values
