"""A file of a log as readers see it: a name for messages, and its bytes from the start as often as they are wanted.

Data flows a path -> `LogFile` -> its unpacked bytes, within bounds.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import zstandard

from harness.imports.refusal import ImportRefused

LONGEST_PIECE_BYTES = 64 * 2**20
"""Longest line, JSON value or CSV row that is held at once; calls with longer ones are not found in practice."""
MOST_EXPANSION = 200
"""A compressed file may become this many times longer; JSON reaches about 50."""
ALWAYS_ALLOWED_BYTES = 256 * 2**20
"""Expansion is not looked at below this size: a short file of zeros harms nobody."""


_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"


class Readable(Protocol):
    """Bytes with a name: a file on disk, or a member of an archive."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def open(self) -> BinaryIO:
        """Start reading at the first byte; the caller closes it."""


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file on disk; `.gz` and `.zst` are unpacked while they are read.

    Attributes:
        path: where it is.
        name: its path below what the user named, for messages.
    """

    path: Path
    name: str

    @property
    def n_bytes(self) -> int:
        """Size on disk."""
        return self.path.stat().st_size

    def open(self) -> BinaryIO:
        """Start reading at the first byte."""
        plain = self.path.open("rb")
        start = plain.read(4)
        plain.seek(0)
        if start[:2] == _GZIP:
            plain.close()
            unpacked = cast("BinaryIO", gzip.open(self.path))  # noqa: SIM115  # whoever reads closes it
        elif start == _ZSTD:
            unpacked = unzstd(plain)
        else:
            return plain
        return cast("BinaryIO", io.BufferedReader(Unpacked(unpacked, self.name, self.n_bytes), 2**20))


class Unpacked(io.RawIOBase):
    """What a compressed stream holds, refused when it grows out of proportion.

    Args:
        packed_bytes: how long the compressed stream is.
    """

    def __init__(self, stream: BinaryIO, name: str, packed_bytes: int) -> None:
        self._stream = stream
        self._name = name
        self._most = max(ALWAYS_ALLOWED_BYTES, MOST_EXPANSION * packed_bytes)
        self._read = 0

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill the buffer.

        Raises:
            ImportRefused: the stream is cut, broken, or unpacks to far more than it should.
        """
        view = memoryview(cast("bytearray", buffer))
        try:
            data = self._stream.read(len(view))
        except (EOFError, OSError, zlib.error, zstandard.ZstdError) as error:
            raise ImportRefused(f"its compressed content is cut or broken: {error}", where=self._name) from None
        self._read += len(data)
        if self._read > self._most:
            raise ImportRefused(
                f"unpacks to more than {self._most / 2**20:,.0f} MB, {MOST_EXPANSION} times its size: not a log",
                where=self._name,
            )
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close what is read from."""
        if not self.closed:
            self._stream.close()
        super().close()


def unzstd(packed: BinaryIO) -> BinaryIO:
    """Read what a zstd stream of one or several frames holds; closing it closes the stream."""
    unpacker = zstandard.ZstdDecompressor(max_window_size=2**27)
    return cast("BinaryIO", unpacker.stream_reader(packed, read_across_frames=True, closefd=True))


@contextmanager
def reading(file: Readable) -> Iterator[BinaryIO]:
    """Open a file for reading.

    Raises:
        ImportRefused: it cannot be opened or read.
    """
    try:
        with file.open() as stream:
            yield stream
    except OSError as error:
        raise ImportRefused(f"cannot be read: {error.strerror or error}", where=file.name) from None
