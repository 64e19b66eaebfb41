"""Which reader a file gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from recommender.errors import MalformedFileError
from recommender.formats.blocks import STANDARD_INPUT
from recommender.formats.chunk import Chunk
from recommender.formats.delimited import read_csv
from recommender.formats.json_lines import read_ndjson
from recommender.formats.parquet import read_parquet

_READERS: dict[str, Callable[[str], Iterator[Chunk]]] = {
    ".csv": read_csv,
    ".csv.gz": read_csv,
    ".ndjson": read_ndjson,
    ".ndjson.gz": read_ndjson,
    ".jsonl": read_ndjson,
    ".jsonl.gz": read_ndjson,
    ".parquet": read_parquet,
}


def read_chunks(path: str) -> Iterator[Chunk]:
    """Read a file of records by its extension; ``-`` is NDJSON on standard input.

    Raises
    ------
    MalformedFileError
        The extension is none of the known ones, or the reader finds the file broken.
    """
    if path == STANDARD_INPUT:
        return read_ndjson(path)
    for extension, reader in _READERS.items():
        if path.lower().endswith(extension):
            return reader(path)
    raise MalformedFileError(path, f"unknown extension; one of {', '.join(_READERS)} is read")
