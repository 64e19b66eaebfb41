from __future__ import annotations

import gzip
import io
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recommender.errors import MalformedFileError
from recommender.formats import blocks
from recommender.formats.chunk import typed_cell
from recommender.formats.delimited import _whole_rows, read_csv
from recommender.formats.json_lines import parse_ndjson
from recommender.formats.tabular import read_chunks

Write = Callable[[str, bytes], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def _write(name: str, data: bytes) -> str:
        path = tmp_path / name
        path.write_bytes(data)
        return str(path)

    return _write


def _records(path: str) -> list[object]:
    return [
        chunk.record(row, known=("a", "b"))
        for chunk in read_chunks(path)
        for row in range(chunk.rows)
    ]


def _broken(path: str) -> MalformedFileError:
    with pytest.raises(MalformedFileError) as caught:
        _records(path)
    return caught.value


def test_csv_keeps_known_cells_as_text_and_types_the_others(write: Write) -> None:
    path = write("x.csv", b'a,b,c,d\n007,"x, ""y""\nz",7,true\n,,,\n')
    assert _records(path) == [
        {"a": "007", "b": 'x, "y"\nz', "c": 7, "d": True},
        {"a": "", "b": "", "c": None, "d": None},
    ]


@pytest.mark.parametrize("data", [b"\n", b"a,b\n", b"a,b", b"\xef\xbb\xbfa,b\n\n\n"])
def test_csv_without_rows_has_no_records(write: Write, data: bytes) -> None:
    if data == b"\n":
        assert _broken(write("x.csv", data)).line == 1
    else:
        assert _records(write("x.csv", data)) == []


def test_csv_takes_windows_line_ends_a_byte_order_mark_and_gzip(write: Write) -> None:
    path = write("x.CSV.gz", gzip.compress(b"\xef\xbb\xbfa,b\r\n1,2\r\n\r\n3,4"))
    assert _records(path) == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]


@pytest.mark.parametrize(
    ("data", "line", "column", "words"),
    [
        (b"a,b\n1,2\n3,4,5\n", 3, 5, "3 fields instead of 2"),
        (b"a,b\n\n1\n3,4\n", 3, 2, "1 fields instead of 2"),
        (b'a,b\n"1\n2",3\n4\n', 4, 2, "1 fields instead of 2"),
        (b'a,b\n1,"x"y\n', 2, 3, "quoting"),
        (b'a,b\n1,x"y\n', 2, 3, "quoting"),
        (b'a,b\n1,2\n3,"never closed\n5,6\n', 3, 3, "quoting"),
        (b"a,b\n1,\xc3\xa9\xff\n", 2, 4, "0xff is not UTF-8"),
        (b"a,a\n", 1, 3, "named twice"),
        (b"a,,b\n", 1, 3, "no name"),
    ],
)
def test_csv_errors_name_line_and_column(
    write: Write, data: bytes, line: int, column: int, words: str
) -> None:
    error = _broken(write("x.csv", data))
    assert (error.line, error.column) == (line, column)
    assert words in error.reason
    assert "x.csv, line" in str(error)


@pytest.mark.parametrize(
    ("data", "line", "column"),
    [
        (b'{"a": 1}\n{"a": }\n', 2, 7),
        (b'{"a": 1}\n\n  \n[1,\n', 4, 4),
        ('{"é": 1}\n{"é": x}\n'.encode(), 2, 7),
        (b'{"a": 1}\n{"a": "\xff"}\n', 2, 8),
    ],
)
def test_ndjson_errors_name_line_and_column(
    write: Write, data: bytes, line: int, column: int
) -> None:
    error = _broken(write("x.ndjson", data))
    assert (error.line, error.column) == (line, column)


def test_ndjson_skips_blank_lines_and_keeps_values_as_they_are(write: Write) -> None:
    path = write("x.jsonl", b'\xef\xbb\xbf{"a": 1, "c": [1]}\r\n\r\n \n5\n{"b": null}')
    assert _records(path) == [{"a": 1, "c": [1]}, 5, {"b": None}]


def test_standard_input_is_ndjson(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(b'{"a": 1}\n{"a": 2}\n'))
    monkeypatch.setattr(sys, "stdin", stream)
    assert _records("-") == [{"a": 1}, {"a": 2}]


def test_memory_parser_names_its_source() -> None:
    with pytest.raises(MalformedFileError, match="request body, line 2, column 1"):
        parse_ndjson(b"{}\nx", "request body")


def test_parquet_keeps_types(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": [1, 2], "b": [["x"], None]}), path)
    assert _records(str(path)) == [{"a": 1, "b": ["x"]}, {"a": 2, "b": None}]


@pytest.mark.parametrize("name", ["x.parquet", "x.csv.gz", "x.ndjson.gz"])
def test_damaged_packing_is_a_malformed_file(write: Write, name: str) -> None:
    assert name in str(_broken(write(name, b"PAR1 not really")))


@pytest.mark.parametrize("name", ["nowhere.csv", "nowhere.ndjson", "nowhere.parquet", "x.xlsx"])
def test_missing_files_and_unknown_extensions_are_named(name: str) -> None:
    assert name in str(_broken(name))


@pytest.mark.parametrize("size", [1, 7, 16, 64])
def test_blocks_end_where_records_end(
    write: Write, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", size)
    data = b'a,b\n1,"x\n\ny"\n"2\n","z"\n3,4\n'
    path = write("x.csv", data)
    parts = [(block.line, block.data) for block in blocks.read_blocks(path, _whole_rows)]
    assert b"".join(part for _, part in parts) == data
    assert len(parts) > 1 or size > len(data)
    seen = 1
    for line, part in parts:
        assert line == seen
        assert part.count(b'"') % 2 == 0
        seen += part.count(b"\n")


def test_a_record_without_end_does_not_fill_the_memory(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "LONGEST_RECORD_BYTES", 100)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 50)
    path = write("x.csv", b'a,b\n1,"' + b"x\n" * 200)
    with pytest.raises(MalformedFileError, match="longer") as caught:
        list(blocks.read_blocks(path, _whole_rows))
    assert caught.value.line == 2


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("7", 7), ("-0.5", -0.5), ("1e3", 1000.0), ("007", "007"), ("+7", "+7"), ("1_0", "1_0"),
        ("true", True), ("False", "False"), (" x ", "x"), ("", None), ("  ", None), (None, None),
        ("1e999", "1e999"), ("123456789012345678901", "123456789012345678901"), ("NaN", "NaN"),
    ],
)  # fmt: skip
def test_cells_without_a_stated_type(cell: str | None, value: object) -> None:
    assert typed_cell(cell) == value
    assert type(typed_cell(cell)) is type(value)


def test_a_file_without_even_a_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "users.csv"
    path.write_bytes(b"")
    with pytest.raises(MalformedFileError, match="header"):
        list(read_csv(str(path)))
