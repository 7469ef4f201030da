"""Files in a folder of caches: each appears whole or not at all, and the newest of them up to so many bytes stay."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

PART = ".part"
"""How names of unfinished files end."""


def keep_file(path: Path, write: Callable[[IO[bytes]], object], *, most_bytes: int, most_files: int) -> None:
    """Write a file beside its place and move it there, then drop the oldest ones whose names end as its name does.

    A folder that cannot be written to keeps nothing.
    """
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=PART, delete=False) as file:
            write(file)
        Path(file.name).replace(path)
        _drop_oldest(path, most_bytes, most_files)


def touch_kept(path: Path) -> None:
    """Note that a file was asked for: of many, the ones not asked for go first."""
    with suppress(OSError):
        os.utime(path)


def _drop_oldest(newest: Path, most_bytes: int, most_files: int) -> None:
    total = 0
    for place, (_, n_bytes, path) in enumerate(sorted(_sizes(newest), reverse=True)):
        total += n_bytes
        if total > most_bytes or place >= most_files:
            path.unlink(missing_ok=True)


def _sizes(like: Path) -> Iterator[tuple[int, int, Path]]:
    for path in like.parent.iterdir():
        if path.suffix in (like.suffix, PART):
            with suppress(FileNotFoundError):  # another command's, that it has just moved into place
                found = path.stat()
                yield found.st_mtime_ns, found.st_size, path
