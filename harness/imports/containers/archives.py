"""Zip archives, members packed with zstd (method 93) included, which Python 3.11's `zipfile` cannot read.

Data flows a path -> `members` -> `Member`, which is `Readable`. An archive that would unpack to far more than it should
is refused before or while it is read.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO, cast

from harness.imports.containers.log_files import (
    ALWAYS_ALLOWED_BYTES,
    MOST_EXPANSION,
    LogFile,
    Unpacked,
    unzstd,
)
from harness.imports.refusal import ImportRefused

ZSTD_METHODS = (93, 20)
MOST_MEMBERS = 1_000_000
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside an archive.

    Attributes:
        inside: its path in the archive.
    """

    archive: LogFile
    inside: str
    entry: zipfile.ZipInfo

    @property
    def name(self) -> str:
        """Archive and path in it, for messages."""
        return f"{self.archive.name}!{self.inside}"

    def open(self) -> BinaryIO:
        """Start reading its unpacked content.

        Raises:
            ImportRefused: it is encrypted, packed in an unknown way, or not where the directory says.
        """
        if self.entry.flag_bits & 1:
            raise ImportRefused("is encrypted", where=self.name, fix="decrypt it with the tool that wrote it first")
        packed = self._packed()
        if self.entry.compress_type == zipfile.ZIP_STORED:
            unpacked: BinaryIO = packed
        elif self.entry.compress_type in ZSTD_METHODS:
            unpacked = unzstd(packed)
        else:
            unpacked = self._by_zipfile(packed)
        return cast("BinaryIO", io.BufferedReader(Unpacked(unpacked, self.name, self.entry.compress_size), 2**18))

    def _packed(self) -> BinaryIO:
        stream = self.archive.path.open("rb")
        stream.seek(self.entry.header_offset)
        header = stream.read(_LOCAL_HEADER.size)
        if len(header) < _LOCAL_HEADER.size or header[:4] != b"PK\x03\x04":
            stream.close()
            raise ImportRefused("is not where the archive's directory says: cut or broken", where=self.name)
        *_, n_name, n_extra = _LOCAL_HEADER.unpack(header)
        stream.seek(n_name + n_extra, io.SEEK_CUR)
        return cast("BinaryIO", io.BufferedReader(_Part(stream, self.entry.compress_size)))

    def _by_zipfile(self, packed: BinaryIO) -> BinaryIO:
        """Unpack by the reader of a single member: opening the archive for each would read its directory each time."""
        try:
            return cast("BinaryIO", _Checked(zipfile.ZipExtFile(packed, "r", self.entry, close_fileobj=True)))
        except (NotImplementedError, RuntimeError, zipfile.BadZipFile) as error:
            packed.close()
            raise ImportRefused(f"cannot be unpacked: {error}", where=self.name) from None


class _Checked(io.RawIOBase):
    """A member's stream whose wrong check sum is an error of reading."""

    def __init__(self, stream: zipfile.ZipExtFile) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast("bytearray", buffer))
        try:
            data = self._stream.read(len(view))
        except zipfile.BadZipFile as error:
            raise OSError(str(error)) from None
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


class _Part(io.RawIOBase):
    """The next bytes of a stream, and not those after them."""

    def __init__(self, stream: BinaryIO, n_bytes: int) -> None:
        self._stream = stream
        self._left = n_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast("bytearray", buffer))
        data = self._stream.read(min(len(view), self._left))
        self._left -= len(data)
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


def members(archive: LogFile) -> Mapping[str, Member]:
    """List the files of an archive by their paths in it, in the directory's order; of a name twice, the last counts.

    Raises:
        ImportRefused: it is no archive, is cut (its directory stands at its end), or says that it unpacks to more than
            a log could.
    """
    try:
        with zipfile.ZipFile(archive.path) as opened:
            entries = opened.infolist()
    except zipfile.BadZipFile as error:
        raise ImportRefused(f"cut or broken: an archive without its directory ({error})", where=archive.name) from None
    except OSError as error:
        raise ImportRefused(f"cannot be read: {error.strerror or error}", where=archive.name) from None
    if len(entries) > MOST_MEMBERS:
        raise ImportRefused(f"holds {len(entries):,} files: not a log", where=archive.name)
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > max(ALWAYS_ALLOWED_BYTES, MOST_EXPANSION * archive.n_bytes):
        raise ImportRefused(
            f"would unpack to {unpacked / 2**20:,.0f} MB from {archive.n_bytes / 2**20:,.1f} MB: not a log",
            where=archive.name,
        )
    found: dict[str, Member] = {}
    for entry in entries:
        if not entry.is_dir():
            found.pop(entry.filename, None)
            found[entry.filename] = Member(archive, entry.filename, entry)
    return found
