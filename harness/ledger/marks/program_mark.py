"""Which program this is, told in milliseconds: what another one kept is not read.

Data flows names, sizes and times of the package's files -> digests.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from harness.resources import PACKAGE, shipped


@cache
def program_mark() -> Sequence[str]:
    """Say which program this is, its prices and libraries included: installing any of them writes to their folder."""
    libraries = find_spec("sqlalchemy")
    assert libraries is not None and libraries.origin is not None  # noqa: PT018  # a library that the ledger rests on
    return (
        sys.version,
        files_mark([PACKAGE, shipped("pricing")]),
        str(Path(libraries.origin).parents[1].stat().st_mtime_ns),
    )


def files_mark(folders: Sequence[Path], *, by_content: bool = False) -> str:
    """Give a digest of all files in folders: their names with sizes and times, or with their contents."""
    found = hashlib.sha256()
    for folder in folders:
        for root, names, files in os.walk(folder):
            names[:] = sorted(name for name in names if name != "__pycache__")
            for name in sorted(files):
                path = f"{root}/{name}"
                found.update(path.encode("utf-8", "surrogateescape") + b"\0")
                if by_content:
                    found.update(hashlib.sha256(Path(path).read_bytes()).digest())
                else:
                    told = os.stat(path)  # noqa: PTH116  # hundreds of files: a Path costs more than the call
                    found.update(b"%d %d" % (told.st_size, told.st_mtime_ns))
    return found.hexdigest()
