"""Parquet files, read batch by batch."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from recommender.errors import MalformedFileError
from recommender.formats.blocks import unreadable
from recommender.formats.chunk import Chunk

_BATCH_ROWS = 65_536


def read_parquet(path: str) -> Iterator[Chunk]:
    """Read a Parquet file in stretches of 65,536 rows; columns keep their types.

    Raises
    ------
    MalformedFileError
        The file can't be opened or is damaged (the format has no lines to name), or
        names a column twice.
    """
    first = 0
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if len(set(names)) < len(names):
                raise MalformedFileError(path, "a column is named twice")
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                columns = dict(zip(names, batch.columns, strict=True))
                yield Chunk(batch.num_rows, first, table=columns)
                first += batch.num_rows
    except OSError as error:
        raise unreadable(path, error) from None
    except pa.ArrowException as error:
        raise MalformedFileError(path, f"not readable as Parquet: {_brief(error)}") from None


def _brief(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
