"""Byte streams cut into blocks that end where a record ends, with positions for messages."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from recommender.errors import MalformedFileError

STANDARD_INPUT = "-"
BLOCK_BYTES = 8 << 20
LONGEST_RECORD_BYTES = 32 << 20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Block:
    """Whole records as bytes.

    Attributes
    ----------
    line
        Line number of its first byte, counted from one.
    """

    path: str
    data: bytes
    line: int

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column (in characters), both counted from one, of a byte."""
        before = self.data[:offset]
        start = before.rfind(b"\n") + 1
        column = len(before[start:].decode("utf-8", "replace")) + 1
        return self.line + before.count(b"\n"), column

    def malformed(self, offset: int, reason: str) -> MalformedFileError:
        """Make the error for something wrong at a byte."""
        return MalformedFileError(self.path, reason, *self.place(offset))

    def check_text(self) -> None:
        """Refuse bytes that are not UTF-8.

        Raises
        ------
        MalformedFileError
            Names line and column of the first such byte.
        """
        try:
            str(self.data, "utf-8")
        except UnicodeDecodeError as error:
            byte = self.data[error.start]
            raise self.malformed(error.start, f"byte 0x{byte:02x} is not UTF-8 text") from None


def last_newline(data: bytes) -> int:
    """Where the block may be cut: just behind its last line end, 0 if it has none."""
    return data.rfind(b"\n") + 1


def read_blocks(path: str, cut: Callable[[bytes], int] = last_newline) -> Iterator[Block]:
    """Cut a file (``.gz`` unpacked, ``-`` standard input) into blocks of about 8 MiB.

    Parameters
    ----------
    cut
        Given bytes that begin where a record begins, tells how many of them are whole
        records.

    Raises
    ------
    MalformedFileError
        The file can't be read, or a record is longer than 32 MiB.
    """
    line, rest = 1, b""
    with _opened(path) as stream:
        for data in _pieces(path, stream):
            rest += data
            end = cut(rest)
            if end == 0 and len(rest) > LONGEST_RECORD_BYTES:
                raise MalformedFileError(
                    path, "a record is longer than 32 MiB; is a quote never closed?", line, 1
                )
            if end and len(rest) >= BLOCK_BYTES:
                yield Block(path, rest[:end], line)
                line += rest.count(b"\n", 0, end)
                rest = rest[end:]
        if rest:
            yield Block(path, rest, line)


def _pieces(path: str, stream: IO[bytes]) -> Iterator[bytes]:
    if first := _read(path, stream):
        yield first.removeprefix(_BYTE_ORDER_MARK)
    while data := _read(path, stream):
        yield data


def _read(path: str, stream: IO[bytes]) -> bytes:
    try:
        return stream.read(BLOCK_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(path, error) from None


@contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    if path == STANDARD_INPUT:
        yield sys.stdin.buffer
        return
    try:
        raw: BinaryIO = Path(path).open("rb")  # noqa: SIM115  (closed below)
    except OSError as error:
        raise unreadable(path, error) from None
    with raw:
        stream: IO[bytes] = raw
        if path.lower().endswith(".gz"):
            stream = gzip.GzipFile(fileobj=raw)  # type: ignore[assignment]
        yield stream


def unreadable(path: str, error: Exception) -> MalformedFileError:
    """Make the error for a file that the operating system or unpacking refuses."""
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return MalformedFileError(path, f"can't be read: {reason}")
