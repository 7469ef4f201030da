"""How much can still be written to a SQLite ledger before its disk, or a limit on its files, is full.

Checked before requests are admitted, so that the answers of those in flight always find room: sending stops while
there is still space to record what was sent.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path

KEPT_FREE_BYTES = 8 * 2**20
"""Room for the journal and for scores, whatever is in flight."""
KEPT_FREE_PER_ATTEMPT_BYTES = 64 * 2**10
"""Room for the answer of one request in flight, its transcript and its indexes, twice (journal and file)."""
KEPT_FREE_FOR_FACTS_BYTES = 2**20
"""Room that no transcript may take."""
_PLENTY_BYTES = 2**30
"""Far more than a journal holds: with so much left it need not be looked at."""


def room_bytes(path: str) -> int:
    """Bytes that can still be written beside this file: what its disk has left, or what a limit on files leaves."""
    disk = os.statvfs(os.path.dirname(path) or ".")  # noqa: PTH120  # for every batch: a Path costs more than the call
    free = disk.f_bavail * disk.f_frsize
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if limit != resource.RLIM_INFINITY:
        free = min(free, limit - max(_size(path), _size(f"{path}-wal")))
    return free


def is_short(path: str, *, in_flight: int) -> bool:
    """Whether what is in flight might find no room if one more request left."""
    return not _holds(path, 0, KEPT_FREE_BYTES + KEPT_FREE_PER_ATTEMPT_BYTES * (in_flight + 1))


def fits(path: str, n_bytes: int, *, in_flight: int) -> bool:
    """Whether so much can be written and the facts of what is in flight still find room, without their transcripts."""
    return _holds(path, n_bytes, KEPT_FREE_FOR_FACTS_BYTES + KEPT_FREE_PER_ATTEMPT_BYTES * (in_flight + 1))


def _holds(path: str, n_bytes: int, kept_bytes: int) -> bool:
    """Whether a body fits into the journal, and later what the journal holds into the file, with so much kept free."""
    left = room_bytes(path) - n_bytes - kept_bytes
    return left >= n_bytes + _PLENTY_BYTES or left >= n_bytes + _size(f"{path}-wal")


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except FileNotFoundError:
        return 0
