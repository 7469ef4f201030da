"""Files in a folder of caches: each appears whole or not at all, and the newest of them up to so many bytes stay.

Data flows parts of bytes + all that they depend on -> a file -> the same parts. A file that is broken, foreign or rests
on something else is as good as none, and a folder that cannot be written to keeps nothing.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

Part: TypeAlias = bytes | bytearray | memoryview

FORM = "benchtab kept file 1"
SUFFIX = ".kept"
PART = ".part"
"""How names of unfinished files end."""
_ALIGNED_TO = 64
"""Where parts begin, so that they serve as arrays."""
_LONGEST_HEAD_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """A folder of files of one kind, with its bounds: what was not asked for longest goes first."""

    folder: Path
    most_bytes: int
    most_files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFile:
    """The place of one file.

    Attributes:
        name: what it is called by, of values of JSON: one file takes the place of another with the same.
        depends_on: all else that its parts depend on, likewise.
    """

    shelf: Shelf
    name: object
    depends_on: object

    @property
    def path(self) -> Path:
        """Its file."""
        return self.shelf.folder / f"{_digest(self.name)[:40]}{SUFFIX}"

    def keep(self, parts: Sequence[Part]) -> None:
        """Write a file beside its place and move it there, then drop the oldest ones."""
        with suppress(OSError):
            self.shelf.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            ends, body = _laid_out(parts)
            file = tempfile.NamedTemporaryFile(dir=self.shelf.folder, suffix=PART, delete=False)  # noqa: SIM115
            unfinished = Path(file.name)
            try:
                with file:
                    file.writelines([self._head(ends, body), *body])
                unfinished.replace(self.path)
            finally:
                unfinished.unlink(missing_ok=True)
            self._drop_oldest()

    def read(self) -> list[memoryview] | None:
        """Give the parts, to be changed at will; None where they are not kept, or what lies there is not they."""
        try:
            with self.path.open("rb") as file:
                head = file.readline(_LONGEST_HEAD_BYTES)
                body = bytearray(os.fstat(file.fileno()).st_size - len(head))
                file.readinto(body)
            ends = json.loads(head)[-1]
            if head != self._head(ends, [body]):
                return None
        except (OSError, ValueError, TypeError, IndexError, KeyError, RecursionError):  # of whatever a file can hold
            return None
        with suppress(OSError):
            os.utime(self.path)
        return [memoryview(body)[_aligned(start) : end] for start, end in pairwise([0, *ends])]

    def _head(self, ends: Sequence[int], body: Sequence[Part]) -> bytes:
        """Tell what the file is, a digest of all that it holds, and where each part ends."""
        found = sha256(json.dumps(ends).encode())
        for part in body:
            found.update(part)
        return json.dumps([FORM, _digest([self.name, self.depends_on]), found.hexdigest(), ends]).encode() + b"\n"

    def _drop_oldest(self) -> None:
        total = 0
        for place, (_, n_bytes, path) in enumerate(sorted(_sizes(self.shelf.folder), reverse=True)):
            total += n_bytes
            if total > self.shelf.most_bytes or place >= self.shelf.most_files:
                path.unlink(missing_ok=True)


def _digest(value: object) -> str:
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _aligned(at: int) -> int:
    return -(-at // _ALIGNED_TO) * _ALIGNED_TO


def _laid_out(parts: Sequence[Part]) -> tuple[list[int], list[Part]]:
    """Say where each part ends, and put in what lies between them."""
    ends, laid_out = [0], list[Part]()
    for part in parts:
        start = _aligned(ends[-1])
        laid_out += [bytes(start - ends[-1]), part]
        ends.append(start + len(part))
    return ends[1:], laid_out


def _sizes(folder: Path) -> Iterator[tuple[int, int, Path]]:
    for path in folder.iterdir():
        if path.suffix in (SUFFIX, PART):
            with suppress(FileNotFoundError):  # another command's, that it has just moved into place
                found = path.stat()
                yield found.st_mtime_ns, found.st_size, path
