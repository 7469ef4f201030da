"""Packed data files read without filling the memory: what a small archive may become is bounded.

Data flows gzip or tar file -> a stream of the unpacked bytes, or UnreadableError where it grows beyond all sense.
"""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

LARGEST_RATIO = 100
"""Unpacked bytes per packed byte; texts reach 5 to 20."""
ALWAYS_ALLOWED = 64 * 2**20
"""Unpacked bytes that no ratio forbids."""


class UnreadableError(Exception):
    """One row or file that cannot be read; `row` is 0 for the file as a whole."""

    def __init__(self, row: int, message: str) -> None:
        super().__init__(message)
        self.row = row
        self.message = message


class _Bounded(io.RawIOBase):
    """A stream that refuses to give more than a number of bytes."""

    def __init__(self, inner: IO[bytes], limit: int) -> None:
        super().__init__()
        self._inner = inner
        self._left = limit
        self._limit = limit

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill a buffer; raises UnreadableError past the bound."""
        data = self._inner.read(len(memoryview(buffer)))
        self._left -= len(data)
        if self._left < 0:
            raise _too_large(self._limit)
        memoryview(buffer)[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the packed file."""
        self._inner.close()
        super().close()


def unpacked(path: Path) -> IO[bytes]:
    """Open a gzip file for reading; reading raises UnreadableError past the bound."""
    return _bounded(cast("IO[bytes]", gzip.open(path)), path.stat().st_size)


def member_of(archive: Path, member: str) -> bytes:
    """Read one file of a tar archive, unpacked where it is a .gz itself.

    Raises:
        UnreadableError: it is missing, no ordinary file, or larger than the archive can explain.
        tarfile.TarError, OSError, zlib.error: the archive is damaged.
    """
    packed = archive.stat().st_size
    with tarfile.open(archive) as tar:
        try:
            found = tar.getmember(member)
            extracted = tar.extractfile(found)
        except KeyError:
            raise UnreadableError(0, f"the archive has no file {member!r}") from None
        if extracted is None:
            raise UnreadableError(0, f"{member!r} is no file in the archive")
        if found.size > _limit(packed):
            raise _too_large(_limit(packed))
        data = extracted.read()
    if not member.endswith(".gz"):
        return data
    with _bounded(cast("IO[bytes]", gzip.open(io.BytesIO(data))), len(data)) as content:
        return content.read()


def _bounded(inner: IO[bytes], packed: int) -> IO[bytes]:
    return io.BufferedReader(_Bounded(inner, _limit(packed)), buffer_size=2**18)


def _limit(packed: int) -> int:
    return max(ALWAYS_ALLOWED, LARGEST_RATIO * packed)


def _too_large(limit: int) -> UnreadableError:
    return UnreadableError(
        0,
        f"unpacks to more than {limit // 2**20:,} MiB, over {LARGEST_RATIO} times its size; "
        "if you trust it, unpack it yourself and name the unpacked file",
    )
