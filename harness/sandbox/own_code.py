"""Our code that runs inside boxes, where any user can read it: in place, or as a copy for this process's lifetime.

As root, and in containers, a box's processes are another user; an installation that is closed to others (umask 077)
would be closed to them too.
"""

from __future__ import annotations

import functools
import shutil
import stat
import tempfile
from pathlib import Path

INSIDE = Path(__file__).resolve().parent / "sandboxed"


def open_to_others(path: Path) -> bool:
    """Whether other users may read a file, or enter a folder (those above it do not matter: it is mounted)."""
    wanted = stat.S_IROTH | stat.S_IXOTH if path.is_dir() else stat.S_IROTH
    return path.stat().st_mode & wanted == wanted


@functools.cache
def readable_code() -> Path:
    """The folder `sandboxed` as every user can read it."""
    if all(map(open_to_others, (INSIDE, *INSIDE.rglob("*")))):
        return INSIDE
    return open_copy(INSIDE)


def open_copy(folder: Path) -> Path:
    """Copy a folder to where every user can read it; the copy ends with this process."""
    holder = tempfile.TemporaryDirectory(prefix="benchtab-sandboxed-")
    _HOLDERS.append(holder)
    place = Path(holder.name) / folder.name
    shutil.copytree(folder, place)
    for path in (Path(holder.name), place, *place.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return place


_HOLDERS: list[tempfile.TemporaryDirectory[str]] = []
